import { expect } from 'chai';
import { AddressSpace, Memfd, type Ioas, type VfioContainer } from '../../binding/index.js';
import type { DmaBatch } from '../../binding/iommu/dma-batch.js';
import {
  DmaError,
  DmaUnmapError,
  MemoryRange,
  type BatchStop,
  type DmaMapRequest,
  type DmaTarget,
} from '../../streams/index.js';
import { IommufdTarget, VfioType1Target } from '../../targets/index.js';
import { bytesToPin, lockedMemory, lockedMemoryHint } from '../../targets/kernel/locked-memory.js';
import { findMisfit, wholePages } from '../../targets/kernel/preflight.js';
import { runChild } from '../binding/support/child.js';
import { skipUnlessMounting, SMALL_TMPFS, THROUGH_SMALL_TMPFS } from '../binding/support/small-tmpfs.js';

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

  /** The calls in which the rows came: how many rows each had, and whether it was made on another thread. */
  readonly crossings: string[] = [];
  questions = 0;
  joins = 0;

  run(batch: DmaBatch, options?: Stop): number {
    return batch.runNow((rows, results, count) => this.#answer('now', rows, results, count, options));
  }

  runAsync(batch: DmaBatch, options?: Stop): Promise<number> {
    return batch.runLater(async (rows, results, count) => {
      await Promise.resolve();
      return this.#answer('later', rows, results, count, options);
    });
  }

  get container(): VfioContainer {
    return this.#with({
      info: () => ({ iovaRanges: this.#ranges(), pageSizes: 4096n, dmaEntriesAvailable: this.entries }),
    }) as VfioContainer;
  }

  get ioas(): Ioas {
    const { supportsMapFile } = this;
    return this.#with({ iovaRanges: () => this.#ranges(), iommufd: () => ({ supportsMapFile }) }) as Ioas;
  }

  #ranges(): typeof this.iovaRanges {
    this.questions += 1;
    return this.iovaRanges;
  }

  #with(getters: Record<string, () => unknown>): unknown {
    const face = { run: this.run.bind(this), runAsync: this.runAsync.bind(this) };
    for (const [name, get] of Object.entries({ ...getters, joins: () => this.joins })) {
      Object.defineProperty(face, name, { get, configurable: true });
    }
    return face;
  }

  #answer(when: string, rows: Float64Array, results: Int32Array, count: number, options: Stop = {}): number {
    const names = ['unmap', 'va', 'file', 'unmap all', 'copy'];
    this.crossings.push(`${count} ${when}`);
    for (let row = 0; row < count; row++) {
      const what = rows[row * 4] ?? 0;
      const writable = (what & 8) === 0 ? '' : ' rw';
      this.rows.push(`${names[what & 7] ?? ''} 0x${(rows[row * 4 + 1] ?? 0).toString(16)}${writable}`);
      results[row] = this.answers.shift() ?? 0;
      if (options.stopAtFailure === true && (results[row] ?? 0) < 0) {
        return row + 1;
      }
    }
    return count;
  }
}

