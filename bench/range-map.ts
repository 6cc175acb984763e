/**
 * What does the sorted map of ranges cost, and does that grow with its size, compared with a B+ tree of the registry?
 *
 * Every operation is at a random place. `touch` is what it costs to read the pages of a random entry alone: the memory of
 * the machine, which no map can undercut.
 */
import Table from 'cli-table3';
import sortedBTree from 'sorted-btree';
import { MemoryRange } from '../streams/index.js';
import { RangeMap, type Ranged } from '../streams/range-map.js';
import { shuffled, slot } from './support/scattered.js';

const SIZES = [100, 10_000, 100_000, 1_000_000];
const OPERATIONS = 300_000;

/** What both maps can do. */
interface Candidate {
  insert(value: Ranged): Ranged | undefined;
  remove(range: MemoryRange): unknown;
  firstOverlap(range: MemoryRange): Ranged | undefined;
}

/** The same over a general sorted map: look for what is in the way, then change. */
class OverSortedBTree implements Candidate {
  readonly #tree = new sortedBTree.default<number, Ranged>(undefined, (a, b) => a - b);

  firstOverlap(range: MemoryRange): Ranged | undefined {
    const before = this.#tree.getPairOrNextLower(range.startPage)?.[1];
    if (before !== undefined && before.range.endPage > range.startPage) {
      return before;
    }
    const after = this.#tree.getPairOrNextHigher(range.startPage)?.[1];
    return after !== undefined && after.range.startPage < range.endPage ? after : undefined;
  }

  insert(value: Ranged): Ranged | undefined {
    const last = this.#tree.getPairOrNextLower(value.range.endPage - 1)?.[1];
    if (last !== undefined && last.range.endPage > value.range.startPage) {
      return this.firstOverlap(value.range);
    }
    this.#tree.set(value.range.startPage, value);
    return undefined;
  }

  remove(range: MemoryRange): boolean {
    return this.#tree.delete(range.startPage);
  }
}

type Measure = 'remove + insert' | 'first overlap' | 'bytes an entry';

function collect(): void {
  globalThis.gc?.();
}

let checksum = 0;

/** Nanoseconds a call: the second of two rounds, the first of which warms up. */
function time(visits: readonly Ranged[], work: (value: Ranged) => void): number {
  let taken = 0;
  for (let round = 0; round < 2; round++) {
    const start = process.hrtime.bigint();
    for (const value of visits) {
      work(value);
    }
    taken = Number(process.hrtime.bigint() - start) / visits.length;
  }
  return taken;
}

function measure(map: Candidate, values: readonly Ranged[], visits: readonly Ranged[]): Record<Measure, number> {
  collect();
  const before = process.memoryUsage().heapUsed;
  for (const index of shuffled(values.length)) {
    map.insert(values[index] as Ranged);
  }
  collect();
  const bytes = (process.memoryUsage().heapUsed - before) / values.length;
  const change = (value: Ranged): void => {
    map.remove(value.range);
    map.insert(value);
  };
  return {
    'first overlap': time(visits, (value) => {
      checksum += map.firstOverlap(value.range) === value ? 1 : 0;
    }),
    'remove + insert': time(visits, change),
    'bytes an entry': bytes,
  };
}

function visitsOf(values: readonly Ranged[]): Ranged[] {
  let state = 7;
  return Array.from({ length: OPERATIONS }, () => {
    state = (state * 48271) % 0x7fffffff;
    return values[state % values.length] as Ranged;
  });
}

function main(): void {
  const table = new Table({
    head: ['entries', '', 'touch', 'RangeMap', 'sorted-btree', 'ratio', 'growth'],
    colAligns: ['right', 'left', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  const smallest = new Map<string, number>();
  for (const size of SIZES) {
    const values = Array.from({ length: size }, (_, index): Ranged => ({ range: slot(index) }));
    const visits = visitsOf(values);
    const touch = time(visits, (value) => {
      checksum += value.range.startPage;
    });
    const ours = measure(new RangeMap<Ranged>(), values, visits);
    const theirs = measure(new OverSortedBTree(), values, visits);
    for (const name of Object.keys(ours) as Measure[]) {
      const inBytes = name === 'bytes an entry';
      if (!smallest.has(name)) {
        smallest.set(name, ours[name]);
      }
      // The heap's own noise is larger than a hundred entries.
      if (inBytes && size < 100_000) {
        continue;
      }
      const unit = inBytes ? 'B' : 'ns';
      table.push([
        size.toLocaleString('en'),
        name,
        inBytes ? '' : `${touch.toFixed(0)} ns`,
        `${ours[name].toFixed(inBytes ? 1 : 0)} ${unit}`,
        `${theirs[name].toFixed(inBytes ? 1 : 0)} ${unit}`,
        (ours[name] / theirs[name]).toFixed(2),
        inBytes ? '' : `${(ours[name] / (smallest.get(name) ?? NaN)).toFixed(1)} x`,
      ]);
    }
  }
  console.log(table.toString());
  console.log(
    `ratio: RangeMap to sorted-btree, less is better; growth: from ${String(SIZES[0])} entries. (${checksum})`,
  );
}

main();
