import type { MappingParams } from '../../streams/index.js';
import { MemoryRange, RegionManager, type Region } from '../../streams/index.js';
import { timed } from '../support/clock.js';
import { idleTarget } from '../support/idle-target.js';
import type { Figure, Host, Measured, Parameters, Question, Round, Samples } from '../support/question.js';
import { counted } from '../support/format.js';
import { mapping, shuffled } from '../support/scattered.js';
import { FigureMaker } from '../support/statistics.js';
import { changeBaselines } from './change-baselines.js';
import { idOf, ORDERS, ordersOf, type Order } from './change-cases.js';

const COUNTS = [100, 10_000, 100_000, 1_000_000];
const QUICK_COUNTS = [100, 1000];
/** Mapping counts that are also measured with a target that takes sets. */
const BATCH_COUNTS = [100, 100_000];
const ALL_COUNTS = [...new Set([...QUICK_COUNTS, ...COUNTS])].toSorted((a, b) => a - b);
const TARGETS = [1, 4];
const SETS = [1, 64, 4096];

/** Changes in a round of a case, half of them adding and half removing: some ten milliseconds. */
const CHANGES: Readonly<Record<number, number>> = { 1: 4096, 64: 16_384, 4096: 32_768 };

/** The same for a quick run. */
const QUICK_WORK = 0.125;

/** Limits for a change, in nanoseconds: for one target; for several, for each of them. */
const ONE_TARGET: Readonly<Record<number, number>> = { 1: 1500, 64: 200, 4096: 120 };
const EACH_TARGET: Readonly<Record<number, number>> = { 1: 2000, 64: 250, 4096: 250 };
/** The mapping counts to which these limits apply. Above them, growth is limited. */
const LIMITED_COUNT = 100_000;
/** From the smallest count. */
const GROWTH: Readonly<Record<number, number>> = { 100_000: 2, 1_000_000: 2.5 };

export const change: Question = {
  name: 'change',
  title: 'cost of a change',
  about:
    'One mapping is added to or removed from a visible region with many mappings, at no-op targets. Each command is awaited. Limits apply to ' +
    'random places. Sequential places are shown for comparison: there the memory is in the processor caches.',

  hosts(quick: boolean): Host[] {
    const counts = quick ? QUICK_COUNTS : COUNTS;
    const times = quick ? { rounds: 2, warmUps: 1 } : { rounds: 15, warmUps: 8 };
    const work = quick ? QUICK_WORK : 1;
    const changes = counts.flatMap((count) => [
      ...TARGETS.map((targets) => ({ count, targets, batch: false, work })),
      ...(BATCH_COUNTS.includes(count) ? [{ count, targets: 1, batch: true, work }] : []),
    ]);
    return [
      { name: 'baselines', parameters: { counts: counts.join(' ') }, ...times },
      ...changes.map((parameters) => ({
        name: `${parameters.count} mappings, ${parameters.targets} targets`,
        parameters,
        ...times,
      })),
    ];
  },

  setUp(parameters: Parameters): Promise<Measured> {
    return 'counts' in parameters ? changeBaselines(parameters, TARGETS) : setUpChanges(parameters);
  },

  figures(samples: Samples): Figure[] {
    return [...pipelineFigures(samples), ...growthFigures(samples), ...baselineFigures(samples)];
  },
};

interface Setup {
  readonly manager: RegionManager;
  readonly region: Region;
}

async function setUpChanges(parameters: Parameters): Promise<Measured> {
  const count = Number(parameters['count']);
  const targets = Number(parameters['targets']);
  const batch = parameters['batch'] === true;
  const work = Number(parameters['work']);
  const manager = new RegionManager();
  const region = await manager.addRegion({ name: 'ram', type: 'ram', range: MemoryRange.ofPages(0, 2 ** 36) });
  for (let index = 0; index < targets; index++) {
    await manager.attach(idleTarget(`target ${index}`, { batch }));
  }
  await region.map({ writable: true });
  await manager.transaction((edit) => {
    for (let index = 0; index < count; index++) {
      edit.addMapping(region, mapping(index * 2));
    }
  });
  // At least as many free places as the largest set has rows.
  const places = shuffled(Math.max(count, 4096)).map((index) => index * 2 + 1);
  const orders = { random: places, sequential: places.toSorted((a, b) => a - b) };
  const cases: Record<string, Round> = {};
  for (const order of batch ? (['random'] as const) : ordersOf(targets)) {
    for (const set of SETS) {
      const id = idOf(count, targets, set, order, batch);
      cases[id] = inRounds(
        { manager, region },
        orders[order],
        set,
        Math.max(2 * set, (CHANGES[set] ?? set) * work),
        id,
      );
    }
  }
  return { cases };
}

