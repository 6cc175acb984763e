/** Characters that take two columns: East Asian ones, and emoji; not the letters of flags, of which two are one emoji. */
const WIDE =
  /(?![\u{1f1e6}-\u{1f1ff}])[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** Characters that take none: they sit on the one before. */
const COMBINING = /\p{M}/u;

const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** In columns. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    width += COMBINING.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  }
  return width;
}

/** A name from a file, without what could move the cursor or change colours. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '?');
}

/** JSON of the same value, without what could move the cursor or change colours: `JSON.stringify` escapes only ASCII's. */
export function printableJson(json: string): string {
  return json.replace(UNPRINTABLE, (character) =>
    // A newline is between two values: inside of a string it is escaped already.
    character === '\n'
      ? character
      : character.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
}

const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** What a person takes for characters. */
export function graphemes(text: string): string[] {
  return Array.from(GRAPHEMES.segment(text), ({ segment }) => segment);
}

/** Cut to `width` columns, with a mark where it was cut, if there is room for one. */
export function truncate(text: string, width: number, mark = '…'): string {
  if (displayWidth(text) <= width) {
    return text;
  }
  if (displayWidth(mark) > width) {
    return '';
  }
  let cut = '';
  let used = displayWidth(mark);
  for (const character of text) {
    used += displayWidth(character);
    if (used > width) {
      break;
    }
    cut += character;
  }
  return cut + mark;
}

/** Filled up with spaces, or cut, to exactly `width` columns; to none if it is negative. */
export function fit(text: string, width: number, side: 'left' | 'right' | 'centre' = 'left'): string {
  const cut = truncate(text, width);
  const space = Math.max(0, width - displayWidth(cut));
  const before = side === 'left' ? 0 : side === 'right' ? space : Math.floor(space / 2);
  return ' '.repeat(before) + cut + ' '.repeat(space - before);
}

/** A space that is not before a unit. */
export const BREAK = / (?!(?:ms|s|min|[KMGTPE]?i?B)\b)/;

/** Broken at spaces into lines of at most `width` columns; a longer word stays whole, and so does a number with its unit. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(BREAK)) {
    if (line !== '' && displayWidth(line) + 1 + displayWidth(word) > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines;
}

/** `12,345` */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** `1 map`, `2 maps` */
export function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** `640 KiB`, `1.94 GiB`: three digits at least, and whole where it is. */
export function formatSize(bytes: bigint): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  let unit = 0;
  let size = Number(bytes);
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  const digits = Number.isInteger(size) ? 0 : size < 10 ? 2 : size < 100 ? 1 : 0;
  return `${size.toFixed(digits)} ${units[unit] ?? ''}`;
}

/** `97 ms`, `10.2 s`, `3 min 20 s` */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) {
    return `${milliseconds.toFixed(0)} ms`;
  }
  const seconds = milliseconds / 1000;
  if (seconds < 119.5) {
    return `${seconds.toFixed(seconds < 99.5 ? 1 : 0)} s`;
  }
  const rounded = Math.round(seconds);
  return `${formatCount(Math.floor(rounded / 60))} min ${rounded % 60} s`;
}
