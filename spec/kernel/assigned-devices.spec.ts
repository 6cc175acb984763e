import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { VfioGroup } from '../../binding/index.js';
import { DmaError, MemoryRange } from '../../streams/index.js';
import { AssignedDevices, type AssignmentInterface } from '../../targets/index.js';
import { openDescriptors } from '../binding/support/descriptors.js';
import { copyByDma, enable, FIRST, SECOND } from './support/edu.js';
import { Machine, mapsFiles } from './support/machine.js';

const MEMORY = MemoryRange.ofLength(0n, Machine.RAM.length);
const at = (number: number): bigint => Machine.RAM.start + BigInt(number) * 4096n;

/** What is pinned for this process, by either way of counting (proc(5)), in bytes. */
function pinned(): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  const kilobytes = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  return (kilobytes('VmLck') + kilobytes('VmPin')) * 1024;
}

const WAYS: readonly { readonly through: AssignmentInterface; readonly by: 'va' | 'auto' | 'file' }[] = [
  { through: 'type1', by: 'auto' },
  { through: 'iommufd', by: 'va' },
  ...(mapsFiles() ? ([{ through: 'iommufd', by: 'file' }] as const) : []),
];

for (const { through, by } of WAYS) {
  describe(`assigned devices through ${through}${through === 'iommufd' ? `, by ${by}` : ''}`, () => {
    let machine: Machine;
    let assigned: AssignedDevices;
    let descriptors: number;

    beforeEach(async () => {
      machine = await Machine.create();
      await machine.attachVa();
      await machine.back(MEMORY);
      descriptors = openDescriptors();
      assigned = new AssignedDevices(machine.manager, { by });
    });

    afterEach(async () => {
      await assigned.close();
      await machine[Symbol.asyncDispose]();
      expect(pinned(), 'pinned at the end').to.equal(0);
    });

    it('share one set of mappings: the second costs none, and reaches the same memory', async () => {
      const first = await assigned.add(FIRST, { through });
      expect(pinned()).to.equal(Number(MEMORY.length));
      const second = await assigned.add(SECOND, { through });
      expect(pinned(), 'with the second').to.equal(Number(MEMORY.length));
      expect(second.attachment).to.equal(first.attachment);

      enable(first.device);
      enable(second.device);
      machine.space.write(at(0), Buffer.from('for both'));
      await copyByDma(first.device, at(0), at(1), 8);
      await copyByDma(second.device, at(1), at(2), 8);
      expect(machine.space.read(at(2), 8).toString()).to.equal('for both');
    });

    it('are unpinned with the last one out, and the next one in reaches everything again', async () => {
      const first = await assigned.add(FIRST, { through });
      const second = await assigned.add(SECOND, { through });
      await first.remove();
      expect(pinned(), 'while one is in').to.equal(Number(MEMORY.length));
      enable(second.device);
      machine.space.write(at(0), Buffer.from('still'));
      await copyByDma(second.device, at(0), at(1), 5);
      expect(machine.space.read(at(1), 5).toString()).to.equal('still');

      await second.remove();
      expect(pinned(), 'with the last one out').to.equal(0);
      expect(openDescriptors()).to.equal(descriptors);

      const again = await assigned.add(SECOND, { through });
      expect(pinned(), 'with the next one in').to.equal(Number(MEMORY.length));
      enable(again.device);
      machine.space.write(at(0), Buffer.from('again'));
      await copyByDma(again.device, at(0), at(1), 5);
      expect(machine.space.read(at(1), 5).toString()).to.equal('again');
    });

    it('say which addresses they can access: not those of interrupts; and none once they are removed', async () => {
      const device = await assigned.add(FIRST, { through });
      const reaches = (address: bigint): boolean =>
        device.iovaRanges.some(({ start, last }) => start <= address && address <= last);
      expect([0x1000n, 0xfedff000n, 0xfee00000n, 0xfef00000n].map(reaches)).to.deep.equal([true, true, false, true]);
      await device.remove();
      expect(() => device.iovaRanges)
        .to.throw(DmaError)
        .with.property('code', 'ERR_CLOSED');
    });

    it('follow what comes and goes while they are in', async () => {
      const { device } = await assigned.add(FIRST, { through });
      enable(device);
      await machine.ram.removeMappings(MEMORY);
      expect(pinned()).to.equal(0);
      await machine.back(MemoryRange.ofPages(0, 2));
      expect(pinned()).to.equal(2 * 4096);
      machine.space.write(at(0), Buffer.from('new'));
      await copyByDma(device, at(0), at(1), 3);
      expect(machine.space.read(at(1), 3).toString()).to.equal('new');
    });

    it('leave nothing behind when the replay fails, and the next one gets in', async () => {
      const window = await machine.manager.addRegion({
        name: 'window',
        range: MemoryRange.of(0xfee00000, 0xfee10000),
        type: 'ram',
      });
      await window.map({ writable: true });
      await window.addMapping({
        rangeInRegion: MemoryRange.of(0, 0x10000),
        backing: { mappable: machine.memfd, fileOffset: 0n },
        writable: true,
      });
      const error: unknown = await assigned.add(FIRST, { through }).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(DmaError).and.to.include({ code: 'EINVAL', region: 'window' });
      expect(pinned()).to.equal(0);
      expect(openDescriptors()).to.equal(descriptors);
      VfioGroup.forDevice(FIRST).close();

      await window.remove();
      const { device } = await assigned.add(FIRST, { through });
      enable(device);
      machine.space.write(at(0), Buffer.from('in'));
      await copyByDma(device, at(0), at(1), 2);
      expect(machine.space.read(at(1), 2).toString()).to.equal('in');
    });

    it('take each other in turn, a hundred times, and leave no descriptor and no page', async () => {
      for (let round = 0; round < 50; round++) {
        const [first, second] = await Promise.all([
          assigned.add(FIRST, { through }),
          assigned.add(SECOND, { through }),
        ]);
        await Promise.all([second.remove(), first.remove()]);
      }
      expect(pinned()).to.equal(0);
      expect(openDescriptors()).to.equal(descriptors);
    });
  });
}

describe('assigned devices', () => {
  it('go through both interfaces at the same time, each with mappings of its own', async () => {
    await using machine = await Machine.create();
    await machine.attachVa();
    await machine.back(MEMORY);
    await using assigned = new AssignedDevices(machine.manager);
    const first = await assigned.add(FIRST, { through: 'type1' });
    const second = await assigned.add(SECOND, { through: 'iommufd' });
    expect(pinned()).to.equal(2 * Number(MEMORY.length));
    enable(first.device);
    enable(second.device);
    machine.space.write(at(0), Buffer.from('handed on'));
    await copyByDma(first.device, at(0), at(1), 9);
    await copyByDma(second.device, at(1), at(2), 9);
    expect(machine.space.read(at(2), 9).toString()).to.equal('handed on');
  });
});
