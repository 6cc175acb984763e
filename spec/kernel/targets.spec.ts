import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { AddressSpace, Memfd, VfioContainer } from '../../binding/index.js';
import { DmaError, DmaMapError, MemoryRange, RegionManager } from '../../streams/index.js';
import { VfioType1Target } from '../../targets/index.js';
import { copyByDma } from './support/edu.js';
import { Machine, SECOND, ways, type1, iommufd, type Way } from './support/machine.js';

const page = (number: number, count = 1): MemoryRange => MemoryRange.ofPages(number, number + count);
const at = (number: number): bigint => Machine.RAM.start + BigInt(number) * 4096n;

async function failure(promise: Promise<unknown>): Promise<DmaError> {
  try {
    await promise;
  } catch (error) {
    expect(error).to.be.instanceOf(DmaError);
    return error as DmaError;
  }
  throw new Error('it did not fail');
}

for (const make of ways()) {
  const name = ((): string => {
    const way = make();
    way.close();
    return way.name;
  })();

  describe(`${name}: memory that the manager maps`, () => {
    let way: Way;
    let machine: Machine;

    beforeEach(async () => {
      way = make();
      machine = await Machine.create();
      await machine.attachVa();
    });

    afterEach(async () => {
      await machine[Symbol.asyncDispose]();
      way.close();
    });

    it("is reached by a device's own DMA, in both directions, and no longer once it is unmapped", async () => {
      const device = way.openDevice();
      await machine.manager.attach(way.target);
      await machine.back(page(0, 2));
      machine.space.write(at(0), Buffer.from('from the host to the device and back'));

      await copyByDma(device, at(0), at(1), 36);
      expect(machine.space.read(at(1), 36).toString()).to.equal('from the host to the device and back');

      await machine.back(page(8));
      await machine.ram.removeMappings(page(0, 2));
      machine.space.write(at(8), Buffer.from('kept as it was'));
      await copyByDma(device, at(8), at(1), 14);
      await copyByDma(device, at(0), at(8), 14);
      expect(machine.memfdText(1, 36), 'the page that was unmapped').to.equal('from the host to the device and back');
      // The kernel logs some three faults in five seconds and drops the rest: that this one is among them cannot be asked.
      expect(execFileSync('dmesg').toString(), 'the kernel logs faults').to.match(/DMAR.*fault/i);
    });

    it('is reached by two devices in two groups, the second of which comes while the first is doing DMA', async () => {
      await machine.back(page(0, 4));
      const first = way.openDevice();
      await machine.manager.attach(way.target);
      machine.space.write(at(0), Buffer.from('shared'));

      const busy = copyByDma(first, at(0), at(1), 6);
      const second = way.openDevice(SECOND);
      await busy;
      await copyByDma(second, at(1), at(2), 6);

      expect(machine.space.read(at(2), 6).toString()).to.equal('shared');
    });

    it('is replayed to a device that comes later, and gone after the detach', async () => {
      await machine.back(page(0));
      await machine.back(page(4));
      const device = way.openDevice();
      const attachment = await machine.manager.attach(way.target);
      machine.space.write(at(0), Buffer.from('late'));
      await copyByDma(device, at(0), at(4), 4);
      expect(machine.space.read(at(4), 4).toString()).to.equal('late');

      await attachment.detach();
      machine.space.write(at(0), Buffer.from('NEWS'));
      await copyByDma(device, at(0), at(4), 4);
      expect(machine.space.read(at(4), 4).toString()).to.equal('late');
    });

    it('may be large: then the event loop goes on while it is pinned', async () => {
      const range = MemoryRange.ofLength(1n << 32n, 256n << 20n);
      const memfd = Memfd.create('large', range.length);
      const region = await machine.manager.addRegion({ name: 'large', range, type: 'ram' });
      await region.map({ writable: true });
      way.openDevice();
      await machine.manager.attach(way.target);
      let turns = 0;
      const timer = setInterval(() => {
        turns += 1;
      }, 1);

      const rangeInRegion = MemoryRange.ofLength(0n, range.length);
      await region.addMapping({ rangeInRegion, backing: { mappable: memfd, fileOffset: 0n }, writable: true });
      clearInterval(timer);
      memfd.close();

      expect(turns).to.be.greaterThan(3);
      expect(machine.manager.attachments[1]?.ledger().at(-1)?.range.toString()).to.equal(range.toString());
    });

    it('does not fit into the interrupt window: the whole set fails before its first map, and names the row', async () => {
      way.openDevice();
      await machine.manager.attach(way.target);
      const range = MemoryRange.of(0xfed00000, 0xff000000);
      const region = await machine.manager.addRegion({ name: 'across', range, type: 'ram' });
      await region.map({ writable: true });

      const error = await failure(
        machine.manager.transaction((edit) => {
          const rows = { backing: { mappable: machine.memfd, fileOffset: 0n }, writable: true };
          edit.addMapping(region, { ...rows, rangeInRegion: page(0) });
          edit.addMapping(region, { ...rows, rangeInRegion: page(0x100) });
        }),
      );

      expect(error).to.be.instanceOf(DmaMapError);
      expect(error).to.include({ code: 'EINVAL', target: way.target.name, region: 'across' });
      expect(error.range?.toString()).to.equal('0xfee00000-0xfee01000');
      const undone = (error as DmaMapError).undone.filter(({ target }) => target === way.target.name);
      expect(undone, 'nothing had been mapped').to.deep.equal([]);
      expect(machine.manager.snapshot().mappings).to.have.length(0);
    });
  });
}

