import { expect } from 'chai';
import type { VfioContainer } from '../../binding/index.js';
import {
  DmaMapError,
  MemoryRange,
  RegionManager,
  type DmaError,
  type DmaTarget,
  type VaMapper,
} from '../../streams/index.js';
import { SoftIommuTarget, VfioType1Target } from '../../targets/index.js';
import { FakeMappable } from '../../testing/index.js';

const PAGE = 4096n;

/** The default limit of VFIO type1. */
const TYPE1_LIMIT = 65_535;

const FILE = new FakeMappable('ram');

/** A container with a group that counts the rows that it is given, and maps nothing. */
function containerOf(entries: () => number | undefined): { readonly container: VfioContainer; rows(): number } {
  let rows = 0;
  const run = (batch: {
    runNow(answer: (rows: unknown, results: Int32Array, count: number) => number): number;
  }): number =>
    batch.runNow((_rows, results, count) => {
      rows += count;
      results.fill(0);
      return count;
    });
  const container = {
    joins: 1,
    run,
    runAsync: (batch: Parameters<typeof run>[0]) => Promise.resolve(run(batch)),
    get info() {
      return {
        iovaRanges: [{ start: 0n, last: (1n << 48n) - 1n }],
        pageSizes: PAGE,
        dmaEntriesAvailable: entries(),
      };
    },
  };
  return { container: container as unknown as VfioContainer, rows: () => rows };
}

/** Keeps no record: there are many addresses. */
const ADDRESSES: VaMapper = {
  ensureMapped: ({ range }) => ({ address: range.start }),
  release: () => undefined,
};

interface Machine extends AsyncDisposable {
  readonly manager: RegionManager;
  readonly warnings: readonly DmaError[];
  add(name: string, range: MemoryRange, options?: { priority?: number; granule?: bigint; hole?: true }): Promise<void>;
}

async function machineWith(target: DmaTarget): Promise<Machine> {
  const warnings: DmaError[] = [];
  const manager = new RegionManager({
    overlap: 'any',
    ...(target.needsVa === true ? { vaMapper: { ...ADDRESSES } } : {}),
    onWarning: (warning) => warnings.push(warning),
  });
  await manager.attach(target);
  return {
    manager,
    warnings,
    async add(name, range, { priority = 0, granule, hole } = {}) {
      await manager.transaction((edit) => {
        const region = edit.addRegion({ name, range, priority, type: 'ram' });
        if (hole === undefined) {
          edit.addMapping(region, {
            rangeInRegion: MemoryRange.ofLength(0, range.length),
            backing: { mappable: FILE, fileOffset: range.start },
            writable: true,
            ...(granule === undefined ? {} : { granule }),
          });
        }
        edit.map(region, { writable: true });
      });
    },
    [Symbol.asyncDispose]: () => manager.close(),
  };
}

async function mapErrorOf(promise: Promise<unknown>): Promise<DmaMapError> {
  try {
    await promise;
  } catch (error) {
    expect(error).to.be.instanceOf(DmaMapError);
    return error as DmaMapError;
  }
  throw new Error('it was mapped');
}

