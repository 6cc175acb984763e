import { toTarget } from '../../streams/index.js';
import { idleKernelTarget } from '../support/idle-target.js';
import { ANY_OVERLAP_INSTRUCTIONS_RATIO, BRANCH_INSTRUCTIONS_RATIO } from '../support/limits.js';
import type { Figure, Samples } from '../support/question.js';
import { runRounds } from '../support/rounds.js';
import { FigureMaker } from '../support/statistics.js';
import { callerAlone } from './caller.js';
import { wayQuestions } from './counted-ways.js';
import { casesOf, IDLE_SHAPES, idOf, times } from './counting.js';
import type { KernelContext, KernelQuestion } from './kernel-question.js';
import { BenchMachine } from './machine.js';

const WARM_UPS = 60;

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
    const often = times(quick, WARM_UPS);
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

/** After `pipeline`: a target with addresses in the same process makes the code more general, and so slower. */
const addresses: KernelQuestion = {
  name: 'addresses',
  title: 'instructions per change, with host virtual addresses',
  about: 'As pipeline, at a no-op target that needs host virtual addresses, which RamBlocks makes.',

  async measure({ memfd, quick, onRound }: KernelContext): Promise<Samples> {
    await using machine = await BenchMachine.create(memfd);
    await machine.manager.attach({ ...idleKernelTarget('with addresses'), needsVa: true });
    return await runRounds(casesOf('addresses', machine, IDLE_SHAPES, times(quick, WARM_UPS)), onRound);
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    return IDLE_SHAPES.flatMap(({ name }) =>
      make.figure(idOf('addresses', name), `with the addresses of RamBlocks, ${name}`, 'instructions'),
    );
  },
};

export const instructionQuestions: readonly KernelQuestion[] = [pipeline, addresses, ...wayQuestions];
