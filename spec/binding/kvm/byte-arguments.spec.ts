import { EventFd } from '../../../binding/index.js';
import { describeByteArguments } from '../../support/byte-arguments.js';
import { eachWithMachine } from '../../support/kvm-machine.js';

describe('an address for KVM', () => {
  const bench = eachWithMachine();

  beforeEach(() => {
    bench.machine.vcpu.offerHostCpuid();
  });

  describeByteArguments({
    'slots.slotOf': { what: 'gpa', good: 0x1000, call: (gpa) => bench.machine.slots.slotOf(gpa) },
    'vcpu.setUpRealMode': {
      what: 'entry',
      good: 0x1000,
      call: (entry) => {
        bench.machine.vcpu.setUpRealMode({ entry });
        return bench.machine.vcpu.registers.rip;
      },
    },
    'vcpu.setUpLongMode': {
      what: 'entry',
      good: 0x1000,
      call: (entry) => {
        bench.machine.vcpu.setUpLongMode({ entry, pageTables: 0x8000 });
        return bench.machine.vcpu.registers.rip;
      },
    },
    'vcpu.setUpLongMode, pageTables': {
      what: 'pageTables',
      good: 0x8000,
      call: (pageTables) => {
        bench.machine.vcpu.setUpLongMode({ entry: 0x1000, pageTables });
        return bench.machine.vcpu.specialRegisters.cr3;
      },
    },
    'vm.connectWrites': {
      what: 'address',
      good: 0x5000_0000,
      call: (address) => {
        using event = EventFd.create();
        const writes = { address, length: 4 };
        bench.machine.vm.connectWrites(event.fd, writes);
        bench.machine.vm.disconnectWrites(event.fd, writes);
      },
    },
  });
});
