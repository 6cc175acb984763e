/** A marble test as a user would write it, for mocha. */
export const MARBLE_TEST = `
import { toTarget } from 'dma-streams';
import { marbleTest, RecordingTarget } from 'dma-streams/testing';

describe('a target', () => {
  it('applies a set', () => {
    marbleTest(({ sets, expectOutcomes }) => {
      const sets$ = sets('a|', { a: { maps: ['0x0-0x1000'] } });
      expectOutcomes(sets$.pipe(toTarget(new RecordingTarget()))).toBe('a|', { a: '1 applied' });
    });
  });
});
`;

/** The first program of a README, and what it says that it prints. @throws Error if there is none */
export function firstProgram(readme: string): { readonly text: string; readonly output: string } {
  const [, text, comment] = /^```js\n(.*?\n\/\/ Output:\n((?:\/\/ [^\n]*\n)+))```$/ms.exec(readme) ?? [];
  if (text === undefined || comment === undefined) {
    throw new Error('the README begins with no program that says what it prints');
  }
  return { text, output: comment.replaceAll(/^\/\/ /gm, '') };
}
