import { Memfd } from '../../binding/index.js';
import { MemoryRange, RegionManager, type DmaMapRequest, type Region } from '../../streams/index.js';
import { VhostUserConnection, VhostUserTarget } from '../../targets/index.js';
import { Caller } from '../kernel/caller.js';
import { timed } from './clock.js';
import type { NativeProgram } from './native-program.js';
import type { Round } from './question.js';

/** Regions that are added in sets, and then removed: `repeat` times. */
export interface Adding {
  /** 1: each region is a call of its own. */
  readonly set: number;
  readonly count: number;
  readonly repeat: number;
}

export const REGION_BYTES = 2 << 20;
export const REGIONS_MAX = 500;

/** The memory of all regions. No page of it is ever used. */
export function sharedMemory(): Memfd {
  return Memfd.create('shared', BigInt(REGIONS_MAX * REGION_BYTES));
}

/** Adds regions at a back end. */
export interface Adder {
  /** Adds `set` regions from number `first` on. */
  add(first: number, set: number): Promise<void>;
  /** Removes the first `count` regions. */
  remove(count: number): Promise<void>;
}

/** By calls of the target. */
export async function adderByTarget(path: string, memfd: Memfd): Promise<Adder> {
  const target = new VhostUserTarget(await VhostUserConnection.connect(path));
  const requests = Array.from({ length: REGIONS_MAX }, (_, index): DmaMapRequest => ({
    range: MemoryRange.ofLength((1n << 32n) + BigInt(2 * index * REGION_BYTES), BigInt(REGION_BYTES)),
    region: 'ram',
    type: 'ram',
    writable: true,
    mappable: memfd,
    fileOffset: BigInt(index * REGION_BYTES),
  }));
  return {
    async add(first, set) {
      if (set === 1) {
        await target.mapDma(requests[first] as DmaMapRequest);
      } else {
        succeeded(await target.mapDmaBatch(requests.slice(first, first + set)));
      }
    },
    async remove(count) {
      succeeded(await target.unmapDmaBatch(requests.slice(0, count).map(({ range }) => range)));
    },
  };
}

function succeeded(stop: unknown): void {
  if (stop !== undefined) {
    throw new Error('the back end does not take or give up a region', { cause: stop });
  }
}

/** By a manager that the target is attached to. */
export async function adderByManager(path: string, memfd: Memfd): Promise<Adder> {
  const manager = new RegionManager();
  await manager.attach(new VhostUserTarget(await VhostUserConnection.connect(path)));
  const range = MemoryRange.ofLength(1n << 32n, 1n << 40n);
  const region = await manager.addRegion({ name: 'ram', range, type: 'ram' });
  await region.map({ writable: true });
  const caller = new Caller<Region, RegionManager>(memfd, manager, region);
  return {
    async add(first, set) {
      await (set === 1 ? region.addMapping(caller.mapping(first, REGION_BYTES)) : caller.add(first, set, REGION_BYTES));
    },
    async remove(count) {
      await caller.remove(0, count, REGION_BYTES);
    },
  };
}

/** A round of adding: microseconds per region, and microseconds of processor time of this process, which is the front end. */
export function addingRound(id: string, adder: Adder, { set, count, repeat }: Adding): Round {
  return async () => {
    let time = 0;
    let processor = 0;
    for (let done = 0; done < repeat; done++) {
      const before = process.cpuUsage();
      time += await timed(async () => {
        for (let first = 0; first < count; first += set) {
          await adder.add(first, set);
        }
      });
      const { user, system } = process.cpuUsage(before);
      processor += user + system;
      await adder.remove(count);
    }
    const regions = count * repeat;
    return { [id]: time / 1000 / regions, [`${id}/processor`]: processor / regions };
  };
}

/** The same by `bench/native/vhost_user_loop.cc`. */
export function loopRound(id: string, program: NativeProgram, { set, count, repeat }: Adding): Round {
  return async () => {
    const [time = NaN, processor = NaN] = await program.ask(`add ${REGION_BYTES} ${set} ${count} ${repeat}`);
    return { [id]: time / 1000, [`${id}/processor`]: processor / 1000 };
  };
}
