import { BREAK, displayWidth } from './text.js';

/** An escape sequence for colour or weight, which occupies no column. */
const COLOUR = '\\u001b\\[[0-9;]*m';
const COLOURS = new RegExp(COLOUR, 'g');
/** An indivisible unit: an escape sequence or a character. */
const UNITS = new RegExp(`${COLOUR}|[^]`, 'gu');

/** A word longer than a line is broken after these characters, so that addresses in it are not split. */
const BREAKABLE = new Set([',', '/', '=', ';']);

const CONTINUED = '\\';

/** In columns, of text that may be coloured. */
function shownWidth(text: string): number {
  return displayWidth(text.replace(COLOURS, ''));
}

/**
 * Folds one line, coloured or not, into lines of at most `width` columns; `width` may be `Infinity`. It is broken at
 * spaces. A word longer than a line is broken after a comma or a slash if possible. A number is not separated from its unit.
 * All lines but the first are indented by `hang` columns, or by less if a word needs the space.
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
  /** Columns of the line, without pending spaces. */
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

  /** Begins a line with room for `width` columns, unless the current line is empty. */
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

/** The number of units before the break: as many as fit into `room` columns, up to the last break mark if there is one. */
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

/** A character of a shell command, with a preceding backslash if any, and the quotes that are open after it. */
interface ShellUnit {
  readonly text: string;
  readonly quotes: '' | "'" | '"';
}

/**
 * Folds a shell command after its prompt into lines of at most `width` columns. A shell reads them as the same command: each
 * line but the last ends with a backslash. A word longer than a line continues in the first column.
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
    // Inside single quotes a backslash is a literal character.
    const quote = part.at(-1)?.quotes === "'" ? "'" : '';
    lines.push(line + part.map(({ text }) => text).join('') + quote + CONTINUED);
    line = quote;
    rest = rest.slice(end);
  }
  return [...lines, line + rest.map(({ text }) => text).join('')];
}

/** The words of a command, including their quotes. */
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
