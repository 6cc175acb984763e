/** Control characters, separators of lines, invisible ones, and those that change the direction of text; half of a pair of surrogates. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}]/gu;

/** A name as it is shown: characters that do not show are replaced by their number. Names come from other programs. */
export function visible(name: string): string {
  if (name === '') {
    return '(no name)';
  }
  return name.replace(UNSEEN, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

/** A name of at most `length` characters: what is too long ends in `…`. */
export function short(name: string, length: number): string {
  const shown = Array.from(visible(name.slice(0, 16 * length)));
  return shown.length > length ? `${shown.slice(0, length - 1).join('')}…` : shown.join('');
}
