import { Kvm, KvmVcpu, KvmVm, RamBlocks } from '../../binding/index.js';
import { native, type VcpuHandle, type VmHandle } from '../../binding/native.js';
import { vcpuRunSize } from '../../binding/kvm/kvm-device.js';
import { MemoryRange, RegionManager } from '../../streams/index.js';
import { KvmTarget } from '../../targets/index.js';
import { timed } from './clock.js';
import type { NativeProgram } from './native-program.js';
import type { Figure, Round, Samples, Unit } from './question.js';
import { FigureMaker } from './statistics.js';

const ENTRY = 0x1000;
/** mov dx, 0x3f8; out dx, al; jmp to the out. `bench/native/vcpu_loop.cc` has the same. */
const PROGRAM = [0xba, 0xf8, 0x03, 0xee, 0xeb, 0xfd];
const NO_ANSWER = new Uint8Array(0);

/** Why KVM cannot be used here; `undefined` if it can. */
export function kvmMissing(): string | undefined {
  try {
    Kvm.open().close();
    return undefined;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return `NOT MEASURED, because there is no KVM here: ${reason}. npm run bench:kernel measures it in a guest that has KVM.`;
  }
}

/** A VM whose guest writes to a port, for ever. */
export class PortWriter {
  readonly vcpu: KvmVcpu;
  readonly #handle: VcpuHandle;

  private constructor(handle: VcpuHandle) {
    this.#handle = handle;
    this.vcpu = KvmVcpu.ofHandle(handle, 0);
  }

  static async create(): Promise<PortWriter> {
    const kvm = opened(native().kvmOpen());
    const vm: VmHandle = opened(native().kvmCreateVm(kvm));
    const memory = new RamBlocks();
    const manager = new RegionManager({ vaMapper: memory });
    await manager.attach(new KvmTarget(KvmVm.ofHandle(vm)));
    const range = MemoryRange.of(0, 0x10000);
    const region = await manager.addRegion({ name: 'ram', range, type: 'ram' });
    await region.addMapping({ rangeInRegion: range, backing: 'private', writable: true });
    await region.map({ writable: true });
    memory.write(BigInt(ENTRY), Uint8Array.from(PROGRAM));
    const writer = new PortWriter(opened(native().kvmVcpuCreate(vm, 0, vcpuRunSize())));
    writer.vcpu.setUpRealMode({ entry: ENTRY });
    return writer;
  }

  /** Exits as a caller handles them. */
  async run(count: number): Promise<void> {
    for (let done = 0; done < count; done++) {
      const { kind } = await this.vcpu.run();
      if (kind !== 'io') {
        throw new Error(`the guest ended with '${kind}'`);
      }
    }
  }

  /** Exits by the function of the addon, without a record. */
  async runAddon(count: number): Promise<void> {
    for (let done = 0; done < count; done++) {
      await native().kvmVcpuRun(this.#handle, NO_ANSWER);
    }
  }
}

function opened<T>(handle: T | number): T {
  if (typeof handle === 'number') {
    throw new Error(`KVM answers ${handle}`);
  }
  return handle;
}

/** Exits in a round, each in a run of its own. */
export function exitCases(
  prefix: string,
  writer: PortWriter,
  program: NativeProgram | undefined,
  count: number,
): Record<string, Round> {
  const loop =
    (threads: string): Round =>
    async () => {
      const [taken = NaN] = (await program?.ask(`exits ${count} ${threads}`)) ?? [];
      return { [`${prefix}/${threads}`]: taken };
    };
  return {
    run: async () => ({ [`${prefix}/run`]: (await timed(() => writer.run(count))) / count }),
    addon: async () => ({ [`${prefix}/addon`]: (await timed(() => writer.runAddon(count))) / count }),
    ...(program === undefined ? {} : { one: loop('one'), two: loop('two') }),
  };
}

export function exitFigures(prefix: string, samples: Samples, unit: Unit): Figure[] {
  const make = new FigureMaker(samples);
  const baseline = { baseline: true };
  return [
    ...make.ratio(`${prefix}/ratio-one`, 'an exit: × C++ on one thread', `${prefix}/run`, `${prefix}/one`),
    ...make.ratio(`${prefix}/ratio-two`, 'an exit: × C++ on two threads', `${prefix}/run`, `${prefix}/two`),
    ...make.figure(`${prefix}/run`, 'an exit, by KvmVcpu.run', unit),
    ...make.figure(`${prefix}/addon`, "an exit, by the addon's own function, without a record", unit, baseline),
    ...make.figure(
      `${prefix}/two`,
      'C++: an exit, KVM_RUN on another thread that is asked and waited for',
      unit,
      baseline,
    ),
    ...make.figure(`${prefix}/one`, 'C++: an exit, KVM_RUN on the same thread', unit, baseline),
  ];
}