describe('a BAR of one device as memory for another', () => {
  const range = MemoryRange.ofLength(0xe0000000n, 1n << 20n);

  async function mapBar(way: Way, owner: Way): Promise<{ readonly machine: Machine; readonly held: number }> {
    const machine = await Machine.create();
    const bar = owner.openDevice(SECOND);
    way.openDevice();
    await machine.manager.attach(way.target);
    const region = await machine.manager.addRegion({ name: 'bar', range, type: 'device' });
    await region.map({ writable: true });
    const { offset, size } = bar.region(0);
    await region.addMapping({
      rangeInRegion: MemoryRange.ofLength(0n, size),
      backing: { mappable: bar, fileOffset: offset },
      writable: true,
    });
    return { machine, held: machine.manager.attachments[0]?.ledger().length ?? -1 };
  }

  it('is mapped by type1', async () => {
    using way = type1();
    const { machine, held } = await mapBar(way, way);
    expect(held).to.equal(1);
    expect(machine.warnings).to.deep.equal([]);
    await machine[Symbol.asyncDispose]();
  });

  it('is a soft failure of iommufd by address, with one warning', async () => {
    using way = iommufd('va');
    const { machine, held } = await mapBar(way, way);
    expect(held).to.equal(0);
    expect(machine.warnings).to.have.length(1);
    expect(machine.warnings[0]).to.include({ code: 'EFAULT', region: 'bar' });
    await machine[Symbol.asyncDispose]();
  });
});

describe('type1 at its limits', () => {
  it('fails the 65,536th mapping, and says how many entries are left', async () => {
    // Each mapping is an area of its own in the process, and the kernel has a limit for these too.
    writeFileSync('/proc/sys/vm/max_map_count', '1000000');
    using way = type1();
    way.openDevice();
    using memfd = Memfd.create('one page', 4096n);
    using space = new AddressSpace({ size: 1n << 34n });
    await using manager = new RegionManager({ vaMapper: space });
    await manager.attach(way.target);
    const available = way.container?.info.dmaEntriesAvailable ?? 0;
    const region = await manager.addRegion({
      name: 'many',
      range: MemoryRange.ofPages(0x200000, 0x200000 + 0x100000),
      type: 'ram',
    });
    await region.map({ writable: true });

    const error = await failure(
      manager.transaction((edit) => {
        for (let index = 0; index <= available; index++) {
          edit.addMapping(region, {
            rangeInRegion: page(index * 2),
            backing: { mappable: memfd, fileOffset: 0n },
            writable: true,
          });
        }
      }),
    );

    expect(available).to.equal(65535);
    expect(error).to.include({ code: 'ENOSPC', region: 'many' });
    expect(error.message).to.include('65535 entries are left');
    expect(way.container?.info.dmaEntriesAvailable).to.equal(available);
  });

  it('cannot be used before a group is in the container', async () => {
    using container = VfioContainer.open();
    await using machine = await Machine.create();
    await machine.back(page(0));
    const error = await failure(machine.manager.attach(new VfioType1Target(container)));
    expect(error).to.include({ code: 'EINVAL' });
    expect(error.hint).to.include('addGroup');
  });
});
