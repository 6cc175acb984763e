import { graphemes } from '../output/text.js';
import { firstFrom } from './first-from.js';
import { kindOf, type MapRow } from './watch-state.js';

/** What a user sees of a state: which part of it, and how. */
export interface View {
  readonly page: 'map' | 'problems' | 'help';
  /** The rows from this address on are shown. */
  readonly anchor: bigint;
  /** See `matching`. Empty: all. */
  readonly filter: string;
  /** The filter that is being typed, if one is. */
  readonly typed: string | undefined;
  readonly isPaused: boolean;
}

export const FIRST_VIEW: View = { page: 'map', anchor: 0n, filter: '', typed: undefined, isPaused: false };

/** What of the rows was drawn. */
export interface Shown {
  /** That match the filter. */
  readonly rows: readonly MapRow[];
  /** Index of the first one that is on the screen. */
  readonly first: number;
  /** How many fit on the screen. */
  readonly page: number;
}

/** A key, as `readline` of Node.js tells it. */
export interface Key {
  readonly name?: string | undefined;
  readonly sequence?: string | undefined;
  readonly ctrl?: boolean | undefined;
  readonly meta?: boolean | undefined;
}

/** What the program has to do. */
export type Action = 'quit' | 'interrupt' | 'suspend' | 'redraw';

export interface Pressed {
  readonly view: View;
  readonly action?: Action;
}

/** The keys, for people. */
export const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ['q', 'quit; as does Ctrl-C'],
  ['p, space', 'pause: the picture stands still, while everything goes on; again: go on'],
  [
    '/',
    'show only what contains a text: in its name, its kind or its range; an address shows what is there. Escape: show all',
  ],
  ['up, down, k, j', 'scroll by a line'],
  ['PgUp, PgDn, b, f', 'scroll by a page'],
  ['Home, End, g, G', 'to the lowest and the highest address'],
  ['e', 'all warnings and errors; again: back'],
  ['?, h', 'this help; again: back'],
  ['Ctrl-L', 'draw everything again'],
  ['Ctrl-Z', 'stop; fg goes on'],
];

/**
 * The rows that match a filter. An address in hexadecimal (`0xfee00000`) matches what is there; every other text matches what contains it, in
 * upper or lower case.
 */
export function matching(rows: readonly MapRow[], filter: string): readonly MapRow[] {
  if (filter === '') {
    return rows;
  }
  const wanted = filter.toLowerCase();
  const address = /^0x[0-9a-f]{1,16}$/.test(wanted) ? BigInt(wanted) : undefined;
  return rows.filter((row) =>
    address === undefined
      ? `${row.name.toLowerCase()} ${kindOf(row)} ${row.range.toString()}`.includes(wanted)
      : row.range.start <= address && address < row.range.end,
  );
}

/** What a key does. */
export function press(view: View, key: Key, shown: Shown): Pressed {
  const control = key.ctrl === true ? CONTROLS[key.name ?? ''] : undefined;
  if (control !== undefined) {
    return { view, action: control };
  }
  if (view.typed !== undefined) {
    return { view: type(view, view.typed, key) };
  }
  if (key.ctrl === true || key.meta === true) {
    return { view };
  }
  switch (key.name ?? key.sequence) {
    case 'q':
      return key.sequence === 'q' ? { view, action: 'quit' } : { view };
    case 'p':
    case 'space':
      return { view: { ...view, isPaused: !view.isPaused } };
    case 'escape':
      return { view: view.page === 'map' ? { ...view, filter: '' } : { ...view, page: 'map' } };
    case 'h':
      return { view: toggled(view, 'help') };
    case 'e':
      return { view: toggled(view, 'problems') };
  }
  switch (key.sequence) {
    case '?':
      return { view: toggled(view, 'help') };
    case '/':
      return { view: { ...view, page: 'map', typed: '' } };
  }
  const step = stepOf(key, shown);
  return { view: step === undefined || view.page !== 'map' ? view : { ...view, anchor: anchorAfter(shown, step) } };
}

const CONTROLS: Readonly<Record<string, Action>> = { c: 'interrupt', d: 'quit', z: 'suspend', l: 'redraw' };

function toggled(view: View, page: View['page']): View {
  return { ...view, page: view.page === page ? 'map' : page };
}

function type(view: View, typed: string, { name, sequence = '', ctrl, meta }: Key): View {
  switch (name) {
    case 'return':
    case 'enter':
      return { ...view, filter: typed, typed: undefined, anchor: 0n };
    case 'escape':
      return { ...view, typed: undefined };
    case 'backspace':
      return { ...view, typed: typed === '' ? undefined : graphemes(typed).slice(0, -1).join('') };
  }
  if (ctrl === true && name === 'u') {
    return { ...view, typed: '' };
  }
  const isText = ctrl !== true && meta !== true && !/\p{C}/u.test(sequence);
  return isText ? { ...view, typed: typed + sequence } : view;
}

/** By how many rows to scroll. */
function stepOf({ name, sequence }: Key, { page, rows }: Shown): number | undefined {
  switch (name) {
    case 'up':
    case 'k':
      return -1;
    case 'down':
    case 'j':
      return 1;
    case 'pageup':
    case 'b':
      return -page;
    case 'pagedown':
    case 'f':
      return page;
    case 'home':
      return -rows.length;
    case 'end':
      return rows.length;
    case 'g':
      return sequence === 'G' ? rows.length : -rows.length;
  }
  return undefined;
}

function anchorAfter({ rows, first, page }: Shown, step: number): bigint {
  const last = Math.max(0, rows.length - page);
  let index = Math.max(0, Math.min(last, first + step));
  // Several rows may begin at one address: what has gone, and what came. The first of them is at the top then.
  while (step > 0 && index < last && rows[index]?.range.start === rows[first]?.range.start) {
    index++;
  }
  return index === 0 ? 0n : (rows[index]?.range.start ?? 0n);
}

/** Index of the first row that is shown. */
export function firstShown(rows: readonly MapRow[], anchor: bigint, page: number): number {
  return Math.max(0, Math.min(firstFrom(rows, anchor), rows.length - page));
}
