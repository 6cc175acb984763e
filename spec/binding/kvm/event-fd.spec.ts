import { expect } from 'chai';
import { EventFd } from '../../../binding/index.js';
import { KvmMachine, needsKvm, PROGRAM } from '../../support/kvm-machine.js';
import { openDescriptors } from '../support/descriptors.js';
import { dmaError } from '../support/thrown.js';

describe('EventFd', () => {
  it('counts signals', () => {
    using event = EventFd.create();
    expect(event.take()).to.equal(0n);
    event.signal();
    event.signal(41n);
    expect(event.take()).to.equal(42n);
    expect(event.take()).to.equal(0n);
    expect(() => {
      event.signal(-1n);
    }).to.throw(RangeError);
    event.signal((1n << 64n) - 2n);
    expect(() => {
      event.signal();
    }).to.throw('EAGAIN');
    expect(() => {
      event.signal(2n ** 64n - 1n);
    }).to.throw(RangeError);
  });

  it('is closed once', () => {
    const before = openDescriptors();
    const event = EventFd.create();
    event.close();
    event.close();
    expect(openDescriptors()).to.equal(before);
    for (const work of [
      () => event.fd,
      () => event.take(),
      () => {
        event.signal();
      },
    ]) {
      expect(dmaError(work).code).to.equal('ERR_CLOSED');
    }
  });
});

describe('an eventfd of a VM', function () {
  let machine: KvmMachine;
  let event: EventFd;
  before(function () {
    needsKvm(this);
  });
  beforeEach(() => {
    machine = new KvmMachine();
    event = EventFd.create();
  });
  afterEach(() => {
    machine[Symbol.dispose]();
    event.close();
  });

  it('is signalled by a write to a port, without an exit, until it is disconnected', async () => {
    const port = { address: 0x3f8n, port: true, length: 1 };
    machine.vm.connectWrites(event.fd, port);
    expect(await machine.run(PROGRAM.out)).to.deep.equal({ kind: 'halt' });
    expect(event.take()).to.equal(1n);
    expect(
      dmaError(() => {
        machine.vm.connectWrites(event.fd, port);
      }).code,
    ).to.equal('EEXIST');
    machine.vm.disconnectWrites(event.fd, port);
    expect(await machine.run(PROGRAM.out)).to.include({ kind: 'io' });
    expect(event.take()).to.equal(0n);
    expect(
      dmaError(() => {
        machine.vm.disconnectWrites(event.fd, port);
      }).code,
    ).to.equal('ENOENT');
  });

  it('is signalled by writes of one value alone, when asked to, at an address', async () => {
    const address = { address: 0x4000_0000n, length: 1 };
    machine.vm.connectWrites(event.fd, { ...address, match: 0x5an });
    expect(await machine.run(PROGRAM.write, address.address)).to.deep.equal({ kind: 'halt' });
    expect(event.take()).to.equal(1n);
    machine.vm.disconnectWrites(event.fd, { ...address, match: 0x5an });
    machine.vm.connectWrites(event.fd, { ...address, match: 0x5bn });
    expect(await machine.run(PROGRAM.write, address.address)).to.include({ kind: 'mmio' });
    expect(event.take()).to.equal(0n);
  });

  it('is closed while it is connected: the VM keeps it', async () => {
    machine.vm.connectWrites(event.fd, { address: 0x3f8n, port: true, length: 1 });
    event.close();
    expect(await machine.run(PROGRAM.out)).to.deep.equal({ kind: 'halt' });
  });

  it('takes the place of an interrupt line, where there are interrupt controllers', () => {
    expect(
      dmaError(() => {
        machine.vm.connectInterrupt(event.fd, 5);
      }),
    ).to.include({ request: 'KVM_IRQFD' });
    using vm = machine.kvm.createVm();
    vm.createIrqChip();
    vm.connectInterrupt(event.fd, 5);
    expect(
      dmaError(() => {
        vm.connectInterrupt(event.fd, 5);
      }).code,
    ).to.equal('EBUSY');
    event.signal();
    vm.disconnectInterrupt(event.fd, 5);
    vm.connectInterrupt(event.fd, 5);
    expect(
      dmaError(() => {
        vm.createIrqChip();
      }).code,
    ).to.equal('EEXIST');
  });
});