/** A case: each round continues at the place where the last one ended. */
function inRounds(setup: Setup, places: readonly number[], set: number, changes: number, id: string): Round {
  let from = 0;
  return async () => {
    const taken = await timed(() =>
      set === 1 ? singles(setup, places, from, changes) : sets(setup, places, from, changes, set),
    );
    from = (from + changes / 2) % places.length;
    return { [id]: taken / changes };
  };
}

/** Adds and removes one by one. */
async function singles({ region }: Setup, places: readonly number[], from: number, changes: number): Promise<void> {
  for (let index = 0; index < changes / 2; index++) {
    const params = mapping(places[(from + index) % places.length] ?? 1);
    await region.addMapping(params);
    await region.removeMappings(params.rangeInRegion);
  }
}

/** Adds a set, removes it, and so on. */
async function sets(
  { manager, region }: Setup,
  places: readonly number[],
  from: number,
  changes: number,
  size: number,
): Promise<void> {
  for (let start = from; start < from + changes / 2; start += size) {
    const set: MappingParams[] = [];
    for (let index = start; index < start + size; index++) {
      set.push(mapping(places[index % places.length] ?? 1));
    }
    await manager.transaction((edit) => {
      for (const params of set) {
        edit.addMapping(region, params);
      }
    });
    await manager.transaction((edit) => {
      for (const params of set) {
        edit.removeMappings(region, params.rangeInRegion);
      }
    });
  }
}

/** The figures of these cases, in this order. */
function* measured(samples: Samples): Generator<{
  readonly count: number;
  readonly targets: number;
  readonly batch: boolean;
  readonly set: number;
  readonly order: Order;
  readonly id: string;
}> {
  for (const order of ORDERS) {
    for (const targets of TARGETS) {
      for (const batch of [false, true]) {
        for (const set of SETS) {
          for (const count of ALL_COUNTS) {
            const id = idOf(count, targets, set, order, batch);
            if (samples.has(id)) {
              yield { count, targets, batch, set, order, id };
            }
          }
        }
      }
    }
  }
}

function nameOf(set: number, targets: number, batch: boolean, order: Order): string {
  const size = set === 1 ? 'single' : `set of ${set.toLocaleString('en')}`;
  const takes = batch ? ' that takes sets' : '';
  return `${size}, ${counted(targets, 'target')}${takes}, ${order}`;
}

function pipelineFigures(samples: Samples): Figure[] {
  const make = new FigureMaker(samples);
  return [...measured(samples)].flatMap(({ count, targets, batch, set, order, id }) => {
    const limit = targets === 1 ? (ONE_TARGET[set] ?? NaN) : (EACH_TARGET[set] ?? NaN) * targets;
    return make.figure(id, `${nameOf(set, targets, batch, order)}, ${count.toLocaleString('en')} mappings`, 'ns', {
      atMost: order === 'random' && count <= LIMITED_COUNT ? limit : undefined,
      beside: {
        loop: `change/loop/${targets}`,
        'std::map': `change/std-map/${count}/${targets}/${order}`,
      },
    });
  });
}

function growthFigures(samples: Samples): Figure[] {
  const make = new FigureMaker(samples);
  const smallest = COUNTS[0] ?? 0;
  return [...measured(samples)].flatMap(({ count, targets, batch, set, order, id }) => {
    if (count < 100_000) {
      return [];
    }
    const to = idOf(smallest, targets, set, order, batch);
    const name = `growth to ${count.toLocaleString('en')} mappings: ${nameOf(set, targets, batch, order)}`;
    return make.ratio(`growth/${id}`, name, id, to, { atMost: order === 'random' ? GROWTH[count] : undefined });
  });
}

function baselineFigures(samples: Samples): Figure[] {
  const make = new FigureMaker(samples);
  const baseline = { baseline: true };
  const smallest = COUNTS[0] ?? 0;
  return [
    ...make.figure('change/native', 'a bare call into the addon', 'ns', baseline),
    ...TARGETS.flatMap((targets) => [
      ...make.figure(`change/loop/${targets}`, `a loop over ${counted(targets, 'function')}`, 'ns', baseline),
      ...make.figure(
        `change/emitter/${targets}`,
        `an EventEmitter with ${counted(targets, 'listener')}`,
        'ns',
        baseline,
      ),
    ]),
    ...ORDERS.flatMap((order) =>
      TARGETS.flatMap((targets) =>
        ALL_COUNTS.flatMap((count) => [
          ...make.figure(
            `change/std-map/${count}/${targets}/${order}`,
            `std::map, ${counted(targets, 'virtual call')}, ${order}, ${count.toLocaleString('en')} mappings`,
            'ns',
            baseline,
          ),
          ...(count < 100_000
            ? []
            : make.ratio(
                `growth/change/std-map/${count}/${targets}/${order}`,
                `growth to ${count.toLocaleString('en')} mappings: std::map, ${counted(targets, 'virtual call')}, ${order}`,
                `change/std-map/${count}/${targets}/${order}`,
                `change/std-map/${smallest}/${targets}/${order}`,
                baseline,
              )),
        ]),
      ),
    ),
  ];
}
