import type { Attachment } from '../../streams/index.js';
import { timed } from '../support/clock.js';
import { idleTarget } from '../support/idle-target.js';
import { HOT_ATTACH_INSTRUCTIONS_RATIO } from '../support/limits.js';
import { NativeProgram } from '../support/native-program.js';
import type { Figure, Sample, Samples } from '../support/question.js';
import { runRounds, type Case } from '../support/rounds.js';
import { FigureMaker } from '../support/statistics.js';
import { casesOf, counting, idOf, SETS, SHAPES, times, type Times } from './counting.js';
import { loopRound, loopWorks } from './cycling.js';
import { merged, type KernelContext, type KernelQuestion } from './kernel-question.js';
import { BenchMachine } from './machine.js';
import { byFile, FIRST, has, loopArguments, open, ratiosOf, SECOND, WAYS, type Way, type WayName } from './ways.js';

const WARM_UPS = 24;

/** Mappings of the machine to which a target is attached. */
const ATTACHED = 10_000;
const QUICK_ATTACHED = 1000;
const ATTACHED_SIZE = 4096;

/** A target with a device, compared with a C++ loop over the same ioctls. */
export const wayQuestions: readonly KernelQuestion[] = WAYS.map((way) => ({
  name: way.replaceAll(' ', '-'),
  title: `instructions per change, ${way}`,
  about:
    'Through the whole pipeline, including system calls, at a target with a device. Baseline: a C++ loop over the same ioctls at another ' +
    `device, on the same scattered pages${aboutAddresses(way)} Attaching: to a manager with ${ATTACHED.toLocaleString('en')} mappings of 4 KiB.`,

  async measure(context: KernelContext): Promise<Samples> {
    return has(way) ? measureWay(way, context) : new Map();
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    return [
      ...SHAPES.flatMap((shape) => cycleFigures(make, way, shape)),
      ...spaceFigures(make, way),
      ...attachFigures(make, way),
    ];
  },
}));

function aboutAddresses(way: WayName): string {
  return byFile(way)
    ? '.'
    : ', with and without mmap for each mapping. The addresses are those of RamBlocks, in which a mapping needs no mmap; of AddressSpace, ' +
        'which makes one mmap for each, where the name says so.';
}

function cycleFigures(make: FigureMaker, way: WayName, { name, limits }: (typeof SHAPES)[number]): Figure[] {
  const id = idOf(way, name);
  const shown = `${way}, ${name}`;
  const ratios = ratiosOf(way)[limits];
  return [
    ...make.ratio(`${id}/ratio-alone`, `${shown}: × C++, ioctls alone`, id, `${id}/loop/alone`, {
      atMost: ratios.alone,
    }),
    ...make.figure(id, shown, 'instructions'),
    ...make.figure(`${id}/loop/memory`, `C++, ioctls and mmap: ${shown}`, 'instructions', { baseline: true }),
    ...make.figure(`${id}/loop/alone`, `C++, ioctls alone: ${shown}`, 'instructions', { baseline: true }),
  ];
}

/** With `AddressSpace`: the C++ loop that does the same work makes an mmap for each mapping, too. */
function spaceFigures(make: FigureMaker, way: WayName): Figure[] {
  const id = idOf(spaceOf(way), SETS.name);
  const shown = `${way} with AddressSpace, ${SETS.name}`;
  const loop = `${idOf(way, SETS.name)}/loop/memory`;
  return [
    ...make.ratio(`${id}/ratio-memory`, `${shown}: × C++, ioctls and mmap`, id, loop),
    ...make.figure(id, shown, 'instructions'),
  ];
}

function attachFigures(make: FigureMaker, way: WayName): Figure[] {
  const id = idOf(way, 'attach');
  return [
    ...make.ratio(`${id}/ratio-alone`, `${way}, attach: × C++`, id, `${id}/loop/alone`, {
      atMost: HOT_ATTACH_INSTRUCTIONS_RATIO,
    }),
    ...make.figure(id, `${way}, attach, a mapping`, 'instructions'),
    ...make.figure(`${id}/loop/alone`, `C++, ioctls: ${way}, attach, a mapping`, 'instructions', { baseline: true }),
  ];
}

function spaceOf(way: WayName): string {
  return `${way} with AddressSpace`;
}

async function measureWay(way: WayName, context: KernelContext): Promise<Samples> {
  const opened = open(way, FIRST);
  const program = new NativeProgram(context.loop, loopArguments(way, SECOND), [context.memfd.fd]);
  try {
    return merged([
      await measureCycles(way, opened, program, context),
      await measureSpace(way, opened, context),
      await measureAttach(way, opened, program, context),
    ]);
  } finally {
    await program.close();
    opened.close();
  }
}

async function measureCycles(
  way: WayName,
  { target }: Way,
  program: NativeProgram,
  { memfd, quick, onRound }: KernelContext,
): Promise<Samples> {
  await using machine = await BenchMachine.create(memfd);
  const often = times(quick, WARM_UPS);
  await machine.manager.attach(target);
  return await runRounds([...casesOf(way, machine, SHAPES, often), ...loopCases(way, program, often)], onRound);
}

/** After the C++ loop, since a target has one manager at a time. */
async function measureSpace(way: WayName, { target }: Way, { memfd, quick, onRound }: KernelContext): Promise<Samples> {
  if (byFile(way)) {
    return new Map();
  }
  await using machine = await BenchMachine.create(memfd, { mapper: 'AddressSpace' });
  await machine.manager.attach(target);
  return await runRounds(casesOf(spaceOf(way), machine, [SETS], times(quick, WARM_UPS)), onRound);
}

async function measureAttach(
  way: WayName,
  { target }: Way,
  program: NativeProgram,
  { memfd, quick, onRound }: KernelContext,
): Promise<Samples> {
  const count = quick ? QUICK_ATTACHED : ATTACHED;
  const id = idOf(way, 'attach');
  await using machine = await BenchMachine.create(memfd);
  await machine.manager.attach(idleTarget('addresses', { needsVa: !byFile(way) }));
  await machine.add(0, count, ATTACHED_SIZE);
  const pipeline = async (): Promise<Sample> => {
    let attachment: Attachment | undefined;
    const taken = await timed(async () => {
      attachment = await machine.manager.attach(target);
    });
    await attachment?.detach();
    return { [id]: taken / count };
  };
  const loop = async (): Promise<Sample> => {
    const [attached = NaN] = await program.ask(`attach ${byFile(way) ? 'file' : 'va'} ${ATTACHED_SIZE} ${count}`);
    return { [`${id}/loop/alone`]: attached };
  };
  const often = times(quick, 4, 5);
  return await runRounds([counting(often, pipeline), counting(often, loop)], onRound);
}

function loopCases(way: WayName, program: NativeProgram, often: Times): Case[] {
  return SHAPES.flatMap((shape) =>
    loopWorks(way).map((work) => {
      const id = `${idOf(way, shape.name)}/loop/${work}`;
      const round = loopRound(way, program, shape, work);
      return counting(often, async () => ({ [id]: await round() }));
    }),
  );
}
