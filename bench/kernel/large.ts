import type { Attachment } from '../../streams/index.js';
import { timed } from '../support/clock.js';
import { PARALLEL_RATIO, STALL_MS } from '../support/limits.js';
import { NativeProgram } from '../support/native-program.js';
import type { Figure, Sample, Samples } from '../support/question.js';
import { runRounds } from '../support/rounds.js';
import { longestStall } from '../support/stall.js';
import { FigureMaker } from '../support/statistics.js';
import { merged, NO_LOOP, toCases, type KernelContext, type KernelQuestion } from './kernel-question.js';
import { BenchMachine } from './machine.js';
import { byFile, FIRST, has, loopArguments, open, SECOND, WAYS, type WayName } from './ways.js';

const MiB = 2 ** 20;
/** Memory of the C++ loop: a part, because two threads may take minutes for all of it. */
const LOOP_SIZE = 128 * MiB;

export const large: KernelQuestion = {
  name: 'large',
  title: 'one large mapping',
  about:
    'All of the scattered memory as one mapping, added and removed. The stall is the longest delay of a timer of one millisecond during ' +
    'that time; baseline: an idle event loop for the same time. Then the same at two targets with a device each, which pin in parallel ' +
    'where possible. The C++ loop maps and unmaps at two devices on two threads of one process: its additional time is work that the ' +
    'kernel serializes per process. For type1 with scattered memory, two threads are slower than one after the other, probably ' +
    'because each run of pages is counted as locked under the lock of the address space of the process. Therefore the type1 targets ' +
    'of this library take turns.',

  async measure(context: KernelContext): Promise<Samples> {
    const all: Samples[] = [];
    for (const way of WAYS.filter(has)) {
      all.push(await measureLoop(way, context), await measureWay(way, context));
    }
    return merged([...all, new Map([['large/size', [Number(context.memfd.size) / MiB]]])]);
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    const [size = NaN] = samples.get('large/size') ?? [];
    return WAYS.flatMap((way) => {
      const id = `large/${way}`;
      const of = `${way}, ${size} MiB`;
      const part = `${way}, ${LOOP_SIZE / MiB} MiB`;
      return [
        ...make.ratio(`${id}/parallel`, `${of} at two targets: × one`, `${id}/two`, `${id}/one`, {
          atMost: PARALLEL_RATIO,
        }),
        ...make.figure(`${id}/stall`, `${of}: longest stall`, 'ms', { atMost: STALL_MS }),
        ...make.figure(`${id}/one`, `${of}: added and removed, one target`, 'ms'),
        ...make.figure(`${id}/two`, `${of}: added and removed, two targets`, 'ms'),
        ...make.ratio(
          `${id}/loop/parallel`,
          `C++, ioctls: ${part} on two threads: × one`,
          `${id}/loop/two`,
          `${id}/loop/one`,
        ),
        ...make.figure(`${id}/loop/one`, `C++, ioctls: ${part}, one device`, 'ms', { baseline: true }),
        ...make.figure(`${id}/loop/two`, `C++, ioctls: ${part}, two devices, two threads`, 'ms', { baseline: true }),
        ...make.figure(`${id}/idle-stall`, `${way}: longest stall of an idle loop, for as long`, 'ms', {
          baseline: true,
        }),
      ];
    });
  },
};

/** Runs before the targets, because a device can be opened only once. */
async function measureLoop(way: WayName, { memfd, quick, loop, onRound }: KernelContext): Promise<Samples> {
  if (loop === NO_LOOP) {
    return new Map();
  }
  const id = `large/${way}/loop`;
  const program = new NativeProgram(loop, loopArguments(way, FIRST, SECOND), [memfd.fd]);
  try {
    const beside = async (): Promise<Sample> => {
      const [one = NaN, two = NaN] = await program.ask(`beside ${byFile(way) ? 'file' : 'va'} ${LOOP_SIZE}`);
      return { [`${id}/one`]: one / 1e6, [`${id}/two`]: two / 1e6 };
    };
    return await runRounds(toCases({ beside }, times(quick)), onRound);
  } finally {
    await program.close();
  }
}

function times(quick: boolean): { readonly rounds: number; readonly warmUps: number } {
  return { rounds: quick ? 2 : 3, warmUps: 1 };
}

async function measureWay(way: WayName, context: KernelContext): Promise<Samples> {
  const { memfd, quick } = context;
  const id = `large/${way}`;
  const first = open(way, FIRST);
  const second = open(way, SECOND);
  const machine = await BenchMachine.create(memfd);
  const size = Number(memfd.size);
  const addAndRemove = async (): Promise<void> => {
    await machine.add(0, 1, size);
    await machine.remove(0, 1, size);
  };
  try {
    await machine.manager.attach(first.target);
    let last = 0;
    const alone = async (): Promise<Sample> => {
      last = (await timed(addAndRemove)) / 1e6;
      return { [`${id}/one`]: last };
    };
    const beside = async (): Promise<Sample> => {
      const attachment: Attachment = await machine.manager.attach(second.target);
      const taken = await timed(addAndRemove);
      await attachment.detach();
      return { [`${id}/two`]: taken / 1e6 };
    };
    const stall = async (): Promise<Sample> => ({ [`${id}/stall`]: await longestStall(addAndRemove) });
    const idle = async (): Promise<Sample> => ({
      [`${id}/idle-stall`]: await longestStall(() => new Promise((resolve) => setTimeout(resolve, last))),
    });
    return await runRounds(toCases({ alone, beside, stall, idle }, times(quick)), context.onRound);
  } finally {
    await machine[Symbol.asyncDispose]();
    second.close();
    first.close();
  }
}
