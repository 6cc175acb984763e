/** Control characters, separators of lines, invisible ones, and those that change the direction of text; half of a pair of surrogates. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}]/gu;

/** What is shown for an empty name. */
export const NO_NAME = '(no name)';

/** A name as it is shown: characters that do not show are replaced by their number. Names come from other programs. */
export function visible(name: string): string {
  if (name === '') {
    return NO_NAME;
  }
  return name.replace(UNSEEN, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

/** A name of at most `length` characters. What is too long has `…` before its end: names that differ at the end only are often side by side. */
export function shortInside(name: string, length: number): string {
  const shown = Array.from(visible(name.slice(0, 16 * length)));
  const end = Math.floor(length / 2);
  return shown.length > length && shown.length < 16 * length && length > 2
    ? `${shown.slice(0, length - 1 - end).join('')}…${shown.slice(-end).join('')}`
    : short(name, length);
}

/** A name of at most `length` characters: what is too long ends in `…`. */
export function short(name: string, length: number): string {
  const shown = Array.from(visible(name.slice(0, 16 * length)));
  return shown.length > length ? `${shown.slice(0, length - 1).join('')}…` : shown.join('');
}
