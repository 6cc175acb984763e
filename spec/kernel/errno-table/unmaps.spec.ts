import { expect } from 'chai';
import { DmaUnmapError, MemoryRange } from '../../../streams/index.js';
import { IommufdTarget } from '../../../targets/index.js';
import { KINDS, pinned, refusal, Workbench, type KernelAnswer } from '../support/workbench.js';

const ENOENT = -2;
const EINVAL = -22;
const range = (start: number, end: number): MemoryRange => MemoryRange.of(start, end);
/** Four mappings of eight pages, sixteen pages apart. */
const MAPPINGS = [0x100000, 0x110000, 0x120000, 0x130000].map((start) => MemoryRange.ofLength(start, 0x8000));

for (const kind of KINDS) {
  const isType1 = kind === 'type1';

  describe(`the errno table, ${isType1 ? kind : `iommufd by ${kind}`}: unmaps`, () => {
    let bench: Workbench;

    beforeEach(async () => {
      bench = new Workbench(kind);
      for (const mapping of MAPPINGS) {
        await bench.way.target.mapDma(bench.request(mapping));
      }
    });

    afterEach(() => {
      bench[Symbol.dispose]();
    });

    const unmap = (of: MemoryRange, change?: (rows: Float64Array) => void): KernelAnswer | undefined =>
      bench.kernel((batch) => {
        batch.unmap(of);
      }, change)[0];

    /** What the kernel holds: each mapping is unmapped by itself. */
    const held = (): readonly bigint[] => MAPPINGS.map((mapping) => unmap(mapping)?.unmapped ?? -1n);

    const refuses = async (of: MemoryRange, stuck: readonly MemoryRange[]): Promise<void> => {
      const error = await refusal(() => bench.way.target.unmapDma(of));
      expect(error).to.include({
        code: isType1 ? 'EINVAL' : 'ENOENT',
        errno: isType1 ? EINVAL : ENOENT,
        syscall: 'ioctl',
        request: isType1 ? 'VFIO_IOMMU_UNMAP_DMA' : 'IOMMU_IOAS_UNMAP',
        target: isType1 ? 'vfio' : 'iommufd',
      });
      expect(error.range).to.equal(of);
      expect(error.hint).to.match(/must cover whole mappings, as they were mapped; the memory is kept/);
      if (!isType1) {
        expect(error).to.be.instanceOf(DmaUnmapError);
        expect((error as DmaUnmapError).stuck.map((one) => one.range.toString())).to.deep.equal(stuck.map(String));
        expect((bench.way.target as IommufdTarget).mappedRanges().map(String)).to.include.members(stuck.map(String));
      }
    };

    it('of a gap, and of the same twice: nothing happens, which an iommufd calls ENOENT and its target does not', async () => {
      const gap = range(0x108000, 0x110000);
      expect(unmap(gap)).to.include({ errno: isType1 ? 0 : ENOENT });
      await bench.way.target.unmapDma(gap);
      const [first = gap] = MAPPINGS;
      await bench.way.target.unmapDma(first);
      await bench.way.target.unmapDma(first);
      expect(pinned(), 'the other three').to.equal(0x18000);
    });

    it('over several mappings and the gaps between them: all of them, and the sum is told', async () => {
      expect(unmap(range(0x100000, 0x118000))).to.deep.equal({ errno: 0, unmapped: 0x10000n });
      await bench.way.target.unmapDma(range(0x0, 0x200000));
      expect(pinned()).to.equal(0);
    });

    it('that cuts one: EINVAL, or ENOENT, and everything stays', async () => {
      const cut = range(0x100000, 0x104000);
      expect(unmap(cut)?.errno).to.equal(isType1 ? EINVAL : ENOENT);
      await refuses(cut, MAPPINGS.slice(0, 1));
      expect(held()).to.deep.equal([0x8000n, 0x8000n, 0x8000n, 0x8000n]);
    });

    it('of the whole first and half of the second: type1 takes none, an iommufd the first, and its target knows', async () => {
      const half = range(0x100000, 0x114000);
      await refuses(half, MAPPINGS.slice(1, 2));
      if (isType1) {
        expect(held()).to.deep.equal([0x8000n, 0x8000n, 0x8000n, 0x8000n]);
      } else {
        const names = (bench.way.target as IommufdTarget).mappedRanges().map(String);
        expect(names).to.deep.equal(MAPPINGS.slice(1).map(String));
        expect(unmap(MAPPINGS[0] ?? half)?.errno, 'the first is gone').to.equal(ENOENT);
      }
    });

    it('not aligned, or of nothing: EINVAL, or ENOENT, and a MemoryRange cannot be so', () => {
      const [first = range(0, 0x1000)] = MAPPINGS;
      const unaligned = unmap(first, (rows) => {
        rows[1] = 0x100001;
      });
      expect(unaligned?.errno).to.equal(isType1 ? EINVAL : ENOENT);
      const nothing = unmap(first, (rows) => {
        rows[2] = 0;
      });
      expect(nothing?.errno).to.equal(EINVAL);
    });

    it('of everything: the sum; and again where nothing is mapped: nothing', () => {
      const all = (): KernelAnswer | undefined =>
        bench.kernel((batch) => {
          batch.unmapAll();
        })[0];
      expect(all()).to.deep.equal({ errno: 0, unmapped: 0x20000n });
      expect(all()).to.deep.equal({ errno: 0, unmapped: 0n });
    });
  });
}
