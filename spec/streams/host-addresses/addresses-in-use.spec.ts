import { expect } from 'chai';
import { map } from 'rxjs';
import {
  ensureMapped,
  fanOut,
  toTarget,
  type DmaError,
  type DmaMapError,
  type Region,
} from '../../../streams/index.js';
import type { RecordingTarget } from '../../../testing/index.js';
import { describeWithVaBatches } from '../../support/va-batches.js';
import { addRegion, gate, mapping, nextTurn, privateMapping, range, rejectionOf, texts } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

describeWithVaBatches('RegionManager: host addresses that a target may be using', (batches) => {
  let stage: Stage;
  let region: Region;

  beforeEach(async () => {
    stage = new Stage({ batches });
    region = await addRegion(stage.manager, 0x0, 0x10000);
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  describe('are not kept for a target that did not use them', () => {
    for (const [what, start, end] of [
      ['a part of a mapping that came later and failed', 0x4000, 0x5000],
      ['the very range of it', 0x0, 0x6000],
    ] as const) {
      it(`when ${what} is stuck at it`, async () => {
        await region.addMapping(mapping(start, end));
        await stage.leaveStuck('log', false);
        await region.removeMappings(range(start, end));
        const iommu = stage.target({ name: 'iommu', needsVa: true });
        await stage.manager.attach(iommu);
        iommu.failAll('map');
        expect(await rejectionOf(region.addMapping(mapping(0x0, 0x6000)))).to.include({ code: 'EIO', target: 'iommu' });
        expect(stage.va.held()).to.deep.equal([]);
        iommu.clearFailures();
        await region.addMapping(mapping(0x0, 0x4000));
        expect(texts(iommu.held())).to.deep.equal(['0x0-0x4000']);
      });
    }

    it('when the same mapping, without an address, is stuck at it', async () => {
      await region.addMapping(mapping(0x0, 0x4000));
      await stage.leaveStuck('log', false);
      const iommu = stage.target({ name: 'iommu', needsVa: true });
      await stage.manager.attach(iommu);
      await region.removeMappings(range(0x0, 0x4000));
      expect(stage.va.held()).to.deep.equal([]);
      await region.addMapping(mapping(0x0, 0x2000));
      expect(texts(iommu.held())).to.deep.equal(['0x0-0x2000']);
    });
  });

  describe('and are stuck', () => {
    const inWords = ({ stuck }: DmaMapError): string[] => stuck.map((at) => `${at.target} ${at.range.toString()}`);

    function expectNamesB(error: DmaError): void {
      expect(error).to.include({ name: 'DmaMapError', code: 'ERR_RANGE_STUCK', target: 'b' });
      expect(error.message).to.include('"b"').and.not.to.include('"a"').and.not.to.include('a target');
      expect(inWords(error as DmaMapError)).to.deep.equal(['b 0x0-0x3000']);
    }

    describe('at the second of two targets, whose detach failed', () => {
      let b: RecordingTarget;

      beforeEach(async () => {
        await region.addMapping(mapping(0x0, 0x3000));
        b = await stage.leaveStuck('b', true);
        await region.removeMappings(range(0x0, 0x3000));
      });

      it('are named with the target and the range in the error of a map', async () => {
        await stage.manager.attach(stage.target({ name: 'a', needsVa: true }));
        expectNamesB((await rejectionOf(region.addMapping(mapping(0x1000, 0x2000)))) as unknown as DmaError);
      });

      it('are named so when private memory cannot be made', async () => {
        await stage.manager.attach(stage.target({ name: 'a', needsVa: true }));
        expectNamesB((await rejectionOf(region.addMapping(privateMapping(0x2000, 0x4000)))) as unknown as DmaError);
      });

      it('are named so in the error of an attach', async () => {
        await region.addMapping(mapping(0x1000, 0x2000));
        const a = stage.target({ name: 'a', needsVa: true });
        expectNamesB((await rejectionOf(stage.manager.attach(a))) as unknown as DmaError);
        b.clearFailures();
        await stage.manager.attach(a);
      });

      it('are named so behind fanOut', async () => {
        const [a, c] = ['a', 'c'].map((name) => toTarget(stage.target({ name }))) as [
          ReturnType<typeof toTarget>,
          ReturnType<typeof toTarget>,
        ];
        await stage.manager.attach(fanOut(a, (changes$) => changes$.pipe(ensureMapped(stage.va), c)));
        expectNamesB((await rejectionOf(region.addMapping(mapping(0x1000, 0x2000)))) as unknown as DmaError);
      });
    });

    it('at an attached target are named so as well', async () => {
      await stage.manager.attach(stage.target({ name: 'a' }));
      const b = stage.target({ name: 'b' });
      await stage.manager.attach(b);
      await region.addMapping(mapping(0x0, 0x3000));
      b.failAll('unmap');
      await rejectionOf(region.removeMappings(range(0x0, 0x3000)));
      expectNamesB((await rejectionOf(region.addMapping(mapping(0x1000, 0x2000)))) as unknown as DmaError);
    });
  });

  it('of a mapping that a branch has modified are reported as in use, and not as stuck', async () => {
    await stage.manager.attach(stage.target({ name: 'a', needsVa: true }));
    const readOnly = stage.target({ name: 'read-only', needsVa: true });
    await stage.manager.attach((changes$) =>
      changes$.pipe(
        map((set) => ({ ...set, maps: set.maps.map((one) => ({ ...one, writable: false })) })),
        ensureMapped(stage.va),
        toTarget(readOnly),
      ),
    );
    const error = await rejectionOf(region.addMapping(mapping(0x0, 0x1000)));
    expect(error).to.include({ name: 'DmaMapError', code: 'ERR_VA_IN_USE' });
    expect(error.hint).to.include('ensureMapped()');
  });
});

describe('RegionManager: host addresses of an aborted attach', () => {
  let stage: Stage;
  let region: Region;
  let slow: RecordingTarget;
  let call: ReturnType<typeof gate>;

  beforeEach(async () => {
    stage = new Stage({ batches: 'async' });
    region = await addRegion(stage.manager, 0x0, 0x10000);
    await region.addMapping(mapping(0x0, 0x1000));
    call = gate();
    slow = stage.target({ name: 'slow', needsVa: true, reply: () => call.opened });
    const abort = new AbortController();
    const attaching = rejectionOf(stage.manager.attach(slow, { signal: abort.signal }));
    await nextTurn();
    abort.abort();
    await attaching;
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  it('are those of the maps that were delivered, and no others', async () => {
    const other = stage.target({ name: 'other', needsVa: true });
    await stage.manager.attach(other);
    await region.addMapping(mapping(0x4000, 0x6000));
    await region.removeMappings(range(0x0, 0x10000));
    expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000']);
    await region.addMapping(mapping(0x5000, 0x7000));
    expect(texts(other.held())).to.deep.equal(['0x5000-0x7000']);
    call.open();
    await nextTurn();
    await nextTurn();
    expect(texts(stage.va.held())).to.deep.equal(['0x5000-0x7000']);
  });

  it('cannot be used for another mapping, whose error names the target', async () => {
    await stage.manager.attach(stage.target({ name: 'other', needsVa: true }));
    await region.removeMappings(range(0x0, 0x1000));
    const error = await rejectionOf(region.addMapping(mapping(0x0, 0x2000)));
    expect(error).to.include({ name: 'DmaMapError', code: 'ERR_TARGET_PENDING', target: 'slow', region: 'ram' });
    expect(error.message).to.include('"slow"').and.include('0x0-0x1000');
    call.open();
    await nextTurn();
    await nextTurn();
    await region.addMapping(mapping(0x0, 0x2000));
  });

  it('are kept until the call that has completed is undone', async () => {
    const turn = gate();
    let isSlow = false;
    const other = stage.target({ name: 'other', reply: () => (isSlow ? turn.opened : Promise.resolve()) });
    await stage.manager.attach(other);
    isSlow = true;
    stage.takeJournal();
    const removed = region.removeMappings(range(0x0, 0x1000));
    call.open();
    await nextTurn();
    turn.open();
    await removed;
    await nextTurn();
    await nextTurn();
    expect(stage.takeJournal()).to.deep.equal([
      'other: unmap 0x0-0x1000',
      'slow: unmap 0x0-0x1000',
      'va: release 0x0-0x1000',
    ]);
  });
});
