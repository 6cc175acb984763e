import { toTarget } from '../../streams/index.js';
import { idleKernelTarget } from '../support/idle-target.js';
import {
  ANY_OVERLAP_INSTRUCTIONS_RATIO,
  BRANCH_INSTRUCTIONS_RATIO,
  IDLE_INSTRUCTIONS,
  type WayRatios,
} from '../support/limits.js';
import { NativeProgram } from '../support/native-program.js';
import type { Figure, Sample, Samples } from '../support/question.js';
import { runRounds, type Case } from '../support/rounds.js';
import { FigureMaker } from '../support/statistics.js';
import { callerAlone, type AnyCaller } from './caller.js';
import { loopRound, loopWorks, pipelineRound, type Cycle } from './cycling.js';
import type { KernelContext, KernelQuestion } from './kernel-question.js';
import { BenchMachine } from './machine.js';
import { byFile, FIRST, has, loopArguments, open, ratiosOf, SECOND, WAYS, type WayName } from './ways.js';

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
  /** Which limits apply to it at a target with a device. */
  readonly limits: keyof WayRatios;
  /** The limit at a no-op target, in instructions. */
  readonly idleLimit?: number;
}

const IDLE_SHAPES: readonly Shape[] = [
  { name: '4 KiB, one by one', size: 4 * KiB, set: 1, changes: 2048, limits: 'oneByOne' },
  { name: '4 KiB, sets of 64', size: 4 * KiB, set: 64, changes: 4096, limits: 'sets', idleLimit: IDLE_INSTRUCTIONS },
];
const SHAPES: readonly Shape[] = [
  ...IDLE_SHAPES,
  { name: '2 MiB, sets of 64', size: 2 * MiB, set: 64, changes: 128, limits: 'large' },
];

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

/** A no-op target behind a branch that the caller makes. */
const BY_BRANCH = 'pipeline by branch';
/** A no-op target of a manager where regions may overlap in any way. */
const ANY_OVERLAP = 'pipeline any overlap';
/** The same rounds without the library. */
const CALLER = 'pipeline caller';

const pipeline: KernelQuestion = {
  name: 'pipeline',
  title: 'instructions per change, at a no-op target',
  about:
    'Everything except system calls: the pipeline, and the objects that the caller creates for it. The target checks a set before its first ' +
    'map and receives it in one call, as the kernel targets do. A branch by hand is attach((changes$) => changes$.pipe(toTarget(target))). ' +
    "With overlap: 'any', the manager has the same one region. " +
    "Baseline: the caller's objects alone, in the same rounds; they are part of the other figures.",

  async measure({ memfd, quick, onRound }: KernelContext): Promise<Samples> {
    await using machine = await BenchMachine.create(memfd);
    await using branched = await BenchMachine.create(memfd);
    await using overlapping = await BenchMachine.create(memfd, { overlap: 'any' });
    const often = times(quick, FIRST_WARM_UPS);
    await overlapping.manager.attach(idleKernelTarget('any overlap'));
    await machine.manager.attach(idleKernelTarget('idle'));
    const target = idleKernelTarget('branched');
    await branched.manager.attach((changes$) => changes$.pipe(toTarget(target)));
    return await runRounds(
      [
        ...casesOf('pipeline', machine, IDLE_SHAPES, often),
        ...casesOf(BY_BRANCH, branched, IDLE_SHAPES, often),
        ...casesOf(ANY_OVERLAP, overlapping, IDLE_SHAPES, often),
        ...casesOf(CALLER, callerAlone(memfd), IDLE_SHAPES, often),
      ],
      onRound,
    );
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    return IDLE_SHAPES.flatMap(({ name, idleLimit }) => {
      const id = idOf('pipeline', name);
      const branch = idOf(BY_BRANCH, name);
      const any = idOf(ANY_OVERLAP, name);
      return [
        ...make.figure(id, `no system calls, ${name}`, 'instructions', { atMost: idleLimit }),
        ...make.ratio(`${branch}/ratio`, `a branch by hand, ${name}: × attach(target)`, branch, id, {
          atMost: BRANCH_INSTRUCTIONS_RATIO,
        }),
        ...make.figure(branch, `a branch by hand, ${name}`, 'instructions'),
        ...make.ratio(`${any}/ratio`, `overlap: 'any', ${name}: × 'contained'`, any, id, {
          atMost: ANY_OVERLAP_INSTRUCTIONS_RATIO,
        }),
        ...make.figure(any, `overlap: 'any', ${name}`, 'instructions'),
        ...make.figure(idOf(CALLER, name), `the caller's own objects alone, ${name}`, 'instructions', {
          baseline: true,
        }),
      ];
    });
  },
};

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
      return SHAPES.flatMap(({ name, limits }) => {
        const id = idOf(way, name);
        const shown = `${way}, ${name}`;
        const ratios = ratiosOf(way)[limits];
        return [
          ...make.ratio(`${id}/ratio-alone`, `${shown}: × C++, ioctls alone`, id, `${id}/loop/alone`, {
            atMost: ratios.alone,
          }),
          ...make.ratio(`${id}/ratio-memory`, `${shown}: × C++, ioctls and mmap`, id, `${id}/loop/memory`, {
            atMost: ratios.memory,
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
    await machine.manager.attach(opened.target);
    return await runRounds([...casesOf(way, machine, SHAPES, often), ...loopCases(way, program, often)], onRound);
  } finally {
    await machine[Symbol.asyncDispose]();
    await program.close();
    opened.close();
  }
}

function casesOf(name: string, caller: AnyCaller, shapes: readonly Shape[], often: Times): Case[] {
  return shapes.map((shape) => counting(idOf(name, shape.name), often, pipelineRound(caller, shape)));
}

function idOf(name: string, shape: string): string {
  return `instructions/${name}/${shape}`;
}

function loopCases(way: WayName, program: NativeProgram, often: Times): Case[] {
  return SHAPES.flatMap((shape) =>
    loopWorks(way).map((work) =>
      counting(`${idOf(way, shape.name)}/loop/${work}`, often, loopRound(way, program, shape, work)),
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
