import type { DmaTarget } from '../../streams/index.js';
import { idleKernelTarget } from '../support/idle-target.js';
import { NativeProgram } from '../support/native-program.js';
import type { Figure, Sample, Samples } from '../support/question.js';
import { runRounds, type Case } from '../support/rounds.js';
import { FigureMaker } from '../support/statistics.js';
import { loopRound, loopWorks, pipelineRound, type Cycle, type LoopWork } from './cycling.js';
import type { KernelContext, KernelQuestion } from './kernel-question.js';
import { BenchMachine } from './machine.js';
import { byFile, FIRST, has, loopArguments, open, SECOND, WAYS, type WayName } from './ways.js';

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

interface Shape extends Cycle {
  readonly name: string;
}

const ONE_BY_ONE: Shape = { name: '4 KiB, one by one', size: 4 * KiB, set: 1, changes: 2048 };
const SETS: Shape = { name: '4 KiB, sets of 64', size: 4 * KiB, set: 64, changes: 4096 };
const LARGE_SETS: Shape = { name: '2 MiB, sets of 64', size: 2 * MiB, set: 64, changes: 128 };

/** Limits for a change at a no-op target, in instructions. */
const IDLE_LIMITS: Readonly<Record<string, number>> = { [SETS.name]: 3500 };

/**
 * Limits as multiples of the C++ loops. For small mappings, the pipeline can save only the cost of host virtual addresses. For large mappings,
 * the number of pages dominates, with the first access to each page by its address.
 */
const BY_VA = { [SETS.name]: { alone: 1.75 }, [LARGE_SETS.name]: { memory: 1.02 } };
const RATIO_LIMITS: Readonly<Record<WayName, Readonly<Record<string, Partial<Record<LoopWork, number>>>>>> = {
  type1: BY_VA,
  'iommufd by va': BY_VA,
  'iommufd by file': {
    [ONE_BY_ONE.name]: { alone: 2.5 },
    [SETS.name]: { alone: 1.6 },
    [LARGE_SETS.name]: { alone: 1.02 },
  },
};

/** Warm-up rounds: most of the pipeline is compiled during the first question. */
const WARM_UPS = 24;
const FIRST_WARM_UPS = 60;
const ROUNDS = 9;

interface Times {
  readonly rounds: number;
  readonly warmUps: number;
}

function times(quick: boolean, warmUps: number): Times {
  return quick ? { rounds: 2, warmUps: 1 } : { rounds: ROUNDS, warmUps };
}

const pipeline: KernelQuestion = {
  name: 'pipeline',
  title: 'instructions per change, at a no-op target',
  about:
    'Everything except system calls: the pipeline, and the objects that the caller creates for it. The target checks a set before its first ' +
    'map and receives it in one call, as the kernel targets do.',

  async measure({ memfd, quick, onRound }: KernelContext): Promise<Samples> {
    const machine = await BenchMachine.create(memfd);
    try {
      return await runRounds(
        await pipelineCases(
          'pipeline',
          machine,
          idleKernelTarget('idle'),
          [ONE_BY_ONE, SETS],
          times(quick, FIRST_WARM_UPS),
        ),
        onRound,
      );
    } finally {
      await machine[Symbol.asyncDispose]();
    }
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    return [ONE_BY_ONE, SETS].flatMap(({ name }) =>
      make.figure(`instructions/pipeline/${name}`, `no system calls, ${name}`, 'instructions', {
        atMost: IDLE_LIMITS[name],
      }),
    );
  },
};

const SHAPES = [ONE_BY_ONE, SETS, LARGE_SETS];

function questionOf(way: WayName): KernelQuestion {
  return {
    name: way.replaceAll(' ', '-'),
    title: `instructions per change, ${way}`,
    about:
      'Through the whole pipeline, including system calls, at a target with a device. Baseline: a C++ loop over the same ioctls at another ' +
      'device, on the same scattered pages' +
      (byFile(way) ? '.' : ', with mmap for each mapping, as in the pipeline, and without it.'),

    async measure(context: KernelContext): Promise<Samples> {
      return has(way) ? measureWay(way, context) : new Map();
    },

    figures(samples: Samples): Figure[] {
      const make = new FigureMaker(samples);
      return SHAPES.flatMap(({ name }) => {
        const id = `instructions/${way}/${name}`;
        const shown = `${way}, ${name}`;
        const limits = RATIO_LIMITS[way][name];
        return [
          ...make.ratio(`${id}/ratio-alone`, `${shown}: × C++, ioctls alone`, id, `${id}/loop/alone`, {
            atMost: limits?.alone,
          }),
          ...make.ratio(`${id}/ratio-memory`, `${shown}: × C++, ioctls and mmap`, id, `${id}/loop/memory`, {
            atMost: limits?.memory,
          }),
          ...make.figure(id, shown, 'instructions'),
          ...make.figure(`${id}/loop/memory`, `C++, ioctls and mmap: ${shown}`, 'instructions', { baseline: true }),
          ...make.figure(`${id}/loop/alone`, `C++, ioctls alone: ${shown}`, 'instructions', { baseline: true }),
        ];
      });
    },
  };
}

export const instructionQuestions: readonly KernelQuestion[] = [pipeline, ...WAYS.map(questionOf)];

async function measureWay(way: WayName, { memfd, quick, loop, onRound }: KernelContext): Promise<Samples> {
  const opened = open(way, FIRST);
  const program = new NativeProgram(loop, loopArguments(way, SECOND), [memfd.fd]);
  const machine = await BenchMachine.create(memfd);
  try {
    const often = times(quick, WARM_UPS);
    const cases = await pipelineCases(way, machine, opened.target, SHAPES, often);
    return await runRounds([...cases, ...loopCases(way, program, often)], onRound);
  } finally {
    await machine[Symbol.asyncDispose]();
    await program.close();
    opened.close();
  }
}

async function pipelineCases(
  name: string,
  machine: BenchMachine,
  target: DmaTarget,
  shapes: readonly Shape[],
  often: Times,
): Promise<Case[]> {
  await machine.manager.attach(target);
  return shapes.map((shape) => {
    const round = pipelineRound(machine, shape);
    return counting(`instructions/${name}/${shape.name}`, often, round);
  });
}

function loopCases(way: WayName, program: NativeProgram, often: Times): Case[] {
  return SHAPES.flatMap((shape) =>
    loopWorks(way).map((work) =>
      counting(`instructions/${way}/${shape.name}/loop/${work}`, often, loopRound(way, program, shape, work)),
    ),
  );
}

/** One nanosecond of the guest's clock is one instruction. The young generation is empty when a round begins; see {@link NODE_FLAGS}. */
function counting(id: string, often: Times, round: () => Promise<number>): Case {
  const { gc } = globalThis;
  if (gc === undefined) {
    throw new Error('instructions are counted with node --expose-gc: garbage of one round would count in another');
  }
  return {
    ...often,
    async run(): Promise<Sample> {
      gc({ type: 'minor' });
      return { [id]: await round() };
    },
  };
}
