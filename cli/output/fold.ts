import { BREAK, displayWidth } from './text.js';

/** Sets a colour or weight, and takes no column. */
const COLOUR = '\\u001b\\[[0-9;]*m';
const COLOURS = new RegExp(COLOUR, 'g');
/** What is not taken apart: a colour, or a character. */
const UNITS = new RegExp(`${COLOUR}|[^]`, 'gu');

/** After these a word that is longer than a line is broken, so that addresses in it stay whole. */
const BREAKABLE = new Set([',', '/', '=', ';']);

const CONTINUED = '\\';

/** In columns, of text that may be coloured. */
function shownWidth(text: string): number {
  return displayWidth(text.replace(COLOURS, ''));
}

/**
 * Folds one line, coloured or not, into lines of at most `width` columns; `width` may be `Infinity`. It is broken at
 * spaces; a word that is longer than a line is broken inside, after a comma or a slash where there is one. A number stays
 * with its unit. All lines but the first are indented by `hang` columns, or by less where a word needs the room.
 */
export function fold(line: string, width: number, hang = indentOf(line) + 2): readonly string[] {
  if (width === Infinity || shownWidth(line) <= width) {
    return [line];
  }
  const folded = new Folded(width, hang);
  let end = 0;
  for (const { index, 0: spaces } of line.matchAll(SPACES)) {
    folded.add(line.slice(end, index));
    folded.space(spaces);
    end = index + spaces.length;
  }
  folded.add(line.slice(end));
  return folded.lines();
}

const SPACES = new RegExp(BREAK.source.replace(' ', ' +'), 'g');

function indentOf(line: string): number {
  return line.replace(COLOURS, '').search(/\S|$/);
}

class Folded {
  readonly #width: number;
  readonly #hang: number;
  readonly #lines: string[] = [];
  #line = '';
  /** Columns of the line, without the spaces that are to follow. */
  #used = 0;
  #spaces = '';

  constructor(width: number, hang: number) {
    this.#width = width;
    this.#hang = Math.min(hang, width >> 1);
  }

  space(spaces: string): void {
    this.#spaces += spaces;
  }

  add(word: string): void {
    const width = shownWidth(word);
    if (width === 0) {
      this.#line += word;
    } else if (this.#used + this.#spaces.length + width <= this.#width) {
      this.#append(this.#spaces, word, width);
    } else if (width <= this.#width) {
      this.#next(width);
      this.#append(this.#spaces, word, width);
    } else {
      this.#addLong(word);
    }
  }

  lines(): readonly string[] {
    return [...this.#lines, this.#line];
  }

  #append(spaces: string, word: string, width: number): void {
    this.#line += spaces + word;
    this.#used += spaces.length + width;
    this.#spaces = '';
  }

  /** Begins a line that has room for so many columns, unless the one at hand is still empty. */
  #next(width: number): void {
    const indent = this.#used === 0 && this.#lines.length === 0 ? this.#spaces.length : this.#hang;
    if (this.#used > 0) {
      this.#lines.push(this.#line);
      this.#line = '';
      this.#used = 0;
    }
    this.#spaces = ' '.repeat(Math.max(0, Math.min(indent, this.#width - width)));
  }

  #addLong(word: string): void {
    let rest: readonly string[] = word.match(UNITS) ?? [];
    while (shownWidth(rest.join('')) > this.#width - this.#used - this.#spaces.length) {
      const room = this.#width - this.#used - this.#spaces.length;
      const end = breakBefore(rest, room, this.#used > 0 ? 'marks' : 'anywhere');
      if (end > 0) {
        const part = rest.slice(0, end).join('');
        this.#append(this.#spaces, part, shownWidth(part));
        rest = rest.slice(end);
      }
      this.#next(this.#width - this.#hang);
    }
    const last = rest.join('');
    this.#append(this.#spaces, last, shownWidth(last));
  }
}

/** How many of the units come before the break: as many as fit into `room` columns, up to a mark where there is one. */
function breakBefore(units: readonly string[], room: number, where: 'marks' | 'anywhere'): number {
  let used = 0;
  let mark = 0;
  for (const [index, unit] of units.entries()) {
    used += shownWidth(unit);
    if (used > room) {
      return mark > 0 || where === 'marks' ? mark : Math.max(1, index);
    }
    mark = BREAKABLE.has(unit) ? index + 1 : mark;
  }
  return units.length;
}

/** A character of a shell command, or one with the backslash before it, and the quotes that are open after it. */
interface ShellUnit {
  readonly text: string;
  readonly quotes: '' | "'" | '"';
}

/**
 * Folds a shell command after its prompt into lines of at most `width` columns, which a shell still reads as the same
 * command: each but the last ends with a backslash. A word that is longer than a line goes on in the first column.
 */
export function foldCommand(prompt: string, command: string, width: number): readonly string[] {
  if (width === Infinity || displayWidth(prompt + command) <= width) {
    return [prompt + command];
  }
  const words = shellWords(command);
  const lines: string[] = [];
  let line = prompt;
  for (const [index, units] of words.entries()) {
    const word = units.map(({ text }) => text).join('');
    const room = width - (index === words.length - 1 ? 0 : displayWidth(` ${CONTINUED}`));
    const space = index === 0 ? '' : ' ';
    if (displayWidth(line + space + word) <= room) {
      line += space + word;
      continue;
    }
    if (index > 0) {
      lines.push(`${line} ${CONTINUED}`);
      line = ' '.repeat(Math.max(0, Math.min(displayWidth(prompt), room - displayWidth(word))));
    }
    const parts = breakShellWord(line, units, room);
    lines.push(...parts.slice(0, -1));
    line = parts.at(-1) ?? '';
  }
  return [...lines, line];
}

/** One line where the word fits after `before`. */
function breakShellWord(before: string, word: readonly ShellUnit[], width: number): readonly string[] {
  const lines: string[] = [];
  let line = before;
  let rest = word;
  while (displayWidth(line + rest.map(({ text }) => text).join('')) > width) {
    // Room for the closing quote and the backslash.
    const room = width - displayWidth(line) - 2;
    const end = breakBefore(
      rest.map(({ text }) => text),
      room,
      'anywhere',
    );
    const part = rest.slice(0, end);
    // Inside of single quotes a backslash stands for itself.
    const quote = part.at(-1)?.quotes === "'" ? "'" : '';
    lines.push(line + part.map(({ text }) => text).join('') + quote + CONTINUED);
    line = quote;
    rest = rest.slice(end);
  }
  return [...lines, line + rest.map(({ text }) => text).join('')];
}

/** Its words, as they are written: with their quotes. */
function shellWords(command: string): readonly (readonly ShellUnit[])[] {
  const words: ShellUnit[][] = [];
  let word: ShellUnit[] = [];
  let quotes: ShellUnit['quotes'] = '';
  for (const text of command.match(/\\[^]|[^]/gu) ?? []) {
    if (text === ' ' && quotes === '') {
      words.push(word);
      word = [];
      continue;
    }
    if ((text === "'" || text === '"') && (quotes === '' || quotes === text)) {
      quotes = quotes === '' ? text : '';
    }
    word.push({ text, quotes });
  }
  words.push(word);
  return words.filter(({ length }) => length > 0);
}
