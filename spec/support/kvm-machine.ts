import { accessSync, constants } from 'node:fs';
import type { Context } from 'mocha';
import { DmaBatch, Kvm, Memfd, RamBlocks, type KvmSlots, type KvmVcpu, type KvmVm } from '../../binding/index.js';
import {
  MemoryRange,
  type DmaMapRequest,
  type HostVa,
  type Mappable,
  type Backing,
  type MappingType,
} from '../../streams/index.js';

/** Whether this process can open KVM. */
export function hasKvm(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    Kvm.open().close();
    return true;
  } catch {
    return false;
  }
}

/** For `before`: skips a suite, loudly, where there is no KVM. The guest of the lab has one: `npm run test:kernel` runs the suite there. */
export function needsKvm(context: Context): void {
  if (!hasKvm()) {
    console.warn('      /dev/kvm cannot be opened here: skipped (npm run test:kernel runs it in a guest that has KVM)');
    context.skip();
  }
}

/** A range without a slot, counted in pages from `FAR`. */
export const FAR = 0x4000_0000n;
export function farRange(page: number, pages = 1): MemoryRange {
  return MemoryRange.ofLength(FAR + BigInt(page << 12), pages << 12);
}

/** Where guest programs are. */
export const CODE = 0x1000n;
/** What all machines of the specs have: a mebibyte from 0 on. */
export const RAM = MemoryRange.of(0, 0x10_0000);

/** Programs for real mode, 16 bits. */
export const PROGRAM = {
  /** out 0x3f8, 'K'; hlt */
  out: [0xba, 0xf8, 0x03, 0xb0, 0x4b, 0xee, 0xf4],
  /** out 0x3f8, al; for ever */
  outs: [0xba, 0xf8, 0x03, 0xee, 0xeb, 0xfd],
  /** in al, 0x3f8; hlt */
  in: [0xba, 0xf8, 0x03, 0xec, 0xf4],
  /** mov al, [0]; hlt */
  read: [0xa0, 0x00, 0x00, 0xf4],
  /** mov byte [0], 0x5a: by al; hlt */
  write: [0xb0, 0x5a, 0xa2, 0x00, 0x00, 0xf4],
  /** jmp to itself */
  spin: [0xeb, 0xfe],
  halt: [0xf4],
} as const;

/** A VM with RAM from 0 on, a vCPU, and a table of slots for more. The memory is mapped by `map`, without a manager. */
export class KvmMachine implements Disposable {
  readonly kvm = Kvm.open();
  readonly vm: KvmVm = this.kvm.createVm();
  readonly memory = new RamBlocks();
  readonly slots: KvmSlots = this.vm.memorySlots();
  readonly vcpu: KvmVcpu = this.vm.createVcpu(0);
  readonly #memfds: Memfd[] = [];

  constructor() {
    this.set(RAM, this.hostVa(RAM));
  }

  memfd(size: bigint): Memfd {
    const memfd = Memfd.create('guest', size);
    this.#memfds.push(memfd);
    return memfd;
  }

  /** Maps memory in this process, at this guest physical address. Default: of a file of its own. */
  hostVa(range: MemoryRange, writable = true, mappable: Mappable = this.memfd(range.length), fileOffset = 0n): HostVa {
    const backing: Backing = { mappable, fileOffset };
    return this.memory.ensureMapped({ range, region: 'ram', type: 'ram', writable, backing });
  }

  request(range: MemoryRange, hostVa: HostVa, writable = true, type: MappingType = 'ram'): DmaMapRequest {
    return { range, region: 'ram', type, writable, fileOffset: 0n, hostVa };
  }

  /** Sets a slot. Returns the errno. */
  set(range: MemoryRange, hostVa: HostVa, writable = true, slots = this.slots): number {
    const batch = new DmaBatch(1);
    batch.mapVa(range, hostVa, writable);
    slots.run(batch);
    return batch.errnoAt(0);
  }

  /** Deletes slots. Returns the errno. */
  delete(range: MemoryRange, slots = this.slots): number {
    const batch = new DmaBatch(1);
    batch.unmap(range);
    slots.run(batch);
    return batch.errnoAt(0);
  }

  /** Loads a program, and sets the vCPU to its start. Segment registers for data begin at `data`, a multiple of 16. */
  load(program: readonly number[], data = 0n): void {
    this.memory.write(CODE, Uint8Array.from(program));
    this.vcpu.setUpRealMode({ entry: Number(CODE) });
    const { ds } = this.vcpu.specialRegisters;
    this.vcpu.setSpecialRegisters({ ds: { ...ds, base: data } });
  }

  /** Runs a program up to its first exit. */
  run(program: readonly number[], data = 0n): ReturnType<KvmVcpu['run']> {
    this.load(program, data);
    return this.vcpu.run();
  }

  get al(): number {
    return Number(this.vcpu.registers.rax & 0xffn);
  }

  [Symbol.dispose](): void {
    this.vcpu.close();
    this.vm.close();
    this.kvm.close();
    this.memory.close();
    this.#memfds.forEach((memfd) => {
      memfd.close();
    });
  }
}

/** In `describe`: a machine for each test, where there is KVM. */
export function eachWithMachine(): { readonly machine: KvmMachine } {
  let machine: KvmMachine;
  before(function () {
    needsKvm(this);
  });
  beforeEach(() => {
    machine = new KvmMachine();
  });
  afterEach(() => {
    machine[Symbol.dispose]();
  });
  return {
    get machine() {
      return machine;
    },
  };
}
