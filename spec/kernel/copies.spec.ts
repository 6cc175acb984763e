import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { DmaBatch, Iommufd, Memfd, VfioDevice, type Ioas } from '../../binding/index.js';
import { MemoryRange, RegionManager, type DmaMapRequest } from '../../streams/index.js';
import { IommufdTarget } from '../../targets/index.js';
import { copyByDma, enable, FIRST, SECOND } from './support/edu.js';
import { mapsFiles } from './support/machine.js';
import { page, Pages } from './support/pages.js';

/** Pages that iommufd has pinned for this process (proc(5), VmPin). */
function pinned(): number {
  return Number(/^VmPin:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 4;
}

interface Side {
  readonly ioas: Ioas;
  readonly device: VfioDevice;
  readonly target: IommufdTarget;
}

for (const by of mapsFiles() ? (['va', 'file'] as const) : (['va'] as const)) {
  describe(`two IOASes of one iommufd, by ${by}`, () => {
    let iommufd: Iommufd;
    let pages: Pages;
    let first: Side;
    let second: Side;

    function side(address: string, name: string): Side {
      const ioas = iommufd.allocIoas();
      const device = VfioDevice.openCdev(address, iommufd);
      device.attach(ioas);
      enable(device);
      return { ioas, device, target: new IommufdTarget(ioas, { name, by }) };
    }

    beforeEach(() => {
      iommufd = Iommufd.open();
      pages = new Pages();
      first = side(FIRST, 'first');
      second = side(SECOND, 'second');
      expect(pinned()).to.equal(0);
    });

    afterEach(() => {
      first.device.close();
      second.device.close();
      iommufd.close();
      pages[Symbol.dispose]();
      expect(pinned(), 'nothing stays pinned').to.equal(0);
    });

    const set = (count: number, more: Partial<DmaMapRequest> = {}): DmaMapRequest[] =>
      Array.from({ length: count }, (_, index) => pages.request(page(2 * index), more));

    for (const count of [1, 20, 600]) {
      it(`${count} mappings are pinned once, and stay for the second when the first unmaps them`, async () => {
        const requests = set(count);
        const ranges = requests.map(({ range }) => range);
        await first.target.mapDmaBatch(requests);
        expect(pinned()).to.equal(count);
        await second.target.mapDmaBatch(requests);
        expect(pinned(), 'not twice').to.equal(count);
        expect(second.target.mappedRanges()).to.have.length(count);

        await first.target.unmapDmaBatch(ranges);
        expect(pinned()).to.equal(count);
        const last = page(2 * (count - 1));
        pages.space.write(page(0).start, Buffer.from('of both'));
        await copyByDma(second.device, page(0).start, last.start + 64n, 7);
        expect(pages.space.read(last.start + 64n, 7).toString()).to.equal('of both');
        await copyByDma(first.device, page(0).start, last.start + 128n, 7);
        expect(pages.space.read(last.start + 128n, 7).toString(), 'the first reaches it no more').to.equal(
          '\0'.repeat(7),
        );

        await second.target.unmapDmaBatch(ranges);
        expect(pinned()).to.equal(0);
      });
    }

    it('a single map is copied, too, also a large one; unmapping the copy leaves the source', async () => {
      const small = pages.request(page(0));
      const large = pages.request(page(4, 1024));
      for (const request of [small, large]) {
        await first.target.mapDma(request);
        await second.target.mapDma(request);
      }
      expect(pinned()).to.equal(1025);
      await second.target.unmapDma(MemoryRange.of(small.range.start, large.range.end));
      expect(pinned()).to.equal(1025);
      pages.space.write(page(0).start, Buffer.from('still here'));
      await copyByDma(first.device, page(0).start, page(900).start, 10);
      expect(pages.text(page(900), 10)).to.equal('still here');
    });

    it('what may only be read stays so', async () => {
      const readOnly = pages.request(page(0), { writable: false });
      const target = pages.request(page(2));
      await first.target.mapDmaBatch([readOnly, target]);
      await second.target.mapDmaBatch([readOnly, target]);
      expect(pinned()).to.equal(2);
      pages.space.write(page(0).start, Buffer.from('read me'));
      await copyByDma(second.device, page(0).start, page(2).start, 7);
      expect(pages.text(page(2), 7)).to.equal('read me');
      pages.space.write(page(2).start, Buffer.from('WRITTEN'));
      await copyByDma(second.device, page(2).start, page(0).start, 7);
      expect(pages.text(page(0), 7)).to.equal('read me');
    });

    it('what is not the same is mapped by itself: other access, other memory, another range', async () => {
      using other = Memfd.create('other', 1n << 20n);
      using elsewhere = new Pages();
      const backing = { mappable: other, fileOffset: 0x2000n };
      const change = { range: page(2), region: 'ram', type: 'ram', writable: true } as const;
      const unlike = { ...change, ...backing, hostVa: elsewhere.space.ensureMapped({ ...change, backing }) };
      await first.target.mapDmaBatch([
        pages.request(page(0), { writable: false }),
        pages.request(page(2)),
        pages.request(page(4, 2)),
      ]);
      expect(pinned()).to.equal(4);
      const lessWritable = pages.request(page(4, 2), { writable: false });
      await second.target.mapDmaBatch([lessWritable, pages.request(page(0)), unlike, pages.request(page(8))]);
      expect(pinned()).to.equal(9);
      pages.space.write(page(0).start, Buffer.from('to the other'));
      await copyByDma(second.device, page(0).start, page(2).start, 12);
      expect(elsewhere.space.read(page(2).start, 12).toString()).to.equal('to the other');
      expect(pages.text(page(2), 12)).to.equal('\0'.repeat(12));
      await second.target.unmapDma(page(2));
    });

    it('where the kernel does not copy, because the source is gone behind the back of its target, it maps', async () => {
      const requests = set(20);
      await first.target.mapDmaBatch(requests);
      const behind = new DmaBatch();
      behind.unmap(page(10));
      first.ioas.run(behind);
      expect(pinned()).to.equal(19);
      await second.target.mapDmaBatch(requests);
      expect(second.target.mappedRanges()).to.have.length(20);
      pages.space.write(page(10).start, Buffer.from('mapped'));
      await copyByDma(second.device, page(10).start, page(38).start, 6);
      expect(pages.text(page(38), 6)).to.equal('mapped');

      await second.target.unmapDma(page(10));
      await second.target.mapDma(requests[5] as DmaMapRequest);
      await copyByDma(second.device, page(10).start, page(36).start, 6);
      expect(pages.text(page(36), 6)).to.equal('mapped');
    });

    it('an error is that of the map, and the rest of the set goes on behind it', async () => {
      const requests = set(4);
      await first.target.mapDmaBatch(requests);
      await second.target.mapDma(requests[2] as DmaMapRequest);
      const stop = await second.target.mapDmaBatch(requests);
      expect(stop).to.include({ done: 2 });
      expect((stop as { error: unknown }).error).to.include({ code: 'EEXIST', target: 'second' });
      expect(await second.target.mapDmaBatch(requests.slice(3))).to.equal(undefined);
    });

    it('an IOAS that was destroyed is no source, though the next one has its number', async () => {
      const ghost = iommufd.allocIoas();
      const forgotten = new IommufdTarget(ghost, { name: 'forgotten', by });
      await forgotten.mapDma(pages.request(page(0)));
      ghost.destroy();
      const next = iommufd.allocIoas();
      expect(next.id).to.equal(ghost.id);
      await second.target.mapDma(pages.request(page(0)));
      expect(second.target.mappedRanges()).to.have.length(1);
      const batch = new DmaBatch();
      expect(() => {
        batch.copy(page(0), ghost, true);
      }).to.throw(/closed/);
    });

    it('a replay is copied while what the first has is being unmapped on another thread, whichever comes first', async () => {
      const large = Array.from({ length: 3 }, (_, index) => pages.request(page(1024 * index, 1024)));
      for (let round = 0; round < 5; round++) {
        await first.target.mapDmaBatch(large);
        const [gone] = await Promise.all([
          first.target.unmapDmaBatch(large.map(({ range }) => range)),
          second.target.mapDmaBatch(large),
        ]);
        expect(gone).to.equal(undefined);
        expect(pinned()).to.equal(3 * 1024);
        pages.space.write(page(0).start, Buffer.from(`round ${round}`));
        await copyByDma(second.device, page(0).start, page(3000).start, 7);
        expect(pages.text(page(3000), 7)).to.equal(`round ${round}`);
        await second.target.unmapDmaBatch(large.map(({ range }) => range));
        expect(pinned()).to.equal(0);
      }
    });

    it('a target that is attached later gets the memory of the manager by copies', async () => {
      await using manager = new RegionManager({ vaMapper: pages.space });
      const region = await manager.addRegion({ name: 'ram', range: page(0, 64), type: 'ram' });
      await region.map({ writable: true });
      await manager.attach(first.target);
      for (const number of [0, 8, 16]) {
        await region.addMapping({
          rangeInRegion: MemoryRange.ofPages(number, number + 4),
          backing: { mappable: pages.memfd, fileOffset: BigInt(number) * 4096n },
          writable: true,
        });
      }
      expect(pinned()).to.equal(12);
      await manager.attach(second.target);
      expect(pinned()).to.equal(12);
    });
  });
}

describe('copying between IOASes', () => {
  it('is refused across iommufds, and an IOAS in use by another thread is not destroyed', async () => {
    using iommufd = Iommufd.open();
    using other = Iommufd.open();
    using pages = new Pages();
    const [ioas, source, foreign] = [iommufd.allocIoas(), iommufd.allocIoas(), other.allocIoas()];
    const batch = new DmaBatch();
    batch.copy(page(0), foreign, true);
    expect(() => ioas.run(batch)).to.throw(TypeError, 'another iommufd');

    const { range, hostVa } = pages.request(page(0, 4));
    batch.clear();
    batch.mapVa(range, hostVa as NonNullable<typeof hostVa>, true);
    expect([source.run(batch), batch.errnoAt(0)]).to.deep.equal([1, 0]);
    batch.clear();
    batch.copy(page(0, 4), source, true);
    batch.copy(page(0, 8), source, true);
    const running = ioas.runAsync(batch);
    for (const used of [ioas, source]) {
      expect(() => {
        used.destroy();
      }).to.throw(/EBUSY.*another thread/);
    }
    await running;
    expect([batch.errnoAt(0), batch.errnoAt(1)], 'nothing is mapped behind the first four').to.deep.equal([0, -2]);

    batch.clear();
    batch.unmapAll();
    batch.mapVa(range, hostVa as NonNullable<typeof hostVa>, false);
    source.run(batch);
    batch.clear();
    batch.unmapAll();
    batch.copy(range, source, true);
    batch.copy(range, source, false);
    ioas.run(batch);
    expect([batch.errnoAt(1), batch.errnoAt(2)], 'for writing, and for reading').to.deep.equal([-1, 0]);
    source.destroy();
    ioas.destroy();
  });
});
