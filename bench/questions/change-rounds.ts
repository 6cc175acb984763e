import type { DmaTarget, MappingParams, TargetBranch } from '../../streams/index.js';
import { MemoryRange, RegionManager, toTarget, type Region } from '../../streams/index.js';
import { timed } from '../support/clock.js';
import { idleTarget } from '../support/idle-target.js';
import type { Measured, Parameters, Round } from '../support/question.js';
import { mapping, shuffled } from '../support/scattered.js';
import { ATTACHED, BRANCH_SETS, branchIdOf, idOf, ordersOf, SETS } from './change-cases.js';

/** Changes in a round of a case, half of them adding and half removing: some ten milliseconds. */
const CHANGES: Readonly<Record<number, number>> = { 1: 4096, 64: 16_384, 4096: 32_768 };

interface Setup {
  readonly manager: RegionManager;
  readonly region: Region;
}

export async function setUpChanges(parameters: Parameters): Promise<Measured> {
  const count = Number(parameters['count']);
  const targets = Number(parameters['targets']);
  const batch = parameters['batch'] === true;
  const work = Number(parameters['work']);
  const setup = await filledSetup(
    count,
    Array.from({ length: targets }, (_, index) => idleTarget(`target ${index}`, { batch })),
  );
  const orders = freePlaces(count);
  const cases: Record<string, Round> = {};
  for (const order of batch ? (['random'] as const) : ordersOf(targets)) {
    for (const set of SETS) {
      const id = idOf(count, targets, set, order, batch);
      cases[id] = inRounds(setup, orders[order], set, work, id);
    }
  }
  return { cases };
}

/** Two equal targets, in one process: one attached as it is, the other through a function that makes a branch of it. */
export async function setUpBranches(parameters: Parameters): Promise<Measured> {
  const count = Number(parameters['count']);
  const work = Number(parameters['work']);
  const branched = idleTarget('branched');
  const setups = {
    target: await filledSetup(count, [idleTarget('idle')]),
    branch: await filledSetup(count, [(changes$) => changes$.pipe(toTarget(branched))]),
  };
  const { random } = freePlaces(count);
  const cases: Record<string, Round> = {};
  for (const set of BRANCH_SETS) {
    for (const attached of ATTACHED) {
      const id = branchIdOf(count, set, attached);
      cases[id] = inRounds(setups[attached], random, set, work, id);
    }
  }
  return { cases };
}

async function filledSetup(count: number, targets: readonly (DmaTarget | TargetBranch)[]): Promise<Setup> {
  const manager = new RegionManager();
  const region = await manager.addRegion({ name: 'ram', type: 'ram', range: MemoryRange.ofPages(0, 2 ** 36) });
  for (const target of targets) {
    await manager.attach(target);
  }
  await region.map({ writable: true });
  await manager.transaction((edit) => {
    for (let index = 0; index < count; index++) {
      edit.addMapping(region, mapping(index * 2));
    }
  });
  return { manager, region };
}

/** Free places between the mappings: at least as many as the largest set has rows. */
function freePlaces(count: number): { readonly random: readonly number[]; readonly sequential: readonly number[] } {
  const random = shuffled(Math.max(count, 4096)).map((index) => index * 2 + 1);
  return { random, sequential: random.toSorted((a, b) => a - b) };
}

/** A case: each round continues at the place where the last one ended. `work` is the part of the changes that is made. */
function inRounds(setup: Setup, places: readonly number[], set: number, work: number, id: string): Round {
  const changes = Math.max(2 * set, (CHANGES[set] ?? set) * work);
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
