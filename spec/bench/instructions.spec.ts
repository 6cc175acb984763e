import { expect } from 'chai';
import { countedQuestions } from '../../bench/kernel/index.js';
import { idleKernelTarget } from '../../bench/support/idle-target.js';
import { MemoryRange, RegionManager, type MappingParams, type Outcome } from '../../streams/index.js';
import { IommufdTarget, VfioType1Target } from '../../targets/index.js';
import { FakeMappable } from '../../testing/index.js';

describe('the idle target that stands for one of the kernel', () => {
  for (const { name, prototype } of [IommufdTarget, VfioType1Target]) {
    it(`takes every call that the pipeline makes at ${name}`, () => {
      // The others are asked what a target holds, or can hold, or how it is printed.
      const called = Object.getOwnPropertyNames(prototype).filter(
        (key) => !['constructor', 'mappedRanges', 'mappedCount', 'maxMaps', 'toJSON'].includes(key),
      );
      expect(called).to.include.members(['checkMaps', 'mapDmaBatch', 'unmapDmaBatch']);
      expect(idleKernelTarget('idle')).to.include.all.keys('concurrent', ...called);
    });
  }

  it('looks at a set, takes it whole, and never fails', async () => {
    const idle = idleKernelTarget('idle');
    const calls: string[] = [];
    const noted =
      <A extends readonly unknown[]>(name: string, call?: (first: A) => unknown) =>
      (first: A): undefined => {
        calls.push(`${name} ${first.length}`);
        expect(call?.(first)).to.equal(undefined);
      };
    const manager = new RegionManager();
    const outcomes: Outcome[] = [];
    const attachment = await manager.attach({
      ...idle,
      checkMaps: noted('checkMaps', idle.checkMaps?.bind(idle)),
      mapDmaBatch: noted('mapDmaBatch', idle.mapDmaBatch?.bind(idle)),
      unmapDmaBatch: noted('unmapDmaBatch', idle.unmapDmaBatch?.bind(idle)),
    });
    attachment.outcomes$.subscribe((outcome) => outcomes.push(outcome));
    const region = await manager.addRegion({ name: 'ram', type: 'ram', range: MemoryRange.ofPages(0, 64) });
    await region.map({ writable: true });
    const mappable = new FakeMappable();
    const sets = [0, 2, 4].map((page): MappingParams => ({
      rangeInRegion: MemoryRange.ofPages(page, page + 1),
      backing: { mappable, fileOffset: 0n },
      writable: true,
    }));
    outcomes.length = 0;
    await manager.transaction((edit) => {
      for (const params of sets) {
        edit.addMapping(region, params);
      }
    });
    await manager.transaction((edit) => {
      for (const { rangeInRegion } of sets) {
        edit.removeMappings(region, rangeInRegion);
      }
    });
    expect(calls).to.deep.equal(['checkMaps 3', 'mapDmaBatch 3', 'unmapDmaBatch 3']);
    expect(outcomes.map(({ status }) => status)).to.deep.equal(['applied', 'applied']);
    await manager.close();
  });
});

