import { exitCases, exitFigures, kvmMissing, PortWriter } from '../support/exits.js';
import { NativeProgram } from '../support/native-program.js';
import type { Figure, Samples } from '../support/question.js';
import { runRounds } from '../support/rounds.js';
import { counting, times } from './counting.js';
import { toCases, type KernelContext, type KernelQuestion } from './kernel-question.js';

const ABOUT =
  'The guest writes to a port; each write is a run of its own. What it consists of, by C++ on one thread, on two, by the function of the ' +
  'addon (a thread-safe function and a promise in addition), and by KvmVcpu.run (a record in addition).';
const WARM_UPS = 8;
const EXITS = 1000;

/** In time. */
export const exits: KernelQuestion = {
  name: 'vcpu',
  title: 'an exit of a vCPU, handled in JavaScript',
  about: ABOUT,
  missing: kvmMissing,

  async measure({ quick, vcpuLoop, onRound }: KernelContext): Promise<Samples> {
    const program = new NativeProgram(vcpuLoop);
    try {
      const cases = exitCases('vcpu', await PortWriter.create(), program, EXITS);
      return await runRounds(toCases(cases, times(quick, WARM_UPS)), onRound);
    } finally {
      await program.close();
    }
  },

  figures: (samples: Samples): Figure[] => exitFigures('vcpu', samples, 'ns'),
};

/** In instructions, including those of the guest and of KVM. */
export const countedExits: KernelQuestion = {
  name: 'vcpu-exits',
  title: 'instructions per exit of a vCPU, handled in JavaScript',
  about: ABOUT,
  missing: kvmMissing,

  async measure({ quick, vcpuLoop, onRound }: KernelContext): Promise<Samples> {
    const program = new NativeProgram(vcpuLoop);
    try {
      const often = times(quick, WARM_UPS);
      const rounds = exitCases('instructions/vcpu', await PortWriter.create(), program, EXITS);
      const cases = Object.values(rounds).map((round) => counting(often, async () => round()));
      return await runRounds(cases, onRound);
    } finally {
      await program.close();
    }
  },

  figures: (samples: Samples): Figure[] => exitFigures('instructions/vcpu', samples, 'instructions'),
};
