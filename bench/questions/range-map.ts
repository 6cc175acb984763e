import sortedBTree from 'sorted-btree';
import type { MemoryRange } from '../../streams/index.js';
import { RangeMap, type Ranged } from '../../streams/internal.js';
import { timedNow } from '../support/clock.js';
import type { Figure, Host, Measured, Parameters, Question, Round, Samples } from '../support/question.js';
import { shuffled, slot } from '../support/scattered.js';
import { FigureMaker } from '../support/statistics.js';

const SIZES = [100, 10_000, 100_000, 1_000_000];
const QUICK_SIZES = [100, 10_000];
const OPERATIONS = 20_000;
const MAPS = ['range-map', 'sorted-btree'] as const;
const OPERATION_NAMES = ['first overlap', 'remove + insert'] as const;

export const rangeMap: Question = {
  name: 'range-map',
  title: 'the internal sorted map of ranges, compared with a B+ tree from npm',
  about:
    'Every operation is at a random place. "Touching" reads only the pages of a random entry: the memory latency of the machine, ' +
    'which is a lower bound for any map.',

  hosts(quick: boolean): Host[] {
    const times = quick ? { rounds: 3, warmUps: 1 } : { rounds: 11, warmUps: 3 };
    return (quick ? QUICK_SIZES : SIZES).map((size) => ({ name: `${size} entries`, parameters: { size }, ...times }));
  },

  setUp(parameters: Parameters): Measured {
    const size = Number(parameters['size']);
    const values = Array.from({ length: size }, (_, index): Ranged => ({ range: slot(index) }));
    const places = shuffled(size);
    return {
      cases: {
        ...touching(size, values, places),
        ...operations(`range-map/${size}/range-map`, new RangeMap<Ranged>(), values, places),
        ...operations(`range-map/${size}/sorted-btree`, new OverSortedBTree(), values, places),
      },
    };
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    return [
      ...OPERATION_NAMES.flatMap((operation) =>
        SIZES.flatMap((size) => [
          ...MAPS.flatMap((map) =>
            make.figure(
              `range-map/${size}/${map}/${operation}`,
              `${map}: ${operation}, ${size.toLocaleString('en')} entries`,
              'ns',
              {
                baseline: map !== 'range-map',
                beside: map === 'range-map' ? { 'sorted-btree': `range-map/${size}/sorted-btree/${operation}` } : {},
              },
            ),
          ),
        ]),
      ),
      ...SIZES.flatMap((size) =>
        make.figure(`range-map/${size}/touch`, `touching one of ${size.toLocaleString('en')} entries`, 'ns', {
          baseline: true,
        }),
      ),
    ];
  },
};

/** What both maps can do. */
interface Candidate {
  insert(value: Ranged): Ranged | undefined;
  remove(range: MemoryRange): unknown;
  firstOverlap(range: MemoryRange): Ranged | undefined;
}

/** The same with a general sorted map: search for an overlap, then change. */
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

/** Visits random entries; each round continues where the last one ended. In nanoseconds per entry. */
function visiting(
  id: string,
  values: readonly Ranged[],
  places: readonly number[],
  work: (value: Ranged) => void,
): Record<string, Round> {
  let at = 0;
  return {
    [id]: () => {
      const taken = timedNow(() => {
        for (let index = 0; index < OPERATIONS; index++) {
          work(values[places[(at + index) % places.length] ?? 0] as Ranged);
        }
      });
      at = (at + OPERATIONS) % places.length;
      return { [id]: taken / OPERATIONS };
    },
  };
}

function touching(size: number, values: readonly Ranged[], places: readonly number[]): Record<string, Round> {
  let checksum = 0;
  return visiting(`range-map/${size}/touch`, values, places, (value) => {
    checksum = (checksum + value.range.startPage) % 1e9;
  });
}

function operations(
  id: string,
  map: Candidate,
  values: readonly Ranged[],
  places: readonly number[],
): Record<string, Round> {
  for (const index of places) {
    map.insert(values[index] as Ranged);
  }
  const change = (value: Ranged): void => {
    map.remove(value.range);
    map.insert(value);
  };
  return {
    ...visiting(`${id}/first overlap`, values, places, (value) => {
      if (map.firstOverlap(value.range) !== value) {
        throw new Error(`${id} does not find ${value.range.toString()}`);
      }
    }),
    ...visiting(`${id}/remove + insert`, values, places, change),
  };
}
