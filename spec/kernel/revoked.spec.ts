import { closeSync, openSync } from 'node:fs';
import { expect } from 'chai';
import { DmaBatch } from '../../binding/index.js';
import { DmaError, MemoryRange } from '../../streams/index.js';
import { ledgerOf, rejectionOf, viewOf } from '../streams/support/phrases.js';
import { dmaError } from '../binding/support/thrown.js';
import { pinnedKilobytes } from './support/accounts.js';
import { FIRST, Machine, type1, ways } from './support/machine.js';

const page = (number: number, count = 1): MemoryRange => MemoryRange.ofPages(number, number + count);

describe('a device that is gone', () => {
  it('because its descriptor was closed behind our back: errors, also when something else has the number', () => {
    using way = type1();
    const device = way.openDevice(FIRST);
    const { fd } = device;
    closeSync(fd);
    const uses = [
      () => device.readConfig(0, 4),
      () => device.readBar(0, 0n, 4),
      () => {
        device.writeBar(0, 0n, Buffer.alloc(4));
      },
      () => {
        device.reset();
      },
    ];
    for (const use of uses) {
      expect(dmaError(use).code).to.equal('EBADF');
    }
    const other = openSync('/dev/null', 'r');
    expect(other).to.equal(fd);
    for (const use of uses) {
      expect(dmaError(use)).to.be.instanceOf(DmaError);
    }
    // It is the device that closes this number now, once.
    way.close();
    expect(() => {
      closeSync(other);
    }).to.throw('EBADF');
  });

  for (const make of ways()) {
    const probe = make();
    const { name } = probe;
    probe.close();

    it(`${name}: with the device closed under an attached target, memory comes and goes or is refused, and nothing stays pinned`, async () => {
      using way = make();
      await using machine = await Machine.create();
      await machine.attachVa();
      const device = way.openDevice(FIRST);
      const attachment = await machine.manager.attach(way.target);
      await machine.back(page(0, 4));
      device.close();
      if (way.container !== undefined) {
        // The container keeps its mappings as long as it has a group.
        await machine.back(page(8));
        expect(ledgerOf(attachment)).to.have.length(2);
      }
      await attachment.detach();
      expect(attachment.ledger()).to.deep.equal([]);
      expect(pinnedKilobytes()).to.deep.equal([0, 0]);
    });

    it(`${name}: with the IOMMU's descriptor closed under an attached target, every call fails with ERR_CLOSED, and what is stuck is known`, async () => {
      using way = make();
      const machine = await Machine.create();
      await machine.attachVa();
      way.openDevice(FIRST);
      const attachment = await machine.manager.attach(way.target);
      await machine.back(page(0, 4));
      const before = viewOf(machine.manager);
      const iommu = way.container ?? way.ioas?.iommufd;
      iommu?.close();

      expect(await rejectionOf(machine.back(page(8)))).to.include({ code: 'ERR_CLOSED' });
      expect(viewOf(machine.manager)).to.deep.equal(before);
      expect(await rejectionOf(machine.ram.removeMappings(page(0, 4)))).to.include({ code: 'ERR_CLOSED' });
      expect(ledgerOf(attachment)).to.deep.equal(['0x100000-0x104000 rw stuck']);
      if (way.target.needsVa) {
        expect(machine.space.read(Machine.RAM.start, 1), 'its VA lives on').to.have.length(1);
      }
      const batch = new DmaBatch();
      batch.unmapAll();
      expect(dmaError(() => way.container?.run(batch) ?? way.ioas?.run(batch)).code).to.equal('ERR_CLOSED');
      await rejectionOf(attachment.retryStuck());
      await rejectionOf(machine.manager.close());
      way.close();
      machine.space.close();
      machine.memfd.close();
      expect(pinnedKilobytes()).to.deep.equal([0, 0]);
    });
  }
});
