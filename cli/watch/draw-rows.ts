import { displayWidth, fit, formatSize, printable } from '../output/text.js';
import type { Terminal } from '../output/terminal.js';
import { hex } from '../trace/section.js';
import { kindOf, type Holding, type MapRow, type WatchState } from './watch-state.js';

/** A screen to draw on, in columns and rows. */
export type Screen = Pick<Terminal, 'colours' | 'unicode'> & { readonly columns: number; readonly rows: number };

/** In columns. */
const SIZE = 8;
const KIND = 4;
const NARROWEST_NAME_WITH_END = 14;
const NARROWEST_NAME = 5;
const WIDEST_NAME = 40;

/** Targets that have a column each. */
const MOST_COLUMNS = 9;

export interface RowLayout {
  /** In columns: of the longest address. */
  readonly address: number;
  /** Whether the end of a range is shown, besides its start and its size. */
  readonly hasEnd: boolean;
  readonly gap: string;
  readonly name: number;
  /** In columns: for each target; `'counted'` if they have no column each. */
  readonly holder: number | 'counted';
}

/** The widths of the columns for all rows of a state: they stay when it is scrolled. */
export function layOutRows({ rows, targets }: WatchState, { columns }: Screen): RowLayout {
  const address = Math.max(5, ...rows.slice(-1).map(({ range }) => hex(range.end).length));
  const fitting = CANDIDATES.map((candidate): RowLayout => {
    const { hasEnd, gap, holder } = candidate;
    const range = hasEnd ? 2 * address + 1 : address;
    const others = 2 + range + SIZE + KIND + 3 * gap.length + holdersWidth(targets, holder);
    return { address, ...candidate, name: Math.min(WIDEST_NAME, columns - others) };
  }).find(({ name, hasEnd, holder }) => {
    const least = hasEnd ? NARROWEST_NAME_WITH_END : NARROWEST_NAME;
    return name >= least && (holder === 'counted' || targets.length <= MOST_COLUMNS);
  });
  return { address, ...LAST, ...fitting, name: Math.max(1, fitting?.name ?? 1) };
}

const LAST = { hasEnd: false, gap: ' ', holder: 'counted' } as const;

/** The first one with room for names is taken. */
const CANDIDATES: readonly Pick<RowLayout, 'hasEnd' | 'gap' | 'holder'>[] = [
  { hasEnd: true, gap: '  ', holder: 2 },
  { hasEnd: false, gap: ' ', holder: 1 },
  { hasEnd: true, gap: '  ', holder: 'counted' },
  LAST,
];

function holdersWidth({ length }: { readonly length: number }, holder: RowLayout['holder']): number {
  return length === 0 ? 0 : 1 + (holder === 'counted' ? 2 * String(length).length + 1 : length * holder);
}

/** The titles of the columns. */
export function drawHeading(layout: RowLayout, { targets }: WatchState, { colours, columns }: Screen): string {
  const { address, hasEnd, gap, name, holder } = layout;
  const range = hasEnd ? `${fit('start', address, 'right')}-${fit('end', address)}` : fit('start', address);
  const line = ['  ' + range, fit('size', SIZE, 'right'), fit('kind', KIND), fit('name', name)].join(gap);
  const titles = holder === 'counted' ? [] : targets.map((_target, index) => fit(String(index + 1), holder, 'right'));
  return colours.dim(colours.underline(fit(`${line} ${titles.join('')}`, columns)));
}

/** One line. What has changed a moment ago stands out. */
export function drawRow(row: MapRow, layout: RowLayout, { targets }: WatchState, screen: Screen): string {
  const { colours } = screen;
  const { address, hasEnd, gap, name } = layout;
  const { range, change } = row;
  const holdings = targets.map((target) => target.holdingOf(range));
  const isStuck = change === 'removed' && holdings.includes('stuck');
  const sign = isStuck ? '!' : { none: ' ', added: '+', removed: '-' }[change];
  const start = hex(range.start);
  const text = [
    `${sign} ${hasEnd ? `${fit(start, address, 'right')}-${fit(hex(range.end), address)}` : fit(start, address)}`,
    fit(formatSize(range.length), SIZE, 'right'),
    fit(kindOf(row), KIND),
    fit(printable(row.name), name),
  ].join(gap);
  // What has gone is held nowhere, unless it is stuck.
  const cells = change === 'removed' && !isStuck ? '' : drawHolders(holdings, layout.holder, screen);
  switch (change) {
    case 'none':
      return text + cells;
    case 'added':
      return colours.green(colours.bold(text)) + cells;
    case 'removed':
      return (isStuck ? colours.bold(colours.red(text)) : colours.red(text)) + cells;
  }
}

function drawHolders(holdings: readonly Holding[], holder: RowLayout['holder'], { colours, unicode }: Screen): string {
  if (holdings.length === 0) {
    return '';
  }
  if (holder === 'counted') {
    const held = holdings.filter((holding) => holding === 'held').length;
    return ` ${fit(`${held}/${holdings.length}`, holdersWidth({ length: holdings.length }, holder) - 1, 'right')}`;
  }
  const [held, none] = unicode ? ['●', '·'] : ['*', '.'];
  const cells = holdings.map((holding) => {
    const [symbol, colour] = {
      held: [held, colours.green] as const,
      stuck: ['!', colours.red] as const,
      'not held': [none, colours.dim] as const,
    }[holding];
    return ' '.repeat(holder - displayWidth(symbol)) + colour(symbol);
  });
  return ` ${cells.join('')}`;
}
