import { expect } from 'chai';
import { AddressSpace, Memfd, type Ioas, type VfioContainer } from '../../binding/index.js';
import type { DmaBatch } from '../../binding/dma-batch.js';
import { DmaError, DmaUnmapError, MemoryRange, type DmaMapRequest, type DmaTarget } from '../../streams/index.js';
import { IommufdTarget, VfioType1Target } from '../../targets/index.js';
import { lockedMemory, lockedMemoryHint } from '../../targets/kernel/locked-memory.js';
import { preflight } from '../../targets/kernel/preflight.js';

/** What rows ask for, and the errnos that they are answered with, in order; 0 when none is left. */
class FakeIommu {
  readonly rows: string[] = [];
  answers: number[] = [];
  iovaRanges = [
    { start: 0n, last: 0xfedfffffn },
    { start: 0xfef00000n, last: (1n << 39n) - 1n },
  ];
  entries: number | undefined = 65535;
  supportsMapFile = true;

  run(batch: DmaBatch): number {
    return batch.runNow((_spaces, rows, results) => this.#answer(rows, results));
  }

  runAsync(batch: DmaBatch): Promise<number> {
    return batch.runLater(async (_spaces, rows, results) => {
      await Promise.resolve();
      return this.#answer(rows, results);
    });
  }

  get container(): VfioContainer {
    const info = { iovaRanges: this.iovaRanges, pageSizes: 4096n, dmaEntriesAvailable: this.entries };
    return { run: this.run.bind(this), runAsync: this.runAsync.bind(this), info } as unknown as VfioContainer;
  }

  get ioas(): Ioas {
    const { iovaRanges, supportsMapFile } = this;
    const iommufd = { supportsMapFile };
    return { run: this.run.bind(this), runAsync: this.runAsync.bind(this), iovaRanges, iommufd } as unknown as Ioas;
  }

  #answer(rows: BigUint64Array, results: Int32Array): number {
    const names = ['unmap', 'va', 'file', 'unmap all'];
    for (let row = 0; row < results.length; row++) {
      const what = rows[row * 4] ?? 0n;
      const writable = (what & 4n) === 0n ? '' : ' rw';
      this.rows.push(`${names[Number(what & 3n)] ?? ''} 0x${(rows[row * 4 + 1] ?? 0n).toString(16)}${writable}`);
      results[row] = this.answers.shift() ?? 0;
    }
    return results.length;
  }
}

function errorOf(work: () => unknown): DmaError {
  try {
    work();
  } catch (error) {
    expect(error).to.be.instanceOf(DmaError);
    return error as DmaError;
  }
  throw new Error('it did not fail');
}

