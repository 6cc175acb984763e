import { expect } from 'chai';
import type { ChangeSet, Region, RegionEdit, RegionEvent } from '../../../streams/index.js';
import type { RecordingTarget } from '../../../testing/index.js';
import { addRegion, mapping, privateMapping, range, rejectionOf, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

describe('RegionManager: transactions', () => {
  let stage: Stage;
  let target: RecordingTarget;

  beforeEach(async () => {
    stage = new Stage();
    target = stage.target({ needsVa: true });
    await stage.manager.attach(target);
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  describe('one change set', () => {
    it('that deletes A(0..1000) and adds B(0..1000) makes the target unmap, then map', async () => {
      const a = await addRegion(stage.manager, 0x0, 0x1000, { name: 'A', mappings: [mapping(0x0, 0x1000)] });
      target.takeCalls();
      await stage.manager.transaction((edit) => {
        edit.removeRegion(a);
        const b = edit.addRegion({ name: 'B', range: range(0x0, 0x1000), type: 'ram' });
        edit.addMapping(b, mapping(0x0, 0x1000, { fileOffset: 0x5000n }));
        edit.map(b, { writable: true });
      });
      expect(target.calls).to.deep.equal(['unmap 0x0-0x1000', 'map 0x0-0x1000 rw']);
    });

    it('that deletes and adds the same mapping makes no call', async () => {
      const region = await addRegion(stage.manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000)] });
      stage.takeJournal();
      const { generation } = stage.manager.snapshot();
      await stage.manager.transaction((edit) => {
        edit.removeMappings(region, range(0x0, 0x1000));
        edit.addMapping(region, mapping(0x0, 0x1000));
      });
      expect(stage.journal).to.deep.equal([]);
      expect(stage.manager.snapshot().generation).to.equal(generation);
    });

    it('that deletes a region and adds another with the same mapping makes no call, whatever their names', async () => {
      const a = await addRegion(stage.manager, 0x0, 0x1000, { name: 'A', mappings: [mapping(0x0, 0x1000)] });
      stage.takeJournal();
      await stage.manager.transaction((edit) => {
        edit.removeRegion(a);
        const b = edit.addRegion({ name: 'B', range: range(0x0, 0x2000), type: 'ram' });
        edit.addMapping(b, mapping(0x0, 0x1000));
        edit.map(b, { writable: true, executable: true });
      });
      expect(stage.journal).to.deep.equal([]);
      expect(stage.manager.snapshot().mappings[0]?.region).to.equal('B');
    });

    it('that moves a mapping away and back makes no call', async () => {
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      stage.takeJournal();
      await stage.manager.transaction((edit) => {
        edit.removeMappings(region, range(0x0, 0x1000));
        edit.addMapping(region, mapping(0x4000, 0x5000, { fileOffset: 0n }));
        edit.removeMappings(region, range(0x4000, 0x5000));
        edit.addMapping(region, mapping(0x0, 0x1000));
        edit.unmap(region);
        edit.map(region, { writable: false });
        edit.map(region, { writable: true });
      });
      expect(stage.journal).to.deep.equal([]);
    });

    for (const [what, change] of [
      ['another file offset', { fileOffset: 0x1000n }],
      ['another writable', { writable: false }],
      ['another file', { mappable: { fd: 3, label: 'file' } }],
    ] as const) {
      it(`that gives a mapping ${what} makes the target unmap, then map`, async () => {
        const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
        target.takeCalls();
        await stage.manager.transaction((edit) => {
          edit.removeMappings(region, range(0x0, 0x1000));
          edit.addMapping(region, mapping(0x0, 0x1000, change));
        });
        expect(target.calls.map((call) => call.split(' ')[0])).to.deep.equal(['unmap', 'map']);
      });
    }

    it('that changes the type or the length of a mapping makes the target unmap, then map', async () => {
      const a = await addRegion(stage.manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x4000)],
      });
      target.takeCalls();
      await stage.manager.transaction((edit) => {
        edit.removeMappings(a, range(0x2000, 0x4000));
        edit.addMapping(a, mapping(0x2000, 0x3000));
      });
      expect(target.takeCalls()).to.deep.equal(['unmap 0x2000-0x4000', 'map 0x2000-0x3000 rw']);
      await stage.manager.transaction((edit) => {
        edit.removeRegion(a);
        const b = edit.addRegion({ name: 'bar', range: range(0x0, 0x10000), type: 'device' });
        edit.addMapping(b, mapping(0x0, 0x1000));
        edit.map(b, { writable: true });
      });
      expect(target.takeCalls()).to.deep.equal(['unmap 0x0-0x10000', 'map 0x0-0x1000 rw']);
    });

    it('puts every unmap before every map, whatever the order of the edits', async () => {
      const regions: Region[] = [];
      for (const start of [0x0, 0x10000, 0x20000]) {
        regions.push(await addRegion(stage.manager, start, start + 0x10000, { mappings: [mapping(0x0, 0x1000)] }));
      }
      target.takeCalls();
      await stage.manager.transaction((edit) => {
        for (const region of regions) {
          edit.addMapping(region, mapping(0x4000, 0x5000));
          edit.removeMappings(region, range(0x0, 0x1000));
        }
      });
      expect(target.calls).to.deep.equal([
        'unmap 0x0-0x1000',
        'unmap 0x10000-0x11000',
        'unmap 0x20000-0x21000',
        'map 0x4000-0x5000 rw',
        'map 0x14000-0x15000 rw',
        'map 0x24000-0x25000 rw',
      ]);
    });

    it('is made by all functions that are given the same `edit`', async () => {
      const { manager } = stage;
      const sets: ChangeSet[] = [];
      manager.changes().subscribe((set) => sets.push(set));
      const addRam = (edit: RegionEdit, name: string, start: number): Region => {
        const region = edit.addRegion({ name, range: range(start, start + 0x10000), type: 'ram' });
        edit.addMapping(region, mapping(0x0, 0x1000));
        edit.map(region, { writable: true });
        return region;
      };
      const addBoth = (edit: RegionEdit): readonly Region[] => [
        addRam(edit, 'low', 0x0),
        addRam(edit, 'high', 0x10000),
      ];
      await manager.transaction(addBoth);
      expect(sets).to.have.length(2);
      expect(sets[1]?.generation).to.equal(1);
      expect(sets[1]?.maps.map(({ region }) => region)).to.deep.equal(['low', 'high']);
    });

    it('resolves with what the work returns, including regions', async () => {
      const region = await stage.manager.transaction((edit) =>
        edit.addRegion({ name: 'ram', range: range(0x0, 0x1000), type: 'ram' }),
      );
      await region.addMapping(mapping(0x0, 0x1000));
      await region.map({ writable: true });
      expect(region.active).to.equal(true);
      expect(await stage.manager.transaction(() => 42)).to.equal(42);
    });
  });

  describe('each edit', () => {
    it('is checked against the result of the edits before it', async () => {
      const region = await addRegion(stage.manager, 0x0, 0x4000, { mappings: [mapping(0x0, 0x1000)] });
      await stage.manager.transaction((edit) => {
        expect(() => {
          edit.addMapping(region, mapping(0x0, 0x2000));
        }).to.throw('overlaps');
        edit.removeMappings(region, range(0x0, 0x1000));
        edit.addMapping(region, mapping(0x0, 0x2000));
        edit.removeRegion(region);
        expect(() => {
          edit.map(region, { writable: true });
        }).to.throw('removed');
        edit.addRegion({ name: 'next', range: range(0x2000, 0x6000), type: 'ram' });
      });
      expect(viewOf(stage.manager)).to.deep.equal([]);
    });

    it('that is refused and caught has no effect, and the others take effect', async () => {
      const region = await addRegion(stage.manager, 0x0, 0x4000, { mappings: [mapping(0x0, 0x1000)] });
      target.takeCalls();
      await stage.manager.transaction((edit) => {
        expect(() => {
          edit.removeMappings(region, range(0x0, 0x1000));
          edit.addMapping(region, mapping(0x3000, 0x5000));
        }).to.throw('is not inside region');
        expect(() => edit.addRegion({ name: 'x', range: range(0x3000, 0x5000), type: 'ram' })).to.throw('overlaps');
      });
      expect(target.calls).to.deep.equal(['unmap 0x0-0x1000']);
      await stage.manager.addRegion({ name: 'y', range: range(0x4000, 0x5000), type: 'ram' });
    });

    it('is emitted on events$ after the whole transaction, in order', async () => {
      const events: RegionEvent[] = [];
      stage.manager.events$.subscribe((event) => events.push(event));
      await stage.manager.transaction((edit) => {
        const region = edit.addRegion({ name: 'ram', range: range(0x0, 0x1000), type: 'ram' });
        edit.map(region, { writable: true });
        edit.addMapping(region, mapping(0x0, 0x1000));
        expect(events).to.deep.equal([]);
      });
      expect(events.map(({ kind }) => kind)).to.deep.equal(['region-added', 'region-mapped', 'mapping-added']);
    });

    it('is not visible before the transaction has taken effect', async () => {
      const region = await addRegion(stage.manager, 0x0, 0x4000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x1000, 0x2000)],
      });
      const before = viewOf(stage.manager);
      await stage.manager.transaction((edit) => {
        edit.removeMappings(region, range(0x0, 0x1000));
        edit.addMapping(region, mapping(0x2000, 0x3000));
        expect(viewOf(stage.manager)).to.deep.equal(before);
        edit.map(region, { writable: false });
        expect(viewOf(stage.manager)).to.deep.equal(before);
        edit.removeRegion(region);
        edit.addRegion({ name: 'next', range: range(0x0, 0x10000), type: 'ram' });
        expect(viewOf(stage.manager)).to.deep.equal(before);
        expect(region.active).to.equal(true);
      });
      expect(viewOf(stage.manager)).to.deep.equal([]);
    });
  });

  describe('work that throws', () => {
    it('makes no call, and changes nothing', async () => {
      const { manager } = stage;
      const hidden = await addRegion(manager, 0x20000, 0x30000, { shown: 'hidden', mappings: [mapping(0x0, 0x1000)] });
      const region = await addRegion(manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), privateMapping(0x1000, 0x2000)],
      });
      const before = manager.snapshot();
      const events: RegionEvent[] = [];
      manager.events$.subscribe((event) => events.push(event));
      stage.takeJournal();
      const boom = new Error('boom');
      const error = await rejectionOf(
        manager.transaction((edit) => {
          edit.addRegion({ name: 'new', range: range(0x40000, 0x50000), type: 'ram' });
          edit.addMapping(region, mapping(0x4000, 0x5000));
          edit.addMapping(region, privateMapping(0x5000, 0x6000));
          edit.removeMappings(region, range(0x0, 0x2000));
          edit.map(region, { writable: false });
          edit.unmap(region);
          edit.map(hidden, { writable: true });
          edit.removeRegion(hidden);
          edit.removeRegion(region);
          edit.addRegion({ name: 'over it', range: range(0x0, 0x30000), priority: 1, type: 'ram' });
          throw boom;
        }),
      );
      expect(error).to.equal(boom);
      expect(stage.journal).to.deep.equal([]);
      expect(events).to.deep.equal([]);
      expect(manager.snapshot()).to.deep.equal(before);
      expect([region.active, hidden.active]).to.deep.equal([true, false]);
      await hidden.map({ writable: true });
      await region.addMapping(mapping(0x4000, 0x5000));
      expect(viewOf(manager)).to.deep.equal([
        '0x0-0x1000 rw',
        '0x1000-0x2000 rw',
        '0x4000-0x5000 rw',
        '0x20000-0x21000 rw',
      ]);
      await manager.addRegion({ name: 'again', range: range(0x40000, 0x50000), type: 'ram' });
    });

    it('makes the promise reject with what it threw, even if that is no error', async () => {
      let reason: unknown;
      await stage.manager
        .transaction(() => {
          throw 'a string';
        })
        .catch((error: unknown) => {
          reason = error;
        });
      expect(reason).to.equal('a string');
    });

    it('does not change the order in which equal regions were added', async () => {
      const [first, second] = [
        await addRegion(stage.manager, 0x0, 0x4000, { name: 'first' }),
        await addRegion(stage.manager, 0x0, 0x4000, { name: 'second' }),
      ];
      await rejectionOf(
        stage.manager.transaction((edit) => {
          edit.removeRegion(first);
          throw new Error('boom');
        }),
      );
      expect([first.active, second.active]).to.deep.equal([true, false]);
      await first.map({ writable: false });
      expect([first.active, second.active]).to.deep.equal([true, false]);
    });
  });

  describe('misuse', () => {
    it('of an edit after the end is refused for each method, and changes nothing', async () => {
      const region = await addRegion(stage.manager, 0x0, 0x4000, { mappings: [mapping(0x0, 0x1000)] });
      let kept: RegionEdit | undefined;
      await stage.manager.transaction((edit) => {
        kept = edit;
      });
      const late = kept as unknown as RegionEdit;
      for (const edit of [
        () => late.addRegion({ name: 'x', range: range(0x10000, 0x11000), type: 'ram' }),
        () => late.removeRegion(region),
        () => late.map(region, { writable: false }),
        () => late.unmap(region),
        () => late.addMapping(region, mapping(0x1000, 0x2000)),
        () => late.removeMappings(region, range(0x0, 0x1000)),
      ]) {
        expect(edit).to.throw().with.property('code', 'ERR_TRANSACTION_ENDED');
      }
      expect(viewOf(stage.manager)).to.deep.equal(['0x0-0x1000 rw']);
    });

    it('by asynchronous work is refused, and its edits are undone', async () => {
      const region = await addRegion(stage.manager, 0x0, 0x4000);
      let late: Error | undefined;
      const error = await rejectionOf(
        stage.manager.transaction(async (edit) => {
          edit.addMapping(region, mapping(0x0, 0x1000));
          await Promise.resolve();
          try {
            edit.addMapping(region, mapping(0x1000, 0x2000));
          } catch (thrown) {
            late = thrown as Error;
            throw thrown;
          }
        }),
      );
      expect(error).to.be.instanceOf(TypeError);
      expect(error.message).to.include('synchronous');
      expect(late).to.include({ code: 'ERR_TRANSACTION_ENDED' });
      expect(target.calls).to.deep.equal([]);
      expect(viewOf(stage.manager)).to.deep.equal([]);
    });

    it('by work that is not a function is refused', async () => {
      for (const work of [7, undefined]) {
        const error = await rejectionOf(stage.manager.transaction(work as never));
        expect(error).to.be.instanceOf(TypeError);
        expect(error.message).to.equal(`the work of a transaction must be a function, not ${work}`);
      }
      await addRegion(stage.manager, 0x0, 0x4000);
    });

    it('by a transaction inside a transaction is queued after it', async () => {
      const order: string[] = [];
      let inner: Promise<void> | undefined;
      await stage.manager.transaction(() => {
        inner = stage.manager.transaction(() => {
          order.push('inner');
        });
        order.push('outer');
      });
      await inner;
      expect(order).to.deep.equal(['outer', 'inner']);
    });
  });

  it('of ten thousand mappings are one change set', async () => {
    const { manager } = new Stage();
    const sizes: number[] = [];
    manager.changes().subscribe(({ maps }) => sizes.push(maps.length));
    await manager.transaction((edit) => {
      const region = edit.addRegion({ name: 'ram', range: range(0x0, 0x10000000), type: 'ram' });
      edit.map(region, { writable: true });
      for (let page = 0; page < 20_000; page += 2) {
        edit.addMapping(region, mapping(page * 4096, (page + 1) * 4096));
      }
    });
    expect(sizes).to.deep.equal([0, 10_000]);
  });
});
