import type { Attachment, DmaTarget } from '../../streams/index.js';
import { Iommufd, VfioDevice } from '../../binding/index.js';
import { timed, timedNow } from '../support/clock.js';
import { idleTarget } from '../support/idle-target.js';
import { HOT_ATTACH_RATIO } from '../support/limits.js';
import { NativeProgram } from '../support/native-program.js';
import type { Figure, Sample, Samples } from '../support/question.js';
import { runRounds } from '../support/rounds.js';
import { FigureMaker } from '../support/statistics.js';
import { merged, toCases, type KernelContext, type KernelQuestion } from './kernel-question.js';
import { BenchMachine } from './machine.js';
import { byFile, FIRST, has, loopArguments, open, openIoas, SECOND, WAYS, type WayName } from './ways.js';

const COUNT = 10_000;
const QUICK_COUNT = 1000;
const SIZE = 4096;

export const hotAttach: KernelQuestion = {
  name: 'hot-attach',
  title: 'attaching to a running machine',
  about:
    'A target is attached to a manager with 10,000 mappings of 4 KiB, which already have host virtual addresses, and detached. Baseline: a ' +
    'C++ loop over the same ioctls. Then a second device of the same iommufd is attached, with a separate IOAS, which must be filled, or with ' +
    'the IOAS of the first device.',

  async measure(context: KernelContext): Promise<Samples> {
    const all: Samples[] = [];
    for (const way of WAYS.filter(has)) {
      all.push(await measureFirst(way, context));
      if (way !== 'type1') {
        all.push(await measureSecond(way, context));
      }
    }
    return merged(all);
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    return WAYS.flatMap((way) => {
      const id = `hot-attach/${way}`;
      const beside = `${id}/first`;
      return [
        ...make.ratio(`${id}/attach/ratio`, `${way}, attach: × C++`, `${id}/attach`, `${id}/loop/attach`, {
          atMost: HOT_ATTACH_RATIO,
        }),
        ...make.ratio(`${id}/detach/ratio`, `${way}, detach: × C++`, `${id}/detach`, `${id}/loop/detach`),
        ...make.ratio(`${id}/second/ratio`, `${way}, a second IOAS: × the first`, `${id}/second`, beside),
        ...make.ratio(`${id}/join/ratio`, `${way}, a second device in the IOAS: × the first`, `${id}/join`, beside),
        ...make.figure(`${id}/attach`, `${way}, attach, a mapping`, 'µs'),
        ...make.figure(`${id}/detach`, `${way}, detach, a mapping`, 'µs'),
        ...make.figure(`${id}/first`, `${way}, the first IOAS, a mapping`, 'µs'),
        ...make.figure(`${id}/second`, `${way}, a second IOAS of the same iommufd, a mapping`, 'µs'),
        ...make.figure(`${id}/join`, `${way}, a second device in the same IOAS, a mapping`, 'µs'),
        ...make.figure(`${id}/loop/attach`, `C++, ioctls: ${way}, attach, a mapping`, 'µs', { baseline: true }),
        ...make.figure(`${id}/loop/detach`, `C++, ioctls: ${way}, detach, a mapping`, 'µs', { baseline: true }),
      ];
    });
  },
};

function settings(quick: boolean): { readonly count: number; readonly rounds: number; readonly warmUps: number } {
  return quick ? { count: QUICK_COUNT, rounds: 2, warmUps: 1 } : { count: COUNT, rounds: 5, warmUps: 2 };
}

/** A machine with the mappings, all of which have host virtual addresses. */
async function filledMachine({ memfd }: KernelContext, count: number): Promise<BenchMachine> {
  const machine = await BenchMachine.create(memfd);
  await machine.manager.attach(idleTarget('addresses', { needsVa: true }));
  await machine.add(0, count, SIZE);
  return machine;
}

/** Microseconds per mapping. */
async function attachAndDetach(
  machine: BenchMachine,
  target: DmaTarget,
  count: number,
): Promise<{ readonly attached: number; readonly detach: () => Promise<number> }> {
  let attachment: Attachment | undefined;
  const attached = await timed(async () => {
    attachment = await machine.manager.attach(target);
  });
  return {
    attached: attached / 1000 / count,
    detach: async () => (await timed(async () => attachment?.detach())) / 1000 / count,
  };
}

async function measureFirst(way: WayName, context: KernelContext): Promise<Samples> {
  const { count, ...times } = settings(context.quick);
  const id = `hot-attach/${way}`;
  const opened = open(way, FIRST);
  const program = new NativeProgram(context.loop, loopArguments(way, SECOND), [context.memfd.fd]);
  const machine = await filledMachine(context, count);
  try {
    const pipeline = async (): Promise<Sample> => {
      const { attached, detach } = await attachAndDetach(machine, opened.target, count);
      return { [`${id}/attach`]: attached, [`${id}/detach`]: await detach() };
    };
    const request = `attach ${byFile(way) ? 'file' : 'va'} ${SIZE} ${count}`;
    const loop = async (): Promise<Sample> => {
      const [attached = NaN, detached = NaN] = await program.ask(request);
      return { [`${id}/loop/attach`]: attached / 1000, [`${id}/loop/detach`]: detached / 1000 };
    };
    return await runRounds(toCases({ pipeline, loop }, times), context.onRound);
  } finally {
    await machine[Symbol.asyncDispose]();
    await program.close();
    opened.close();
  }
}

/** Attaches a second device after the first, with a separate IOAS or with that of the first. */
async function measureSecond(way: WayName, context: KernelContext): Promise<Samples> {
  const { count, ...times } = settings(context.quick);
  const id = `hot-attach/${way}`;
  const machine = await filledMachine(context, count);
  const iommufd = Iommufd.open();
  const first = openIoas(way, FIRST, iommufd);
  try {
    const own = async (): Promise<Sample> => {
      const second = openIoas(way, SECOND, iommufd);
      const one = await attachAndDetach(machine, first.target, count);
      const other = await attachAndDetach(machine, second.target, count);
      await other.detach();
      await one.detach();
      second.close();
      return { [`${id}/first`]: one.attached, [`${id}/second`]: other.attached };
    };
    const join = async (): Promise<Sample> => {
      const { detach } = await attachAndDetach(machine, first.target, count);
      const device = VfioDevice.openCdev(SECOND, iommufd);
      const joined = timedNow(() => {
        device.attach(first.ioas);
      });
      device.close();
      await detach();
      return { [`${id}/join`]: joined / 1000 / count };
    };
    return await runRounds(toCases({ own, join }, times), context.onRound);
  } finally {
    await machine[Symbol.asyncDispose]();
    first.close();
    iommufd.close();
  }
}