describe('the targets of kernel IOMMUs', () => {
  let space: AddressSpace;
  let memfd: Memfd;
  let iommu: FakeIommu;

  const request = (start: number, length = 0x1000, more: Partial<DmaMapRequest> = {}): DmaMapRequest => {
    const range = MemoryRange.ofLength(start, length);
    const backing = { mappable: memfd, fileOffset: 0n };
    const change = { range, region: 'ram', type: 'ram', writable: true, backing } as const;
    return { ...change, ...backing, hostVa: space.ensureMapped(change), ...more };
  };

  beforeEach(() => {
    space = new AddressSpace({ size: 1n << 34n });
    memfd = Memfd.create('ram', 8n << 20n);
    iommu = new FakeIommu();
  });

  afterEach(() => {
    space.close();
    memfd.close();
  });

  describe('of both kinds', () => {
    const kinds: readonly [string, (of: FakeIommu) => DmaTarget][] = [
      ['type1', (of) => new VfioType1Target(of.container)],
      ['iommufd', (of) => new IommufdTarget(of.ioas, { by: 'va' })],
    ];
    for (const [kind, make] of kinds) {
      it(`${kind}: map by address and unmap, at once where the range is small`, () => {
        const target = make(iommu);
        expect(target.mapDma(request(0x10000))).to.equal(undefined);
        expect(target.mapDma(request(0x20000, 0x1000, { writable: false }))).to.equal(undefined);
        expect(target.unmapDma(MemoryRange.of(0x10000, 0x21000))).to.equal(undefined);
        expect(iommu.rows).to.deep.equal(['va 0x10000 rw', 'va 0x20000', 'unmap 0x10000']);
      });

      it(`${kind}: answer later where the range is large, and fail the same way`, async () => {
        const target = make(iommu);
        iommu.answers = [0, -12];
        const large = request(0x400000, 4 << 20);
        await target.mapDma(large);
        const late = target.mapDma({ ...large, range: MemoryRange.ofLength(0x1000000, 4 << 20) });
        expect(late).to.be.instanceOf(Promise);
        const error = await (late as Promise<void>).then(
          () => undefined,
          (reason: unknown) => reason as DmaError,
        );
        expect(error).to.include({ code: 'ENOMEM', target: target.name, region: 'ram' });
        await target.unmapDma(large.range);
      });

      const table: readonly [number, string, string][] = [
        [-12, 'ENOMEM', 'ulimit -l'],
        [-28, 'ENOSPC', 'dma_entry_limit'],
        [-17, 'EEXIST', 'another user'],
        [-14, 'EFAULT', 'not backed'],
        [-22, 'EINVAL', 'argument invalid'],
        [-98, 'EADDRINUSE', 'hole'],
        [-5, 'EIO', 'docs/kernel.md'],
      ];
      for (const [errno, code, hint] of table) {
        it(`${kind}: say what to do about ${code}`, () => {
          const target = make(iommu);
          iommu.answers = [errno];
          const error = errorOf(() => target.mapDma(request(0x10000)));
          expect(error).to.include({ code, errno, syscall: 'ioctl', target: target.name, region: 'ram' });
          expect(error.range?.toString()).to.equal('0x10000-0x11000');
          expect(error.hint).to.include(hint);
        });
      }

      it(`${kind}: name the rule when the range is not one that the IOMMU can map`, () => {
        const target = make(iommu);
        iommu.answers = [-22];
        const error = errorOf(() => target.mapDma(request(0xfee00000)));
        expect(error.hint).to.include('0x0-0xfee00000').and.to.include('interrupts');
      });

      it(`${kind}: tell what is above the aperture from what is in a window`, () => {
        const target = make(iommu);
        const above = { ...request(0x10000), range: MemoryRange.ofLength(1n << 39n, 0x1000) };
        for (const error of [
          errorOf(() => target.checkMaps?.([above])),
          errorOf(() => {
            iommu.answers = [-22];
            return target.mapDma(above);
          }),
        ]) {
          expect(error).to.include({ code: 'EINVAL' });
          expect(`${error.message} ${error.hint ?? ''}`).to.match(/above the aperture.*below 0x8000000000/);
          expect(error.hint).not.to.contain('hole');
        }
      });

      it(`${kind}: refuse a map without an address`, () => {
        const { range, region, type, writable, mappable, fileOffset } = request(0x10000);
        const without = { range, region, type, writable, fileOffset, ...(mappable === undefined ? {} : { mappable }) };
        expect(errorOf(() => make(iommu).mapDma(without)).code).to.equal('ERR_NO_VA');
      });

      it(`${kind}: check a whole set before its first map, memory of devices aside`, () => {
        const target = make(iommu);
        void target.checkMaps?.([request(0x10000), request(0xfee00000, 0x1000, { type: 'device' })]);
        const error = errorOf(() => target.checkMaps?.([request(0x10000), request(0xfee00000)]));
        expect(error).to.include({ code: 'EINVAL', target: target.name });
        expect(error.range?.toString()).to.equal('0xfee00000-0xfee01000');
        expect(iommu.rows).to.deep.equal([]);
      });
    }
  });

  it('type1 passes the failure of an unmap on: nothing is unmapped', () => {
    iommu.answers = [-22];
    const error = errorOf(() => new VfioType1Target(iommu.container).unmapDma(MemoryRange.of(0, 0x1000)));
    expect(error).to.include({ code: 'EINVAL', request: 'VFIO_IOMMU_UNMAP_DMA', target: 'vfio' });
  });

  it('type1 counts the entries of a set against those that are left', () => {
    iommu.entries = 1;
    const target = new VfioType1Target(iommu.container);
    const error = errorOf(() => target.checkMaps([request(0x10000), request(0x20000)]));
    expect(error).to.include({ code: 'ENOSPC' });
    expect(error.message).to.include('1 entries are left');
  });

  describe('IommufdTarget', () => {
    it('maps by file where kernel and mapping allow, private memory and BARs by address', () => {
      const target = new IommufdTarget(iommu.ioas);
      expect([target.needsVa, target.needsFd]).to.deep.equal([false, false]);
      void target.mapDma(request(0x10000));
      const { range, region, type, writable, fileOffset, hostVa } = request(0x20000);
      const rest = { range, region, type, writable, fileOffset, ...(hostVa === undefined ? {} : { hostVa }) };
      void target.mapDma(rest);
      void target.mapDma(request(0x30000, 0x1000, { type: 'device' }));
      expect(iommu.rows).to.deep.equal(['file 0x10000 rw', 'va 0x20000 rw', 'va 0x30000 rw']);
      expect(target.mappedRanges()).to.have.length(3);
    });

    it('says of a BAR that it cannot be mapped by address', () => {
      const target = new IommufdTarget(iommu.ioas, { by: 'va' });
      iommu.answers = [-14];
      expect(errorOf(() => target.mapDma(request(0x30000, 0x1000, { type: 'device' }))).hint).to.include(
        'VFIO type1 can',
      );
    });

    it('needs addresses where the kernel cannot map files, and says so when told to', () => {
      iommu.supportsMapFile = false;
      expect(new IommufdTarget(iommu.ioas).needsVa).to.equal(true);
      expect(errorOf(() => new IommufdTarget(iommu.ioas, { by: 'file' })).code).to.equal('ENOTTY');
      expect(() => new IommufdTarget(iommu.ioas, { by: 'magic' as 'va' })).to.throw(RangeError, "'magic'");
    });

    it('names the mapping in the way', () => {
      const target = new IommufdTarget(iommu.ioas);
      void target.mapDma(request(0x10000));
      iommu.answers = [-17];
      expect(errorOf(() => target.mapDma(request(0x10000))).hint).to.include('0x10000-0x11000');
    });

    it('finishes an unmap that the kernel ended half-way, mapping by mapping', () => {
      const target = new IommufdTarget(iommu.ioas);
      void target.mapDma(request(0x10000));
      void target.mapDma(request(0x20000));
      iommu.answers = [-2, -2, 0];
      void target.unmapDma(MemoryRange.of(0x10000, 0x21000));
      expect(target.mappedRanges()).to.deep.equal([]);
    });

    it('keeps what an unmap cuts, though the kernel says that nothing is there', () => {
      const target = new IommufdTarget(iommu.ioas);
      void target.mapDma(request(0x10000));
      void target.mapDma(request(0x20000, 0x4000));
      iommu.answers = [-2, 0];
      const error = errorOf(() => target.unmapDma(MemoryRange.of(0x10000, 0x22000)));
      expect((error as DmaUnmapError).stuck.map(({ range }) => range.toString())).to.deep.equal(['0x20000-0x24000']);
      expect(target.mappedRanges().map(String)).to.deep.equal(['0x20000-0x24000']);
    });

    it('says which mappings are left when some cannot be unmapped', () => {
      const target = new IommufdTarget(iommu.ioas);
      void target.mapDma(request(0x10000));
      void target.mapDma(request(0x20000));
      iommu.answers = [-16, 0, -16];
      const error = errorOf(() => target.unmapDma(MemoryRange.of(0x10000, 0x21000)));
      expect(error).to.be.instanceOf(DmaUnmapError);
      expect((error as DmaUnmapError).stuck.map(({ range }) => range.toString())).to.deep.equal(['0x20000-0x21000']);
      expect(target.mappedRanges().map(String)).to.deep.equal(['0x20000-0x21000']);
    });

    it('takes an unmap of nothing, and a large one later', async () => {
      const target = new IommufdTarget(iommu.ioas);
      iommu.answers = [-2, -2];
      void target.unmapDma(MemoryRange.of(0, 0x1000));
      await target.unmapDma(MemoryRange.of(0, 0x1000000));
      const large = request(0x400000, 4 << 20);
      await target.mapDma(large);
      await target.unmapDma(large.range);
      expect(target.mappedRanges()).to.deep.equal([]);
    });
  });

  it('cannot pin more than may be locked', () => {
    const budget = { target: 'T', request: 'R', iovaRanges: iommu.iovaRanges, pinnable: 0x1000n };
    const error = errorOf(() => {
      preflight([request(0x10000), request(0x20000)], budget);
    });
    expect(error).to.include({ code: 'ENOMEM', region: 'ram' });
    expect(error.range?.toString()).to.equal('0x20000-0x21000');
  });

  it('know the limit of locked memory, and how to raise it', () => {
    expect(lockedMemory().locked >= 0n).to.equal(true);
    const hint = lockedMemoryHint({ limit: 4096n, locked: 1n, pinned: 2n }, 8192n);
    expect(hint).to.include('4096').and.to.include('8192').and.to.include('ulimit -l');
    expect(lockedMemoryHint({ limit: undefined, locked: 2n, pinned: 1n }, 1n)).to.include('no limit');
  });
});
