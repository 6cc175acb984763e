import { expect } from 'chai';
import { blocksOf, type UserProject } from './user-project.js';

/**
 * A file of a page of documentation: a `ts` block, or several, of which the first line of the later ones is `// name.ts, continued`. A block
 * may end with what it prints, as a comment.
 */
export interface PageFile {
  /** As in the first line of the block, `// name.ts`; otherwise `program-1.ts` for the first block of the page, and so on. */
  readonly name: string;
  readonly text: string;
  /** What it prints; `undefined` if the page does not say. */
  readonly output: string | undefined;
}

/** A line that is printed between two blocks of a file, so that what each block prints is compared with that block. */
const NEXT_BLOCK = '(the next block)';

const OUTPUT = '\n// Output:\n';

/** The files of a page, in order. */
export function filesOf(page: string): PageFile[] {
  const files = new Map<string, string[]>();
  blocksOf(page, 'ts').forEach((block, index) => {
    const [, name = `program-${index + 1}.ts`, continued] = /^\/\/ ([\w.-]+\.ts)(, continued)?\n/.exec(block) ?? [];
    expect(files.has(name), `${name} is there, to be continued`).to.equal(continued !== undefined);
    files.set(name, [...(files.get(name) ?? []), block]);
  });
  return Array.from(files, ([name, blocks]) => fileOf(name, blocks));
}

function fileOf(name: string, blocks: readonly string[]): PageFile {
  const text = blocks.join(`\nconsole.log('${NEXT_BLOCK}');\n`);
  const outputs = blocks.map(outputOf);
  const isSaid = outputs.some((output) => output !== undefined);
  return {
    name,
    text,
    output: isSaid ? outputs.map((output) => output ?? '').join(`${NEXT_BLOCK}\n`) : undefined,
  };
}

/** What a block says that it prints. */
export function outputOf(block: string): string | undefined {
  const [, comment] = block.split(OUTPUT);
  if (comment === undefined) {
    return undefined;
  }
  expect(comment, 'the output, as a comment').to.match(/^(?:\/\/ .+\n)+$/);
  return comment.replaceAll(/^\/\/ /gm, '');
}

/**
 * Runs a file of a page in a project where it has been compiled, and compares its output with what the page says.
 *
 * @param folder of the file in the project
 */
export async function expectOutput(
  project: UserProject,
  { name, output }: PageFile,
  { folder = '.', args = [] }: { readonly folder?: string; readonly args?: readonly string[] } = {},
): Promise<void> {
  expect(output, 'the page says what it prints').to.be.a('string');
  const { status, stdout, stderr } = await project.run([`out/${folder}/${name.replace(/\.ts$/, '.js')}`, ...args]);
  expect(stdout, stderr).to.equal(output);
  expect(status, stderr).to.equal(0);
}
