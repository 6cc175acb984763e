import { expect } from 'chai';
import { DmaBatch, Kvm, Memfd, RamBlocks } from '../../../binding/index.js';
import { needsKvm, RAM } from '../../support/kvm-machine.js';

/** Registers of the local APIC, whose page is here. */
const APIC = 0xfee0_0000n;
const COMMAND = 0x300;
/** Commands to all other processors: INIT, and the start at 0x8000 (Intel SDM, volume 3, "Interrupt command register"). */
const INIT_OTHERS = 0xc_4500;
const START_OTHERS = 0xc_4608;

describe('a vCPU that another one starts', function () {
  before(function () {
    needsKvm(this);
  });

  it('waits in its run for the start, and runs on then', async () => {
    using kvm = Kvm.open();
    using vm = kvm.createVm();
    vm.createIrqChip();
    using memory = new RamBlocks();
    using file = Memfd.create('guest', RAM.length);
    const backing = { mappable: file, fileOffset: 0n };
    const batch = new DmaBatch(1);
    batch.mapVa(RAM, memory.ensureMapped({ range: RAM, region: 'ram', type: 'ram', writable: true, backing }), true);
    vm.memorySlots().run(batch);
    using first = vm.createVcpu(0);
    using second = vm.createVcpu(1);
    memory.write(0x8000n, Uint8Array.from([0xb0, 0x41, 0xe6, 0x10, 0xf4])); // mov al, 'A'; out 0x10, al; hlt
    const start = [...command(INIT_OTHERS), ...command(START_OTHERS), 0xe6, 0x11]; // out 0x11, al
    memory.write(0x1000n, Uint8Array.from(start));
    first.setUpRealMode({ entry: 0x1000 });
    const { ds } = first.specialRegisters;
    first.setSpecialRegisters({ ds: { ...ds, base: APIC } });

    const running = second.run();
    expect(await first.run()).to.include({ kind: 'io', port: 0x11 });
    expect(await running).to.deep.include({ kind: 'io', port: 0x10, data: Buffer.from('A') });
  });

  it('is interrupted while it waits', async () => {
    using kvm = Kvm.open();
    using vm = kvm.createVm();
    vm.createIrqChip();
    using first = vm.createVcpu(0);
    using second = vm.createVcpu(1);
    expect(first.id).to.equal(0);
    for (let round = 0; round < 20; round++) {
      const running = second.run();
      second.interrupt();
      expect(await running).to.deep.equal({ kind: 'interrupted' });
    }
  });
});

/** mov dword [COMMAND], value */
function command(value: number): readonly number[] {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return [0x66, 0xc7, 0x06, COMMAND & 0xff, COMMAND >> 8, ...bytes];
}
