import { expect } from 'chai';
import type { RecordingTarget } from '../../../testing/index.js';
import { addRegion, ledgerOf, mapping, range, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

describe('RegionManager: visibility', () => {
  let stage: Stage;
  let target: RecordingTarget;

  beforeEach(async () => {
    stage = new Stage();
    target = stage.target();
    await stage.manager.attach(target);
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  describe('hiding a region', () => {
    const mappings = [mapping(0x0, 0x4000), mapping(0x8000, 0xc000)];

    it('is one unmap of the whole region', async () => {
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings });
      target.takeCalls();
      await region.unmap();
      expect(target.calls).to.deep.equal(['unmap 0x0-0x10000']);
    });

    it('is two unmaps at a target of shape `exact`', async () => {
      const exact = stage.target({ name: 'exact', unmapShape: 'exact' });
      await stage.manager.attach(exact);
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings });
      exact.takeCalls();
      await region.unmap();
      expect(exact.calls).to.deep.equal(['unmap 0x0-0x4000', 'unmap 0x8000-0xc000']);
    });

    it('by removal is also one unmap of the whole region', async () => {
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings });
      target.takeCalls();
      await region.remove();
      expect(target.calls).to.deep.equal(['unmap 0x0-0x10000']);
    });

    it('causes no call if it has no mappings or is hidden already', async () => {
      const empty = await addRegion(stage.manager, 0x0, 0x10000);
      await empty.unmap();
      await empty.unmap();
      await empty.remove();
      expect(target.calls).to.deep.equal([]);
    });
  });

  describe('an invisible region', () => {
    it('causes no call when a target is attached', async () => {
      await addRegion(stage.manager, 0x0, 0x10000, { shown: 'hidden', mappings: [mapping(0x0, 0x4000)] });
      const late = stage.target({ name: 'late' });
      const attachment = await stage.manager.attach(late);
      expect(late.calls).to.deep.equal([]);
      expect(attachment.ledger()).to.deep.equal([]);
    });

    it('causes no call when a mapping is added to it, or removed, or when it is removed', async () => {
      const region = await addRegion(stage.manager, 0x0, 0x10000, { shown: 'hidden' });
      await region.addMapping(mapping(0x0, 0x4000));
      await region.removeMappings(range(0x0, 0x4000));
      await region.addMapping(mapping(0x0, 0x4000));
      await region.remove();
      expect(target.calls).to.deep.equal([]);
      expect(stage.manager.snapshot().generation).to.equal(0);
    });
  });

  describe('writable', () => {
    for (const [ofRegion, ofMapping, effective] of [
      [true, true, 'rw'],
      [true, false, 'ro'],
      [false, true, 'ro'],
      [false, false, 'ro'],
    ] as const) {
      it(`is ${effective} when the region is ${ofRegion ? 'rw' : 'ro'} and the mapping ${ofMapping ? 'rw' : 'ro'}`, async () => {
        await addRegion(stage.manager, 0x0, 0x10000, {
          shown: ofRegion ? 'writable' : 'read-only',
          mappings: [mapping(0x0, 0x4000, { writable: ofMapping })],
        });
        expect(target.calls).to.deep.equal([`map 0x0-0x4000 ${effective}`]);
        expect(viewOf(stage.manager)).to.deep.equal([`0x0-0x4000 ${effective}`]);
      });
    }

    it('is applied also to mappings that are added later', async () => {
      const region = await addRegion(stage.manager, 0x0, 0x10000, { shown: 'read-only' });
      await region.addMapping(mapping(0x0, 0x4000));
      expect(target.calls).to.deep.equal(['map 0x0-0x4000 ro']);
    });

    it('causes no call if the region is mapped again with the same parameters', async () => {
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x4000)] });
      target.takeCalls();
      const { generation } = stage.manager.snapshot();
      await region.map({ writable: true });
      await region.map({ writable: true, executable: false, prefetch: false });
      expect(target.calls).to.deep.equal([]);
      expect(stage.manager.snapshot().generation).to.equal(generation);
    });

    it('causes no call if only `executable` and `prefetch` change', async () => {
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x4000)] });
      target.takeCalls();
      await region.map({ writable: true, executable: true, prefetch: true });
      expect(target.calls).to.deep.equal([]);
    });

    it('changed from true to false on an active region, causes an unmap and then a read-only map', async () => {
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x4000)] });
      target.takeCalls();
      await region.map({ writable: false });
      expect(target.calls).to.deep.equal(['unmap 0x0-0x4000', 'map 0x0-0x4000 ro']);
    });

    it('changed on a region, does not affect mappings that are read-only', async () => {
      const region = await addRegion(stage.manager, 0x0, 0x10000, {
        mappings: [
          mapping(0x0, 0x1000, { writable: false }),
          mapping(0x1000, 0x2000),
          mapping(0x2000, 0x3000, { writable: false }),
        ],
      });
      target.takeCalls();
      await region.map({ writable: false });
      expect(target.takeCalls()).to.deep.equal(['unmap 0x1000-0x2000', 'map 0x1000-0x2000 ro']);
      await region.map({ writable: true });
      expect(target.takeCalls()).to.deep.equal(['unmap 0x1000-0x2000', 'map 0x1000-0x2000 rw']);
    });
  });

  describe('covering', () => {
    it('unmaps the covered region and maps the covering one, until that is hidden', async () => {
      const low = await addRegion(stage.manager, 0x0, 0x4000, { name: 'low', mappings: [mapping(0x0, 0x2000)] });
      const high = await addRegion(stage.manager, 0x0, 0x10000, {
        name: 'high',
        priority: 1,
        shown: 'hidden',
        mappings: [mapping(0x1000, 0x3000, { fileOffset: 0x100000n })],
      });
      expect([low.active, high.active]).to.deep.equal([true, false]);
      target.takeCalls();

      await high.map({ writable: true });
      expect(target.takeCalls()).to.deep.equal(['unmap 0x0-0x4000', 'map 0x1000-0x3000 rw']);
      expect([low.active, high.active]).to.deep.equal([false, true]);

      await high.unmap();
      expect(target.takeCalls()).to.deep.equal(['unmap 0x0-0x10000', 'map 0x0-0x2000 rw']);
      expect([low.active, high.active]).to.deep.equal([true, false]);
    });

    it('affects every region of lower priority, until the covering region is removed', async () => {
      for (const start of [0x0, 0x4000, 0x8000]) {
        await addRegion(stage.manager, start, start + 0x4000, { mappings: [mapping(0x0, 0x1000)] });
      }
      target.takeCalls();
      const cover = await addRegion(stage.manager, 0x0, 0x10000, { priority: 7 });
      expect(target.takeCalls()).to.deep.equal(
        ['unmap 0x8000-0xc000', 'unmap 0x4000-0x8000', 'unmap 0x0-0x4000'].reverse(),
      );
      expect(viewOf(stage.manager)).to.deep.equal([]);
      await cover.remove();
      expect(target.takeCalls()).to.deep.equal(['map 0x0-0x1000 rw', 'map 0x4000-0x5000 rw', 'map 0x8000-0x9000 rw']);
    });

    it('affects all but the first of equal regions; if that is hidden, the second becomes active', async () => {
      const regions = [];
      for (const [index, name] of ['first', 'second', 'third'].entries()) {
        const mappings = [mapping(0x0, 0x1000 * (index + 1))];
        regions.push(await addRegion(stage.manager, 0x0, 0x4000, { name, mappings }));
      }
      const [first, second, third] = regions;
      expect(regions.map(({ active }) => active)).to.deep.equal([true, false, false]);
      await first?.unmap();
      expect(regions.map(({ active }) => active)).to.deep.equal([false, true, false]);
      await second?.remove();
      expect(regions.map(({ active }) => active)).to.deep.equal([false, false, true]);
      await first?.map({ writable: true });
      expect(regions.map(({ active }) => active)).to.deep.equal([true, false, false]);
      await third?.unmap();
      expect(target.calls).to.deep.equal([
        'map 0x0-0x1000 rw',
        'unmap 0x0-0x4000',
        'map 0x0-0x2000 rw',
        'unmap 0x0-0x4000',
        'map 0x0-0x3000 rw',
        'unmap 0x0-0x4000',
        'map 0x0-0x1000 rw',
      ]);
    });

    it('ends only for the visible region that is next in priority', async () => {
      const stack = [];
      for (const priority of [0, 1, 2, 3]) {
        const options = {
          name: `${priority}`,
          priority,
          mappings: [mapping(0x0, 0x1000, { fileOffset: BigInt(priority) << 12n })],
        };
        stack.push(await addRegion(stage.manager, 0x0, 0x4000, options));
      }
      await stack[2]?.unmap();
      expect(stack.map(({ active }) => active)).to.deep.equal([false, false, false, true]);
      await stack[3]?.unmap();
      expect(stack.map(({ active }) => active)).to.deep.equal([false, true, false, false]);
      await stack[1]?.unmap();
      expect(stack.map(({ active }) => active)).to.deep.equal([true, false, false, false]);
    });

    it('allows the covered region to be filled, hidden and removed without a call', async () => {
      const covered = await addRegion(stage.manager, 0x0, 0x4000);
      await addRegion(stage.manager, 0x0, 0x10000, { priority: 1 });
      await covered.addMapping(mapping(0x0, 0x1000));
      await covered.map({ writable: false });
      await covered.removeMappings(range(0x0, 0x1000));
      await covered.addMapping(mapping(0x1000, 0x2000));
      await covered.unmap();
      await covered.remove();
      expect(target.calls).to.deep.equal([]);
    });

    it('causes no call for a mapping that both regions have', async () => {
      await addRegion(stage.manager, 0x0, 0x4000, {
        name: 'low',
        mappings: [mapping(0x0, 0x1000), mapping(0x1000, 0x2000)],
      });
      target.takeCalls();
      await addRegion(stage.manager, 0x0, 0x10000, { name: 'high', priority: 1, mappings: [mapping(0x1000, 0x2000)] });
      expect(target.takeCalls()).to.deep.equal(['unmap 0x0-0x1000']);
    });
  });

  it('keeps the ledger equal to the view at all times', async () => {
    const [attachment] = stage.manager.attachments;
    const low = await addRegion(stage.manager, 0x0, 0x8000, {
      mappings: [mapping(0x0, 0x1000), mapping(0x4000, 0x8000)],
    });
    const high = await addRegion(stage.manager, 0x0, 0x10000, { priority: 1, mappings: [mapping(0x0, 0x9000)] });
    for (const command of [
      () => high.unmap(),
      () => low.map({ writable: false }),
      () => high.map({ writable: true }),
      () => low.remove(),
      () => high.remove(),
    ]) {
      await command();
      expect(attachment === undefined ? undefined : ledgerOf(attachment)).to.deep.equal(viewOf(stage.manager));
    }
  });
});