describe('the questions of bench:kernel --instructions', () => {
  const ways = ['type1', 'iommufd by va', 'iommufd by file'];
  const shapes = ['4 KiB, one by one', '4 KiB, sets of 64', '2 MiB, sets of 64'];
  const samples = new Map<string, readonly number[]>([
    ...shapes.flatMap((shape) => [
      [`instructions/pipeline/${shape}`, [4000, 5000, 9000]] as const,
      [`instructions/pipeline by branch/${shape}`, [4100, 5100, 9090]] as const,
      [`instructions/pipeline caller/${shape}`, [1400, 1400, 1400]] as const,
    ]),
    ...ways.flatMap((way) => [
      [`instructions/${way}/attach`, [5000, 5000, 5000]] as const,
      [`instructions/${way}/attach/loop/alone`, [4000, 4000, 4000]] as const,
    ]),
    ...['run', 'addon', 'two', 'one'].map((what) => [`instructions/vcpu/${what}`, [20_000]] as const),
    ...ways.slice(0, 2).map((way) => [`instructions/${way} with AddressSpace/4 KiB, sets of 64`, [16_000]] as const),
    ...[...ways, 'kvm'].flatMap((way) =>
      shapes.flatMap((shape) => [
        [`instructions/${way}/${shape}`, [12_000, 12_000, 30_000]] as const,
        [`instructions/${way}/${shape}/loop/alone`, [6000, 6000, 6000]] as const,
        [`instructions/${way}/${shape}/loop/memory`, [8000, 8000, 8000]] as const,
      ]),
    ),
  ]);
  const figures = countedQuestions.flatMap((question) => [...question.figures(samples)]);
  const figure = (id: string): (typeof figures)[number] | undefined => figures.find((one) => one.id === id);

  it('give the median of a change, in instructions, beside the most that it may be', () => {
    const idle = figure('instructions/pipeline/4 KiB, sets of 64');
    expect(idle).to.include({ median: 5000, unit: 'instructions', atMost: 3500 });
  });

  it('give multiples of the C++ loops and of a target without a branch, and the most that they may be', () => {
    const limits = figures.filter(({ unit, atMost }) => unit === 'times' && atMost !== undefined);
    expect(Object.fromEntries(limits.map(({ id, atMost }) => [id, atMost]))).to.deep.equal({
      'instructions/pipeline by branch/4 KiB, one by one/ratio': 1.02,
      'instructions/pipeline by branch/4 KiB, sets of 64/ratio': 1.02,
      'instructions/type1/4 KiB, sets of 64/ratio-alone': 1.75,
      'instructions/type1/2 MiB, sets of 64/ratio-alone': 1.02,
      'instructions/type1/attach/ratio-alone': 1.3,
      'instructions/iommufd by va/4 KiB, sets of 64/ratio-alone': 1.75,
      'instructions/iommufd by va/2 MiB, sets of 64/ratio-alone': 1.02,
      'instructions/iommufd by va/attach/ratio-alone': 1.3,
      'instructions/iommufd by file/4 KiB, one by one/ratio-alone': 2.5,
      'instructions/iommufd by file/4 KiB, sets of 64/ratio-alone': 1.6,
      'instructions/iommufd by file/2 MiB, sets of 64/ratio-alone': 1.02,
      'instructions/iommufd by file/attach/ratio-alone': 1.3,
      'instructions/kvm/4 KiB, sets of 64/ratio-alone': 1.3,
    });
    expect(figure('instructions/type1/4 KiB, sets of 64/ratio-alone')?.median).to.equal(2);
    expect(figure('instructions/type1/attach/ratio-alone')?.median).to.equal(1.25);
  });

  it('compare AddressSpace with the loop that makes an mmap for each mapping, as it does', () => {
    const ratio = figure('instructions/type1 with AddressSpace/4 KiB, sets of 64/ratio-memory');
    expect(ratio?.median).to.equal(2);
    expect(figure('instructions/iommufd by file with AddressSpace/4 KiB, sets of 64')).to.equal(undefined);
  });

  it("show the caller's own objects as a baseline, and subtract them from nothing", () => {
    const caller = figure('instructions/pipeline caller/4 KiB, sets of 64');
    expect(caller).to.include({ median: 1400, unit: 'instructions', baseline: true });
    expect(figure('instructions/pipeline/4 KiB, sets of 64')?.median).to.equal(5000);
    expect(figure('instructions/pipeline by branch/4 KiB, sets of 64/ratio')?.median).to.equal(1.02);
  });

  it('give every figure an id of its own', () => {
    const ids = figures.map(({ id }) => id);
    expect(ids).to.deep.equal([...new Set(ids)]);
  });

  it('give every figure a name of its own, because a comparison shows those of all questions in one table', () => {
    const names = figures.map(({ name }) => name);
    expect(names).to.deep.equal([...new Set(names)]);
  });
});