describe('pieces and the entry limit', function () {
  this.timeout(60_000);

  const pages = (count: number): MemoryRange => MemoryRange.ofLength(0, BigInt(count) * PAGE);

  it('VFIO type1 refuses 65,536 pieces at a limit of 65,535 before the first map, with a hint that names the granule', async () => {
    const { container, rows } = containerOf(() => TYPE1_LIMIT);
    await using machine = await machineWith(new VfioType1Target(container));
    const error = await mapErrorOf(machine.add('ram', pages(TYPE1_LIMIT + 1), { granule: PAGE }));
    expect(error).to.include({ code: 'ENOSPC', region: 'ram', target: 'vfio' });
    expect(error.message).to.contain('number 65536 of a set, and 65535 entries are left');
    expect(error.hint).to.match(/65535 entries are left and 65536 needed: .*a larger granule.*dma_entry_limit/);
    expect(error.undone).to.deep.equal([]);
    expect(rows()).to.equal(0);
    expect(machine.manager.snapshot().mappings).to.deep.equal([]);
  });

  it('VFIO type1 counts the pieces that an overlay makes, and the overlay', async () => {
    let entries = 3;
    const { container } = containerOf(() => entries);
    await using machine = await machineWith(new VfioType1Target(container));
    // The fake maps no host addresses: what is mapped must not reach it.
    entries = 2;
    const error = await mapErrorOf(
      machine.manager.transaction((edit) => {
        for (const [name, range, priority] of [
          ['ram', pages(8), 0],
          ['rom', MemoryRange.of(0x2000, 0x3000), 1],
        ] as const) {
          const region = edit.addRegion({ name, range, priority, type: 'ram' });
          edit.addMapping(region, {
            rangeInRegion: MemoryRange.ofLength(0, range.length),
            backing: { mappable: FILE, fileOffset: range.start },
            writable: true,
          });
          edit.map(region, { writable: true });
        }
      }),
    );
    expect(error.message).to.contain('number 3 of a set, and 2 entries are left');
    expect(error.range?.toString()).to.equal('0x3000-0x8000');
  });

  it('VFIO type1 says how many maps it can hold as soon as the container knows, and as it was then', async () => {
    let entries: number | undefined;
    const { container } = containerOf(() => entries);
    const target = new VfioType1Target(container);
    expect(target.maxMaps).to.equal(undefined);
    entries = 100;
    expect(target.maxMaps).to.equal(100);
    entries = 7;
    expect(target.maxMaps).to.equal(100);
    const closed = {
      run: () => 0,
      get info(): never {
        throw new Error('it has no group');
      },
    };
    expect(new VfioType1Target(closed as unknown as VfioContainer).maxMaps).to.equal(undefined);
    await using machine = await machineWith(target);
    await machine.manager.transaction((edit) => {
      const region = edit.addRegion({ name: 'hidden', range: pages(101), type: 'ram' });
      edit.addMapping(region, {
        rangeInRegion: pages(101),
        backing: { mappable: FILE, fileOffset: 0n },
        writable: true,
        granule: PAGE,
      });
    });
    expect(machine.warnings.map(({ code, target: name }) => `${code} ${String(name)}`)).to.deep.equal([
      'ERR_TOO_MANY_PIECES vfio',
    ]);
  });

  it('the soft model of type1 refuses the 65,536th piece, and everything is unmapped', async () => {
    const target = new SoftIommuTarget();
    await using machine = await machineWith(target);
    const error = await mapErrorOf(machine.add('ram', pages(TYPE1_LIMIT + 1), { granule: PAGE }));
    expect(error).to.include({ code: 'ENOSPC', region: 'ram', target: 'soft' });
    expect(error.range?.toString()).to.equal('0xffff000-0x10000000');
    expect(error.hint).to.contain('give mappings a larger granule: the limit is 65535 entries, and 65535 are in use');
    expect(error.undone).to.have.length(TYPE1_LIMIT);
    expect(target.entries).to.equal(0);
    await machine.add('ram', pages(TYPE1_LIMIT + 1), { granule: 2n * PAGE });
    expect(target.entries).to.equal(TYPE1_LIMIT / 2 + 0.5);
  });

  it('a soft IOMMU counts the pieces that a hole makes, and leaves the mapping whole when they do not fit', async () => {
    const target = new SoftIommuTarget({ entryLimit: 1 });
    await using machine = await machineWith(target);
    await machine.add('ram', pages(8));
    const error = await mapErrorOf(machine.add('window', MemoryRange.of(0x2000, 0x3000), { priority: 1, hole: true }));
    expect(error).to.include({ code: 'ENOSPC', region: 'ram' });
    expect(target.mappedRanges().map(String)).to.deep.equal(['0x0-0x8000']);
    expect(machine.manager.snapshot().mappings.map(({ range }) => range.toString())).to.deep.equal(['0x0-0x8000']);
  });

  it('a soft IOMMU warns of its setting, and one without a limit of nothing', async () => {
    for (const [target, count] of [
      [new SoftIommuTarget({ entryLimit: 3 }), 1],
      [new SoftIommuTarget({ model: 'iommufd' }), 0],
    ] as const) {
      expect(target.maxMaps).to.equal(count === 1 ? 3 : undefined);
      await using machine = await machineWith(target);
      await machine.manager.transaction((edit) => {
        const region = edit.addRegion({ name: 'hidden', range: pages(4), type: 'ram' });
        const backing = { mappable: FILE, fileOffset: 0n };
        edit.addMapping(region, { rangeInRegion: pages(4), backing, writable: true, granule: PAGE });
      });
      expect(machine.warnings).to.have.length(count);
    }
  });
});