interface Stop {
  readonly stopAtFailure?: boolean;
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

function stopOf(answer: unknown): BatchStop {
  expect(answer).to.have.all.keys('done', 'error');
  return answer as BatchStop;
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
        [-12, 'ENOMEM', lockedMemory().limit === undefined ? 'the host is short of memory' : 'ulimit -l'],
        [-28, 'ENOSPC', kind === 'type1' ? 'dma_entry_limit' : 'df shows it'],
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
          errorOf(() => target.checkMaps?.([request(0x20000), above])),
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

      it(`${kind}: make the calls of a set in one crossing, in order`, () => {
        const target = make(iommu);
        const set = [request(0x10000), request(0x20000, 0x1000, { writable: false }), request(0x30000)];
        expect(target.mapDmaBatch?.(set)).to.equal(undefined);
        expect(target.unmapDmaBatch?.(set.map(({ range }) => range).reverse())).to.equal(undefined);
        expect(iommu.rows).to.deep.equal([
          ...['va 0x10000 rw', 'va 0x20000', 'va 0x30000 rw'],
          ...['unmap 0x30000', 'unmap 0x20000', 'unmap 0x10000'],
        ]);
        expect(iommu.crossings).to.deep.equal(['3 now', '3 now']);
        expect(target.mapDmaBatch?.([]), 'of nothing').to.equal(undefined);
        expect(target.concurrent).to.equal(true);
      });

      it(`${kind}: stop a set at the first map that fails, and name it`, () => {
        const target = make(iommu);
        iommu.answers = [0, -12];
        const set = [request(0x10000), request(0x20000), request(0x30000)];
        const stop = stopOf(target.mapDmaBatch?.(set));
        expect(stop.done).to.equal(1);
        expect(stop.error).to.include({ code: 'ENOMEM', target: target.name, region: 'ram' });
        expect((stop.error as DmaError).range?.toString()).to.equal('0x20000-0x21000');
        expect(iommu.rows, 'nothing after it was asked of the kernel').to.have.length(2);
      });

      it(`${kind}: make a set on another thread when it is large, or long, and fail the same way`, async () => {
        const target = make(iommu);
        const large = [request(0x400000, 1 << 20), request(0x800000, 1 << 20), request(0xc00000)];
        await target.mapDmaBatch?.(large);
        await target.unmapDmaBatch?.(large.map(({ range }) => range));
        await target.mapDmaBatch?.(large.slice(0, 2));
        const many = Array.from({ length: 257 }, (_, index) => request(0x10000000 + index * 0x1000));
        iommu.answers = Array.from({ length: 201 }, (_, index) => (index < 200 ? 0 : -17));
        const stop = stopOf(await target.mapDmaBatch?.(many));
        expect(stop.done).to.equal(200);
        expect(stop.error).to.include({ code: 'EEXIST' });
        expect((stop.error as DmaError).range?.equals((many[200] as DmaMapRequest).range)).to.equal(true);
        void target.mapDmaBatch?.(many.slice(200, 256));
        expect(iommu.crossings).to.deep.equal(['3 later', '3 later', '2 now', '257 later', '56 now']);
      });

      it(`${kind}: stop a set at what cannot be put to the kernel, after what comes before it`, () => {
        const target = make(iommu);
        const { range, region, type, writable, fileOffset } = request(0x20000);
        const without = { range, region, type, writable, fileOffset };
        const set = [request(0x10000), without, request(0x30000)];
        const stop = stopOf(target.mapDmaBatch?.(set));
        expect(stop).to.include({ done: 1 });
        expect(stop.error).to.include({ code: 'ERR_NO_VA' });
        expect(iommu.rows).to.deep.equal(['va 0x10000 rw']);
        const first = stopOf(target.mapDmaBatch?.([without]));
        expect(first).to.include({ done: 0 });
        expect(first.error).to.include({ code: 'ERR_NO_VA' });
      });

      it(`${kind}: ask the kernel for its limits once, and again before refusing a set or when a device has joined`, () => {
        const target = make(iommu);
        const fits = [request(0x10000), request(0x20000)];
        void target.checkMaps?.([request(0xfee00000)]);
        expect(iommu.questions, 'a single map is left to the kernel').to.equal(0);
        void target.checkMaps?.(fits);
        void target.checkMaps?.(fits);
        expect(iommu.questions).to.equal(1);

        const high = [request(0x10000), request(0xfee00000)];
        expect(errorOf(() => target.checkMaps?.(high)).code).to.equal('EINVAL');
        expect(iommu.questions).to.equal(2);
        iommu.iovaRanges = [{ start: 0n, last: (1n << 64n) - 1n }];
        void target.checkMaps?.(high);
        expect(iommu.questions, 'the device that was in the way has left').to.equal(3);

        iommu.iovaRanges = [{ start: 0n, last: 0x1ffffn }];
        iommu.joins += 1;
        expect(errorOf(() => target.checkMaps?.(fits)).range?.toString()).to.equal('0x20000-0x21000');
      });

      it(`${kind}: check a whole set before its first map, memory of devices aside`, () => {
        const target = make(iommu);
        void target.checkMaps?.([request(0x10000), request(0xfee00000, 0x1000, { type: 'device' })]);
        expect(target.checkMaps?.([request(0x10000), request(0x100000000)]), 'in both windows').to.equal(undefined);
        const error = errorOf(() => target.checkMaps?.([request(0x10000), request(0xfee00000)]));
        expect(error).to.include({ code: 'EINVAL', target: target.name });
        expect(error.range?.toString()).to.equal('0xfee00000-0xfee01000');
        expect(iommu.rows).to.deep.equal([]);
      });
    }
  });

  it('type1 says why nothing can be mapped when the container has no group', () => {
    iommu.answers = [-22];
    const { container } = iommu;
    Object.defineProperty(container, 'info', {
      get() {
        throw new DmaError('it has no group', { code: 'EINVAL', hint: 'add one first' });
      },
    });
    expect(errorOf(() => new VfioType1Target(container).mapDma(request(0x10000)))).to.include({
      code: 'EINVAL',
      hint: 'add one first',
    });
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
    iommu.answers = [-28];
    const stop = stopOf(target.mapDmaBatch([request(0x10000), request(0x20000)]));
    expect(error.hint).to.match(/^1 entries are left and 2 needed: .*dma_entry_limit, before the container is opened/);
    expect((stop.error as DmaError).hint, 'the same as that of the kernel').to.equal(error.hint);
  });

  it('a file on a full file system is named for ENOMEM, EFAULT and ENOSPC, unless the file is too short', function () {
    skipUnlessMounting(this);
    const explain = new URL('../../targets/kernel/kernel-errors.js', import.meta.url).href;
    const result = runChild(
      `const { openSync, ftruncateSync, writeSync } = await import('node:fs');
      const { MemoryRange } = await import(STREAMS);
      const { mapError } = await import(${JSON.stringify(explain)});
      const fd = openSync('${SMALL_TMPFS}/ram', 'w+');
      ftruncateSync(fd, 4 << 20);
      try { writeSync(fd, Buffer.alloc(1 << 20)); writeSync(fd, Buffer.alloc(4096)); } catch {}
      const tell = (errno, end) => {
        const range = MemoryRange.of(0, end);
        const where = { target: 't', mapRequest: () => 'IOMMU_IOAS_MAP_FILE', iovaRanges: () => [] };
        const mappable = { fd, label: 'ram' };
        console.log(mapError(errno, { range, region: 'r', type: 'ram', writable: true, mappable, fileOffset: 0n }, where).hint);
      };
      for (const errno of [-12, -14, -28]) tell(errno, 4 << 20);
      tell(-14, 8 << 20);`,
      { through: THROUGH_SMALL_TMPFS },
    );
    expect(result).to.include({ status: 0, signal: null }, result.stderr);
    const hints = result.stdout.split('\n');
    for (const hint of hints.slice(lockedMemory().limit === undefined ? 0 : 1, 3)) {
      expect(hint).to.match(/the file system of \/mnt\/ram is full\. It holds 1 MiB \(df.*size=SIZE.*--shm-size/);
    }
    expect(hints[3]).to.contain('is the file as long as the mapping');
  });

  describe('the limit of locked memory', () => {
    it('is to be raised to what all rows take, but for memory of devices and what is pinned already', () => {
      const rows = [request(0x10000), request(0x20000, 0x3000), request(0x30000, 0x1000, { type: 'device' })];
      expect(bytesToPin(rows)).to.equal(0x4000n);
      expect(bytesToPin(rows, ({ range: { start } }) => start === 0x20000n)).to.equal(0x1000n);
      const hint = lockedMemoryHint({ limit: 32n << 20n, locked: 1n << 20n, pinned: 0n }, 96n << 20n);
      expect(hint).to.contain('33554432 bytes, 1048576 are used, 100663296 more are needed');
      expect(hint).to.contain('ulimit -l 100352').and.contain('LimitMEMLOCK=100352K');
    });

    it('gives no advice where none counts', () => {
      expect(lockedMemoryHint({ limit: undefined, locked: 0n, pinned: 0n }, 1n)).to.equal(undefined);
    });
  });

  it('type1 counts what it holds by the entries that are left, from its first map on', () => {
    iommu.entries = 100;
    const target = new VfioType1Target(iommu.container);
    expect(target.mappedCount()).to.equal(undefined);
    iommu.answers = [-22];
    expect(errorOf(() => target.mapDma(request(0x1000)))).to.include({ code: 'EINVAL' });
    iommu.entries = 90; // Somebody else was quicker.
    void target.mapDma(request(0x3000));
    iommu.entries = 88;
    void target.mapDma(request(0x5000));
    expect(target.mappedCount()).to.equal(2);
    iommu.entries = 91;
    expect(target.mappedCount()).to.equal(-1);
    iommu.entries = undefined;
    expect(target.mappedCount()).to.equal(undefined);
  });

  it('type1 does not count where it could not look before its first map', () => {
    const { container } = iommu;
    let fails = true;
    const blind = {
      run: container.run.bind(container),
      get info() {
        if (fails) {
          throw new DmaError('no answer', { code: 'EINVAL' });
        }
        return container.info;
      },
    };
    const target = new VfioType1Target(blind as unknown as VfioContainer);
    void target.mapDma(request(0x3000));
    fails = false;
    void target.mapDma(request(0x5000));
    expect(target.mappedCount()).to.equal(undefined);
  });

  it('type1 counts what it maps, and asks again before it refuses', () => {
    iommu.entries = 4;
    const target = new VfioType1Target(iommu.container);
    const set = (start: number): DmaMapRequest[] => [request(start), request(start + 0x1000)];
    target.checkMaps(set(0x10000));
    void target.mapDmaBatch(set(0x10000));
    void target.mapDma(request(0x20000));
    expect(iommu.questions, 'once for the set, once before the first map').to.equal(2);
    iommu.entries = 2;
    target.checkMaps(set(0x30000));
    expect(iommu.questions, 'one is left by its own count, which knows nothing of unmaps').to.equal(3);
    iommu.entries = 1;
    void target.mapDma(request(0x30000));
    expect(errorOf(() => target.checkMaps(set(0x40000))).code).to.equal('ENOSPC');
  });

  it('type1 stops a set of unmaps at the first that fails', () => {
    iommu.answers = [0, -22];
    const ranges = [0x10000, 0x20000, 0x30000].map((start) => MemoryRange.ofLength(start, 0x1000));
    const stop = stopOf(new VfioType1Target(iommu.container).unmapDmaBatch(ranges));
    expect(stop.done).to.equal(1);
    expect(stop.error).to.include({ code: 'EINVAL', request: 'VFIO_IOMMU_UNMAP_DMA' });
    expect((stop.error as DmaError).range?.toString()).to.equal('0x20000-0x21000');
    expect(iommu.rows).to.have.length(2);
  });

  describe('IommufdTarget', () => {
    it('knows what it holds after a set that stopped, and unmaps sets whatever shape they have', () => {
      const target = new IommufdTarget(iommu.ioas);
      iommu.answers = [0, 0, 0, -14];
      const set = [0x10000, 0x20000, 0x30000, 0x40000].map((start) => request(start));
      void target.mapDmaBatch(set);
      expect(target.mappedRanges().map(String)).to.deep.equal([
        '0x10000-0x11000',
        '0x20000-0x21000',
        '0x30000-0x31000',
      ]);
      void target.unmapDmaBatch([MemoryRange.of(0x0, 0x21000), MemoryRange.of(0x30000, 0x38000)]);
      expect(target.mappedRanges()).to.deep.equal([]);
    });

    it('knows what it holds of very many mappings, made in any order, and ended one by one or many at a time', async () => {
      const target = new IommufdTarget(iommu.ioas);
      const { hostVa, ...rest } = request(0x10000);
      expect(hostVa).to.not.equal(undefined);
      const count = 40_000;
      // 7919 is prime: every place once.
      const places = Array.from({ length: count }, (_, index) => (index * 7919) % count);
      const rangeAt = (place: number): MemoryRange => MemoryRange.ofLength(place * 0x2000, 0x1000);
      expect(await target.mapDmaBatch(places.map((place) => ({ ...rest, range: rangeAt(place) })))).to.equal(undefined);
      const all = Array.from({ length: count }, (_, place) => rangeAt(place).toString());
      expect(target.mappedRanges().map(String)).to.deep.equal(all);

      const odd = places.filter((place) => place % 2 === 1);
      expect(await target.unmapDmaBatch(odd.map(rangeAt))).to.equal(undefined);
      await target.unmapDma(MemoryRange.of(0, 20_000 * 0x2000));
      const left = all.filter((_, place) => place % 2 === 0 && place >= 20_000);
      expect(target.mappedRanges().map(String)).to.deep.equal(left);
    });

    it('takes unmaps of nothing in the middle of a set as done', () => {
      const target = new IommufdTarget(iommu.ioas);
      const set = [0x10000, 0x30000].map((start) => request(start));
      void target.mapDmaBatch(set);
      iommu.answers = [0, -2, 0, -2];
      const ranges = [0x10000, 0x20000, 0x30000, 0x40000].map((start) => MemoryRange.ofLength(start, 0x1000));
      expect(target.unmapDmaBatch(ranges)).to.equal(undefined);
      expect(target.mappedRanges()).to.deep.equal([]);
      expect(iommu.rows.slice(2)).to.deep.equal(ranges.map(({ start }) => `unmap 0x${start.toString(16)}`));
    });

    it('finishes an unmap in the middle of a set that the kernel ended half-way, and stops at one that it cannot finish', async () => {
      const target = new IommufdTarget(iommu.ioas);
      const starts = [0x10000, 0x20000, 0x30000, 0x40000, 0x50000];
      void target.mapDmaBatch(starts.map((start) => request(start)));
      const ranges = [
        MemoryRange.of(0x10000, 0x21000),
        MemoryRange.of(0x30000, 0x41000),
        MemoryRange.of(0x50000, 0x51000),
      ];
      // The first in two steps; of the second one mapping is gone, the other is in use.
      iommu.answers = [-2, -2, 0, -16, 0, -16];
      const stop = stopOf(await target.unmapDmaBatch(ranges));
      expect(stop.done).to.equal(1);
      expect((stop.error as DmaUnmapError).stuck.map(({ range }) => range.toString())).to.deep.equal([
        '0x40000-0x41000',
      ]);
      expect(target.mappedRanges().map(String)).to.deep.equal(['0x40000-0x41000', '0x50000-0x51000']);
    });

    it('keeps a mapping that an unmap would cut', () => {
      const target = new IommufdTarget(iommu.ioas);
      void target.mapDma(request(0x10000, 0x4000));
      iommu.answers = [-2];
      const error = errorOf(() => target.unmapDma(MemoryRange.of(0x10000, 0x12000)));
      expect((error as DmaUnmapError).stuck.map(({ range }) => range.toString())).to.deep.equal(['0x10000-0x14000']);
      expect(target.mappedRanges()).to.have.length(1);
    });

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
    const { iovaRanges } = iommu;
    const windows = iovaRanges.map(wholePages);
    const capacity = { target: 'T', request: 'R', iovaRanges, windows, entries: Infinity, pages: 1 };
    const set = [request(0x10000), request(0x20000)];
    const error = findMisfit(set, capacity);
    expect(error).to.include({ code: 'ENOMEM', region: 'ram' });
    expect(error?.range?.toString()).to.equal('0x20000-0x21000');
    const isPinned = ({ range }: DmaMapRequest): boolean => range.start === 0x20000n;
    expect(findMisfit(set, capacity, isPinned), 'what is pinned already is not counted again').to.equal(undefined);
  });

  it('know the limit of locked memory, and how to raise it', () => {
    expect(lockedMemory().locked >= 0n).to.equal(true);
    const hint = lockedMemoryHint({ limit: 4096n, locked: 1n, pinned: 2n }, 8192n);
    expect(hint).to.include('4096').and.to.include('8192').and.to.include('ulimit -l');
  });
});
