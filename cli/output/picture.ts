import type { MapChange, MemoryRange } from '../../streams/index.js';
import { NO_LAYERS, type Layers } from '../replay/layers.js';
import type { HeldMapping } from '../replay/report.js';
import { flow } from './flow.js';
import { layOut, type CoveredMemory, type Segment } from './segments.js';
import type { Terminal } from './terminal.js';
import { counted, displayWidth, fit, formatSize, printable } from './text.js';

export interface Holder {
  readonly name: string;
  /** Ascending. */
  readonly held: readonly HeldMapping[];
}

const MARGIN = '  ';
const GAP = '  ';
const WIDEST_NAME = 24;
const NARROWEST_NAME = 6;
/** How many sections are drawn that one segment covers; one more where it would be the only one left out. */
const MOST_COVERED = 3;

/** The fill pattern of each kind of memory. */
interface Fill {
  readonly symbol: string;
  /** The fill of its first line, if that marks the boundary between neighbours. */
  readonly top?: string;
  readonly colour: (text: string) => string;
}

/**
 * Draws the guest's address space, lowest address first: each mapping as a block whose height grows with the logarithm of its
 * size, the holes between mappings, names, access, and the targets that hold it. If there are many mappings, only the largest
 * are drawn; those between them are counted. What a mapping or a window covers is drawn below it.
 */
export function drawAddressSpace(
  mappings: readonly MapChange[],
  holders: readonly Holder[],
  terminal: Terminal,
  layers: Layers = NO_LAYERS,
): string[] {
  const segments = layOut(mappings, holders, layers);
  const end = segments.at(-1)?.range.end;
  if (end === undefined) {
    return [`${MARGIN}nothing is mapped`];
  }
  const columns = chooseColumns(segments, end, holders, terminal);
  const lines = heading(columns, holders, terminal);
  for (const segment of segments) {
    lines.push(...drawSegment(segment, columns, terminal));
  }
  lines.push(
    MARGIN +
      terminal.colours.dim(fit(hex(end), columns.address, columns.stacked ? 'left' : 'right')) +
      GAP +
      terminal.colours.dim('end'),
  );
  lines.push('', ...legend(segments, columns, holders, terminal));
  return lines.map((line) => line.trimEnd());
}

interface Columns {
  readonly address: number;
  readonly block: number;
  readonly name: number;
  readonly size: number;
  /** One column for each target, headed by its name, or by its number if the names are too wide. */
  readonly targets: readonly { readonly title: string; readonly width: number }[];
  readonly numbered: boolean;
  /** Whether address and targets are on a separate line above the block, because the terminal is narrow. */
  readonly stacked: boolean;
}

const ACCESS_WIDTH = 2;
const NARROWEST_BLOCK = 4;
const WIDEST_BLOCK = 16;

function chooseColumns(
  segments: readonly Segment[],
  end: bigint,
  holders: readonly Holder[],
  { width, limit }: Terminal,
): Columns {
  const address = hex(end).length;
  const rows = segments.flatMap((segment) => [
    { label: labelOf(segment), bytes: segment.bytes },
    ...coveredBy(segment).map(({ name: label, bytes }) => ({ label, bytes })),
  ]);
  const name = Math.min(WIDEST_NAME, Math.max(...rows.map(({ label }) => displayWidth(label))));
  const size = Math.max(...rows.map(({ bytes }) => formatSize(bytes).length));
  const beside = MARGIN.length + address + name + size + ACCESS_WIDTH + 4 * GAP.length;
  const named = holders.map((holder) => ({
    title: printable(holder.name),
    width: displayWidth(printable(holder.name)),
  }));
  const numbers = holders.map((_holder, index) => ({ title: String(index + 1), width: String(index + 1).length }));
  const targetsWidth = (targets: typeof named): number =>
    targets.reduce((sum, target) => sum + GAP.length + target.width, 0);
  const numbered = beside + targetsWidth(named) + 6 > width;
  const targets = numbered ? numbers : named;
  const least = beside - Math.max(0, name - NARROWEST_NAME) + targetsWidth(targets) + NARROWEST_BLOCK;
  const stacked = least > limit;
  const left = width - beside + (stacked ? address + GAP.length : -targetsWidth(targets));
  const block = Math.max(NARROWEST_BLOCK, Math.min(WIDEST_BLOCK, left));
  return {
    address,
    block,
    name: Math.max(Math.min(name, NARROWEST_NAME), name + Math.min(0, left - block)),
    size,
    targets,
    numbered,
    stacked,
  };
}

function heading(columns: Columns, holders: readonly Holder[], { colours }: Terminal): string[] {
  if (holders.length === 0 || columns.stacked) {
    return [];
  }
  const { address, block, name, size } = columns;
  const before = ' '.repeat(MARGIN.length + address + block + name + size + ACCESS_WIDTH + 4 * GAP.length);
  return [colours.dim(before + columns.targets.map(({ title }) => GAP + title).join(''))];
}

