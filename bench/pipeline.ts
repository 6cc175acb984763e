/**
 * What does the pipeline add to a change, and does that grow with the number of mappings?
 *
 * A change is one mapping added or removed at a random place among many, in an active region, to targets that do nothing; as a
 * command of its own, and in transactions of 64. Every command is awaited, as a user would.
 */
import { Bench } from 'tinybench';
import { RegionManager, type DmaTarget, type MappingParams, type Region } from '../streams/index.js';
import { MemoryRange } from '../streams/index.js';
import { printFigures, type Figure } from './support/report.js';
import { shuffled, slot } from './support/scattered.js';

const COUNTS = [100, 10_000, 100_000];
const TARGETS = [1, 4];
const SET = 64;
/** Changes in one timed iteration, half of them adding and half removing. */
const CHANGES = 1024;

interface Setup {
  readonly manager: RegionManager;
  readonly region: Region;
  /** Numbers of free places between the mappings that stay. */
  readonly free: readonly number[];
}

const mappable = { fd: 0, label: 'bench' };

/** Made anew for each change, as a caller would: else a bench of many mappings would measure its own cold memory. */
function mapping(index: number): MappingParams {
  return { rangeInRegion: slot(index), backing: { mappable, fileOffset: 0n }, writable: true };
}

async function setUp(count: number, targets: number): Promise<Setup> {
  const manager = new RegionManager();
  const region = await manager.addRegion({ name: 'ram', type: 'ram', range: MemoryRange.ofPages(0, 2 ** 36) });
  for (let index = 0; index < targets; index++) {
    await manager.attach(idleTarget(`target ${index}`));
  }
  await region.map({ writable: true });
  await manager.transaction((edit) => {
    for (let index = 0; index < count; index++) {
      edit.addMapping(region, mapping(index * 2));
    }
  });
  return { manager, region, free: shuffled(count).map((index) => index * 2 + 1) };
}

function idleTarget(name: string): DmaTarget {
  return { name, mapDma: () => undefined, unmapDma: () => undefined };
}

/** Adds and removes one by one. */
async function singles({ region, free }: Setup, from: number): Promise<void> {
  for (let index = 0; index < CHANGES / 2; index++) {
    const params = mapping(free[(from + index) % free.length] ?? 1);
    await region.addMapping(params);
    await region.removeMappings(params.rangeInRegion);
  }
}

/** Adds a set, removes it, and so on. */
async function sets({ manager, region, free }: Setup, from: number): Promise<void> {
  for (let start = 0; start < CHANGES / 2; start += SET) {
    const set = Array.from({ length: SET }, (_, index) => mapping(free[(from + start + index) % free.length] ?? 1));
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

/** Nanoseconds a change: the median over many iterations. */
async function measure(work: (from: number) => Promise<void>): Promise<number> {
  const bench = new Bench({ time: 1000, warmupTime: 400, warmupIterations: 32 });
  let from = 0;
  bench.add('work', async () => {
    await work(from);
    from += CHANGES / 2;
  });
  const [task] = await bench.run();
  const result = task?.result;
  if (result?.state !== 'completed') {
    throw new Error('the measurement did not complete', { cause: result });
  }
  return (result.latency.p50 * 1e6) / CHANGES;
}

const single = new Map<string, number>();
const inSets = new Map<string, number>();
for (const targets of TARGETS) {
  for (const count of COUNTS) {
    const setup = await setUp(count, targets);
    single.set(`${targets}/${count}`, await measure((from) => singles(setup, from)));
    inSets.set(`${targets}/${count}`, await measure((from) => sets(setup, from)));
    await setup.manager.close();
  }
}

const value = (figures: ReadonlyMap<string, number>, targets: number, count: number): number =>
  figures.get(`${targets}/${count}`) ?? NaN;
const figures = TARGETS.flatMap((targets) =>
  COUNTS.flatMap((count): Figure[] => {
    const where = `${targets} target${targets === 1 ? '' : 's'}, ${count.toLocaleString('en')} mappings`;
    return [
      { name: `single change, ${where}`, value: value(single, targets, count), unit: 'ns', atMost: 2000 * targets },
      { name: `in sets of ${SET}, ${where}`, value: value(inSets, targets, count), unit: 'ns', atMost: 250 * targets },
    ];
  }),
);
printFigures('cost of a change', figures);
printFigures(
  `growth from ${COUNTS[0] ?? 0} to ${(COUNTS.at(-1) ?? 0).toLocaleString('en')} mappings`,
  TARGETS.flatMap((targets): Figure[] => {
    const grown = (figures: ReadonlyMap<string, number>): number =>
      value(figures, targets, 100_000) / value(figures, targets, 100);
    return [
      { name: `single change, ${targets} target(s)`, value: grown(single), unit: 'times', atMost: 2 },
      { name: `in sets of ${SET}, ${targets} target(s)`, value: grown(inSets), unit: 'times', atMost: 2 },
    ];
  }),
);
printFigures('a change a second, 1 target', [
  { name: 'single, 100 mappings', value: 1e9 / value(single, 1, 100), unit: 'changes' },
  { name: `in sets of ${SET}, 100 mappings`, value: 1e9 / value(inSets, 1, 100), unit: 'changes' },
]);
