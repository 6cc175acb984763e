import type { Sample } from '../support/question.js';
import type { Case } from '../support/rounds.js';
import { IDLE_INSTRUCTIONS, type WayRatios } from '../support/limits.js';
import type { AnyCaller } from './caller.js';
import { pipelineRound, type Cycle } from './cycling.js';

const KiB = 1024;
const MiB = 1024 * KiB;

/**
 * Options of Node.js. Compilation and garbage collection run on the main thread, and nothing is random, so that each run executes the same
 * instructions in the same order. The young generation has a fixed size: a round fills it several times, and its collections are counted. The
 * old generation is large enough that it is never collected: a collection would discard compiled code, and a round would count its recompilation.
 */
export const NODE_FLAGS = [
  '--expose-gc',
  '--single-threaded',
  '--hash-seed=1',
  '--random-seed=1',
  '--no-flush-bytecode',
  '--min-semi-space-size=1',
  '--max-semi-space-size=1',
  '--initial-heap-size=512',
  '--no-memory-reducer',
];

/** Arguments of the guest's kernel: no address randomization, so that the memory has the same addresses in every run. */
export const KERNEL_ARGUMENTS = 'norandmaps nokaslr';

/** Changes that are counted. */
export interface CountedShape extends Cycle {
  readonly name: string;
  /** Which limits apply to it at a target with a device. */
  readonly limits: keyof WayRatios;
  /** The limit at a no-op target, in instructions. */
  readonly idleLimit?: number;
}

export const SETS: CountedShape = {
  name: '4 KiB, sets of 64',
  size: 4 * KiB,
  set: 64,
  changes: 4096,
  limits: 'sets',
  idleLimit: IDLE_INSTRUCTIONS,
};
export const IDLE_SHAPES: readonly CountedShape[] = [
  { name: '4 KiB, one by one', size: 4 * KiB, set: 1, changes: 2048, limits: 'oneByOne' },
  SETS,
];
export const SHAPES: readonly CountedShape[] = [
  ...IDLE_SHAPES,
  { name: '2 MiB, sets of 64', size: 2 * MiB, set: 64, changes: 128, limits: 'large' },
];

/** How often a case runs. */
export interface Times {
  readonly rounds: number;
  /** Rounds before the counted ones: most of the pipeline is compiled during the first question. */
  readonly warmUps: number;
}

export function times(quick: boolean, warmUps: number, rounds = 9): Times {
  return quick ? { rounds: 2, warmUps: 1 } : { rounds, warmUps };
}

export function idOf(name: string, shape: string): string {
  return `instructions/${name}/${shape}`;
}

export function casesOf(name: string, caller: AnyCaller, shapes: readonly CountedShape[], often: Times): Case[] {
  return shapes.map((shape) => {
    const id = idOf(name, shape.name);
    const round = pipelineRound(caller, shape);
    return counting(often, async () => ({ [id]: await round() }));
  });
}

/** One nanosecond of the guest's clock is one instruction. The young generation is empty when a round begins; see {@link NODE_FLAGS}. */
export function counting(often: Times, round: () => Promise<Sample>): Case {
  const { gc } = globalThis;
  if (gc === undefined) {
    throw new Error('instructions are counted with node --expose-gc: garbage of one round would count in another');
  }
  return {
    ...often,
    async run(): Promise<Sample> {
      gc({ type: 'minor' });
      return round();
    },
  };
}