function drawSegment(segment: Segment, columns: Columns, terminal: Terminal): string[] {
  const { colours, unicode } = terminal;
  const { symbol, top = symbol, colour } = fillOf(segment, terminal);
  const label = fit(labelOf(segment), columns.name);
  const address = MARGIN + fit(hex(segment.range.start), columns.address, columns.stacked ? 'left' : 'right');
  const drawn = [
    colour(top.repeat(columns.block)),
    segment.kind === 'mapping' ? label : colours.dim(label),
    (segment.kind === 'mapping' ? String : colours.dim)(fit(formatSize(segment.bytes), columns.size, 'right')),
    fit(segment.kind === 'mapping' ? (segment.writable ? 'rw' : 'r') : '', ACCESS_WIDTH),
  ];
  const marks = columns.targets.map(({ title, width }, index) => {
    const holds = segment.kind !== 'hole' && segment.holders[index];
    const mark = columns.numbered ? title : unicode ? '●' : '*';
    const none = segment.kind === 'hole' ? '' : unicode ? '·' : '-';
    return holds === true ? colours.green(fit(mark, width, 'centre')) : colours.dim(fit(none, width, 'centre'));
  });
  const first = columns.stacked
    ? [[address, ...marks].join(GAP), MARGIN + drawn.join(GAP)]
    : [[address, ...drawn, ...marks].join(GAP)];
  const before = columns.stacked ? MARGIN : MARGIN + ' '.repeat(columns.address) + GAP;
  const more = before + colour(symbol.repeat(columns.block));
  const covered = coveredBy(segment).map(({ name, bytes }) =>
    colours.dim(
      before +
        [
          coveredSymbol(terminal).repeat(columns.block),
          fit(name, columns.name),
          fit(formatSize(bytes), columns.size, 'right'),
        ].join(GAP),
    ),
  );
  return [...first, ...Array.from({ length: heightOf(segment) - 1 }, () => more), ...covered];
}

/** The rows for what a segment covers. */
function coveredBy({ covered = [] }: Segment): readonly CoveredMemory[] {
  const rows = covered.map(({ name, bytes }) => ({ name: printable(name), bytes }));
  if (rows.length <= MOST_COVERED + 1) {
    return rows;
  }
  const rest = rows.slice(MOST_COVERED);
  const bytes = rest.reduce((sum, row) => sum + row.bytes, 0n);
  return [...rows.slice(0, MOST_COVERED), { name: `${rest.length} more`, bytes }];
}

function coveredSymbol({ unicode }: Terminal): string {
  return unicode ? '╱' : '/';
}

function labelOf(segment: Segment): string {
  switch (segment.kind) {
    case 'mapping':
      return printable(segment.name);
    case 'hole':
      return segment.name === undefined ? 'hole' : printable(segment.name);
    case 'folded':
      return counted(segment.mappings, 'mapping');
  }
}

/** In lines: 1 up to 2 MiB, one more for each factor of 16; holes are lower. */
function heightOf({ kind, range }: { readonly kind: Segment['kind']; readonly range: MemoryRange }): number {
  const steps = Math.floor(Math.log2(Number(range.length) / (1 << 21)) / 4);
  return 1 + Math.max(0, Math.min(kind === 'mapping' ? 4 : 1, steps + (kind === 'mapping' ? 1 : -1)));
}

function fillOf(segment: Segment, { colours, unicode }: Terminal): Fill {
  switch (segment.kind) {
    case 'hole':
      return { symbol: unicode ? '·' : '.', colour: colours.dim };
    case 'folded':
      return { symbol: unicode ? '≈' : '~', colour: colours.cyan };
    case 'mapping':
      if (segment.type === 'device') {
        return { symbol: unicode ? '▚' : '%', colour: colours.magenta };
      }
      return segment.writable
        ? { symbol: unicode ? '█' : '#', top: unicode ? '▇' : '#', colour: colours.green }
        : { symbol: unicode ? '░' : '=', colour: colours.yellow };
  }
}

function legend(
  segments: readonly Segment[],
  columns: Columns,
  holders: readonly Holder[],
  terminal: Terminal,
): string[] {
  const { colours, width } = terminal;
  const kinds = new Map<string, string>();
  for (const segment of segments) {
    const { symbol, colour } = fillOf(segment, terminal);
    kinds.set(meaningOf(segment), colour(symbol.repeat(2)));
  }
  if (segments.some((segment) => segment.covered !== undefined)) {
    kinds.set('covered by what is drawn above it', colours.dim(coveredSymbol(terminal).repeat(2)));
  }
  const items = [...kinds].map(([meaning, sample]) => ({ text: `${sample} ${meaning}`, width: 3 + meaning.length }));
  const scale = 'height: log of the size';
  items.push({ text: colours.dim(scale), width: scale.length });
  const lines = flow(items, width, MARGIN);
  if (columns.numbered) {
    const names = holders.map(({ name }, index) => `${index + 1} ${printable(name)}`);
    lines.push(
      ...flow(
        names.map((text) => ({ text, width: displayWidth(text) })),
        width,
        MARGIN,
      ),
    );
  }
  return lines;
}

function meaningOf(segment: Segment): string {
  switch (segment.kind) {
    case 'hole':
      return 'unmapped';
    case 'folded':
      return 'several, with small holes';
    case 'mapping':
      return segment.type === 'device' ? 'device' : segment.writable ? 'RAM' : 'read-only';
  }
}

function hex(address: bigint): string {
  return `0x${address.toString(16)}`;
}
