import { Kvm } from '../../binding/index.js';
import { KvmTarget } from '../../targets/index.js';
import { kvmMissing } from '../support/exits.js';
import { SLOTS_RATIO } from '../support/limits.js';
import { NativeProgram } from '../support/native-program.js';
import type { Figure, Samples } from '../support/question.js';
import { runRounds } from '../support/rounds.js';
import { FigureMaker } from '../support/statistics.js';
import { casesOf, counting, IDLE_SHAPES, idOf, times } from './counting.js';
import { loopRound } from './cycling.js';
import type { KernelContext, KernelQuestion } from './kernel-question.js';
import { BenchMachine } from './machine.js';
import { loopArguments, SLOTS } from './ways.js';

const WARM_UPS = 24;

/** Memory slots of a VM that has no vCPU, compared with a C++ loop over the same ioctls. */
export const slots: KernelQuestion = {
  name: 'kvm',
  title: 'instructions per change, memory slots of a VM',
  about:
    'Through the whole pipeline, including system calls, at a KvmTarget with the addresses of RamBlocks. Baseline: a C++ loop over ' +
    'KVM_SET_USER_MEMORY_REGION at another VM, on the same scattered pages, which are mapped into its process before.',
  missing: kvmMissing,

  async measure({ memfd, quick, loop, onRound }: KernelContext): Promise<Samples> {
    using kvm = Kvm.open();
    using vm = kvm.createVm();
    const program = new NativeProgram(loop, loopArguments(SLOTS), [memfd.fd]);
    try {
      await using machine = await BenchMachine.create(memfd);
      await machine.manager.attach(new KvmTarget(vm));
      const often = times(quick, WARM_UPS);
      const loops = IDLE_SHAPES.map((shape) => {
        const round = loopRound(SLOTS, program, shape, 'alone');
        return counting(often, async () => ({ [loopOf(shape.name)]: await round() }));
      });
      return await runRounds([...casesOf(SLOTS, machine, IDLE_SHAPES, often), ...loops], onRound);
    } finally {
      await program.close();
    }
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    return IDLE_SHAPES.flatMap(({ name, limits }) => {
      const id = idOf(SLOTS, name);
      return [
        ...make.ratio(`${id}/ratio-alone`, `slots, ${name}: × C++`, id, loopOf(name), {
          atMost: limits === 'sets' ? SLOTS_RATIO : undefined,
        }),
        ...make.figure(id, `slots, ${name}`, 'instructions'),
        ...make.figure(loopOf(name), `C++, ioctls: slots, ${name}`, 'instructions', { baseline: true }),
      ];
    });
  },
};

function loopOf(shape: string): string {
  return `${idOf(SLOTS, shape)}/loop/alone`;
}
