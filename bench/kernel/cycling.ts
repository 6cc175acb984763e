import { timed } from '../support/clock.js';
import type { NativeProgram } from '../support/native-program.js';
import type { AnyCaller } from './caller.js';
import { byFile, type LoopName, type WayName } from './ways.js';

/** Sets of mappings that are added and removed repeatedly. */
export interface Cycle {
  /** Size of a mapping in bytes. */
  readonly size: number;
  /** Mappings in a set. 1: each mapping is a command, without a transaction. */
  readonly set: number;
  /** Changes in a round: half map, half unmap. */
  readonly changes: number;
}

/** What the C++ loop does: the ioctls alone, or `mmap` for each mapping as well. */
export type LoopWork = 'alone' | 'memory';

/** A round through the pipeline, in nanoseconds per change. Each round continues at the place where the last one ended. */
export function pipelineRound(machine: AnyCaller, { size, set, changes }: Cycle): () => Promise<number> {
  let at = 0;
  const round = async (): Promise<void> => {
    for (let done = 0; done < changes; done += 2 * set) {
      if (set === 1) {
        const params = machine.mapping(at, size);
        await machine.region.addMapping(params);
        await machine.region.removeMappings(params.rangeInRegion);
      } else {
        await machine.add(at, set, size);
        await machine.remove(at, set, size);
      }
      at += set;
    }
  };
  return async () => (await timed(round)) / changes;
}

/** A round of the C++ loop, in nanoseconds per change. */
export function loopRound(
  way: LoopName,
  program: NativeProgram,
  { size, set, changes }: Cycle,
  work: LoopWork,
): () => Promise<number> {
  const request = `cycle ${byFile(way) ? 'file' : 'va'} ${size} ${set} ${changes} ${work}`;
  return async () => (await program.ask(request))[0] ?? NaN;
}

/** Mapping by file needs no host virtual address. */
export function loopWorks(way: WayName): readonly LoopWork[] {
  return byFile(way) ? ['alone'] : ['alone', 'memory'];
}
