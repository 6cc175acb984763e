import type { WayRatios } from '../support/limits.js';
import { NativeProgram } from '../support/native-program.js';
import type { Figure, Round, Samples } from '../support/question.js';
import { runRounds, type Case } from '../support/rounds.js';
import { FigureMaker } from '../support/statistics.js';
import { loopRound, loopWorks, pipelineRound, type Cycle } from './cycling.js';
import { merged, toCases, type KernelContext, type KernelQuestion } from './kernel-question.js';
import { BenchMachine } from './machine.js';
import { FIRST, has, loopArguments, open, ratiosOf, SECOND, WAYS, type WayName } from './ways.js';

const KiB = 1024;
const MiB = 1024 * KiB;

/** The sample that holds the size of the memory, in MiB. */
const SIZE_ID = 'cycle/size';

interface Shape extends Cycle {
  readonly name: string;
  readonly rounds: number;
  /**
   * Warm-up rounds of the pipeline, until its code is compiled, which takes long on an emulated processor. After 20 rounds of sets of 64 a
   * change takes a tenth of its time in the first round.
   */
  readonly warmUps: number;
  /** Which limits apply to it. */
  readonly limits: keyof WayRatios;
}

function shapes(memory: number, quick: boolean): Shape[] {
  const often = quick ? { rounds: 2, warmUps: 1 } : { rounds: 9, warmUps: 24 };
  const some = quick ? { rounds: 2, warmUps: 1 } : { rounds: 7, warmUps: 3 };
  const seldom = quick ? { rounds: 1, warmUps: 0 } : { rounds: 3, warmUps: 1 };
  const few = quick ? 4 : 1;
  return [
    { name: '4 KiB, one by one', size: 4 * KiB, set: 1, changes: 512 / few, ...often, limits: 'oneByOne' },
    { name: '4 KiB, sets of 64', size: 4 * KiB, set: 64, changes: 1024 / few, ...often, limits: 'sets' },
    { name: '4 KiB, sets of 4,096', size: 4 * KiB, set: 4096, changes: 8192, ...some, limits: 'sets' },
    { name: '2 MiB, one by one', size: 2 * MiB, set: 1, changes: 64 / few, ...some, limits: 'large' },
    { name: '2 MiB, sets of 64', size: 2 * MiB, set: 64, changes: 128, ...some, limits: 'large' },
    { name: `${memory / MiB} MiB, one by one`, size: memory, set: 1, changes: 2, ...seldom, limits: 'large' },
  ];
}

export const cycle: KernelQuestion = {
  name: 'cycle',
  title: 'maps and unmaps, per change',
  about:
    'Through the whole pipeline, at a target with a device. Baseline: a C++ loop over the same ioctls at another device, on the same ' +
    'scattered pages, all of which are mapped into its process before the measurement. If the target maps by host virtual address, it gets ' +
    'the addresses of RamBlocks. For comparison: the loop with an mmap for each mapping.',

  async measure(context: KernelContext): Promise<Samples> {
    const all: Samples[] = [];
    for (const way of WAYS.filter(has)) {
      all.push(await measureWay(way, context));
    }
    return merged([...all, new Map([[SIZE_ID, [Number(context.memfd.size) / MiB]]])]);
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    const [size = NaN] = samples.get(SIZE_ID) ?? [];
    return WAYS.flatMap((way) =>
      shapes(size * MiB, false).flatMap(({ name, limits }) => {
        const id = `cycle/${way}/${name}`;
        const { alone } = ratiosOf(way)[limits];
        return [
          ...make.ratio(`${id}/ratio`, `${way}, ${name}: × C++, ioctls alone`, id, `${id}/loop/alone`, {
            atMost: alone,
          }),
          ...make.figure(id, `${way}, ${name}`, 'µs'),
          ...make.figure(`${id}/loop/memory`, `C++, ioctls and mmap: ${way}, ${name}`, 'µs', { baseline: true }),
          ...make.figure(`${id}/loop/alone`, `C++, ioctls alone: ${way}, ${name}`, 'µs', { baseline: true }),
        ];
      }),
    );
  },
};

async function measureWay(way: WayName, context: KernelContext): Promise<Samples> {
  const { memfd, quick, loop } = context;
  const opened = open(way, FIRST);
  const program = new NativeProgram(loop, loopArguments(way, SECOND), [memfd.fd]);
  const machine = await BenchMachine.create(memfd);
  try {
    await machine.manager.attach(opened.target);
    const cases = shapes(Number(memfd.size), quick).flatMap((shape): Case[] => {
      const { rounds, warmUps } = shape;
      return [
        ...toCases(throughPipeline(way, machine, shape), { rounds, warmUps }),
        ...toCases(throughLoop(way, program, shape), { rounds, warmUps: Math.min(warmUps, 2) }),
      ];
    });
    return await runRounds(cases, context.onRound);
  } finally {
    await machine[Symbol.asyncDispose]();
    await program.close();
    opened.close();
  }
}

function throughPipeline(way: WayName, machine: BenchMachine, shape: Shape): Record<string, Round> {
  const id = `cycle/${way}/${shape.name}`;
  const round = pipelineRound(machine, shape);
  return { [id]: async () => ({ [id]: (await round()) / 1000 }) };
}

function throughLoop(way: WayName, program: NativeProgram, shape: Shape): Record<string, Round> {
  return Object.fromEntries(
    loopWorks(way).map((work) => {
      const id = `cycle/${way}/${shape.name}/loop/${work}`;
      const round = loopRound(way, program, shape, work);
      return [id, async () => ({ [id]: (await round()) / 1000 })];
    }),
  );
}
