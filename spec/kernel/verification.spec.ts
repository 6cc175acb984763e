import { expect } from 'chai';
import { DmaBatch } from '../../binding/index.js';
import { MemoryRange, type Attachment } from '../../streams/index.js';
import { copyByDma } from './support/edu.js';
import { Machine, type1, ways, type Way } from './support/machine.js';

const page = (number: number, count = 1): MemoryRange => MemoryRange.ofPages(number, number + count);
const at = (number: number): bigint => Machine.RAM.start + BigInt(number) * 4096n;

async function found(attachment: Attachment): Promise<string[]> {
  return (await attachment.verify()).map(({ range, fault }) => `${range.toString()} ${fault}`);
}

describe('verify() and heal()', () => {
  for (const make of ways()) {
    const probe = make();
    const { name } = probe;
    probe.close();

    it(`of ${name}: what was taken away behind the manager's back is found, and mapped again`, async () => {
      using way = make();
      await using machine = await Machine.create();
      await machine.attachVa();
      const device = way.openDevice();
      const attachment = await machine.manager.attach(way.target);
      await machine.back(page(0, 2));
      await machine.back(page(4));
      expect(await found(attachment)).to.deep.equal([]);

      await way.target.unmapDma(MemoryRange.ofLength(at(4), 0x1000));
      const [finding, ...others] = await attachment.verify();
      expect(others).to.deep.equal([]);
      expect(finding?.fault).to.equal('missing');
      expect(finding?.range.contains(MemoryRange.ofLength(at(4), 0x1000))).to.equal(true);

      await attachment.heal();
      expect(await found(attachment)).to.deep.equal([]);
      machine.space.write(at(0), Buffer.from('healed'));
      await copyByDma(device, at(0), at(4), 6);
      expect(machine.space.read(at(4), 6).toString()).to.equal('healed');
      await attachment.detach();
    });
  }

  it('of type1: what somebody else has mapped in the container is found by the number of entries, and unmapped on request', async () => {
    using way: Way = type1();
    await using machine = await Machine.create();
    const device = way.openDevice();
    const attachment = await machine.manager.attach(way.target);
    await machine.back(page(0));
    await machine.back(page(4));
    const backing = { mappable: machine.memfd, fileOffset: 0n };
    const range = MemoryRange.of(0x8000000, 0x8001000);
    const hostVa = machine.space.ensureMapped({ range, region: 'stray', type: 'ram', writable: true, backing });
    const batch = new DmaBatch();
    batch.mapVa(range, hostVa, true);
    way.container?.run(batch);
    expect(batch.errnoAt(0)).to.equal(0);
    expect(await found(attachment)).to.deep.equal(['0x0-0xfffffffffffff000 unexpected']);

    await attachment.heal();
    expect(await found(attachment)).to.deep.equal(['0x0-0xfffffffffffff000 unexpected']);
    await attachment.heal({ unexpected: true });
    expect(await found(attachment)).to.deep.equal([]);
    expect(attachment.ledger()).to.have.length(2);
    machine.space.write(at(0), Buffer.from('kept'));
    await copyByDma(device, at(0), at(4), 4);
    expect(machine.space.read(at(4), 4).toString()).to.equal('kept');
    machine.space.release(range);
    await attachment.detach();
  });
});
