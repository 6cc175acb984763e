import { expect } from 'chai';
import type { ChangeSet, Region, ShareableRegion } from '../../../streams/index.js';
import { FakeMappable } from '../../../testing/index.js';
import { addRegion, FILE, mapping, privateMapping, range, rejectionOf, texts, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';
import { uncaughtIn } from '../support/uncaught.js';

describe('RegionManager: streams', () => {
  let stage: Stage;
  let region: Region;

  beforeEach(async () => {
    stage = new Stage();
    region = await addRegion(stage.manager, 0x0, 0x10000);
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  describe('changes()', () => {
    it('gives a late subscriber one snapshot change set, then every later one, generations without a gap', async () => {
      const { manager } = stage;
      await region.addMapping(mapping(0x2000, 0x3000));
      await region.addMapping(mapping(0x0, 0x1000));
      const sets: ChangeSet[] = [];
      manager.changes().subscribe((set) => sets.push(set));
      expect(sets.map(({ generation, snapshot }) => [generation, snapshot])).to.deep.equal([[2, true]]);
      expect(texts(sets[0]?.maps.map((map) => map.range) ?? [])).to.deep.equal(['0x0-0x1000', '0x2000-0x3000']);
      expect(sets[0]?.unmaps).to.deep.equal([]);
      await region.addMapping(mapping(0x4000, 0x5000));
      await region.removeMappings(range(0x0, 0x1000));
      expect(sets.slice(1).map(({ generation, snapshot }) => [generation, snapshot])).to.deep.equal([
        [3, false],
        [4, false],
      ]);
    });

    it('gives each subscriber a snapshot of its own', async () => {
      const changes$ = stage.manager.changes();
      const generations: number[][] = [];
      for (let count = 0; count < 3; count++) {
        const mine: number[] = [];
        generations.push(mine);
        changes$.subscribe(({ generation }) => mine.push(generation));
        await region.addMapping(mapping(count * 0x1000, (count + 1) * 0x1000));
      }
      expect(generations).to.deep.equal([
        [0, 1, 2, 3],
        [1, 2, 3],
        [2, 3],
      ]);
    });

    it('shows a subscriber that subscribes during the delivery of a change set that set once, in its snapshot', async () => {
      const { manager } = stage;
      const seen: string[] = [];
      const comeLate = (): void => {
        manager
          .changes()
          .subscribe(({ generation, snapshot }) => seen.push(`${generation}${snapshot ? ' snapshot' : ''}`));
      };
      manager.changes().subscribe((set) => {
        if (set.generation === 1) {
          comeLate();
        }
      });
      await region.addMapping(mapping(0x0, 0x1000));
      await region.addMapping(mapping(0x1000, 0x2000));
      expect(seen).to.deep.equal(['1 snapshot', '2']);
    });

    it('shows a subscriber that subscribes between the effect of a command and its change set that change once', async () => {
      const seen: string[] = [];
      let subscribed = false;
      stage.manager.events$.subscribe(({ kind }) => {
        if (kind === 'mapping-added' && !subscribed) {
          subscribed = true;
          stage.manager.changes().subscribe(({ generation, snapshot, maps }) => {
            seen.push(`${snapshot ? 'snapshot ' : ''}${generation}: ${texts(maps.map((one) => one.range)).join()}`);
          });
        }
      });
      await region.addMapping(mapping(0x0, 0x1000));
      await region.addMapping(mapping(0x1000, 0x2000));
      expect(seen).to.deep.equal(['snapshot 1: 0x0-0x1000', '2: 0x1000-0x2000']);
    });

    it('shows a subscriber that subscribes while a command waits for its targets the state before, then the change', async () => {
      const { manager } = stage;
      await manager.attach(stage.target({ reply: 'async' }));
      await region.addMapping(mapping(0x0, 0x1000));
      const sets: ChangeSet[] = [];
      const command = manager.transaction((edit) => {
        edit.removeMappings(region, range(0x0, 0x1000));
        edit.addMapping(region, mapping(0x1000, 0x2000));
        edit.map(region, { writable: false });
      });
      manager.changes().subscribe((set) => sets.push(set));
      await command;
      expect(sets.map(({ generation, unmaps, maps }) => [generation, unmaps.length, viewLike(maps)])).to.deep.equal([
        [1, 0, ['0x0-0x1000 rw']],
        [2, 1, ['0x1000-0x2000 ro']],
      ]);
    });

    it('lists unmaps before maps, both ascending, and shows both steps as one change set', async () => {
      await region.addMapping(mapping(0x8000, 0x9000));
      await region.addMapping(mapping(0x2000, 0x3000));
      const sets: ChangeSet[] = [];
      stage.manager.changes().subscribe((set) => sets.push(set));
      await stage.manager.transaction((edit) => {
        edit.addMapping(region, mapping(0x6000, 0x7000));
        edit.removeMappings(region, range(0x8000, 0x9000));
        edit.addMapping(region, mapping(0x4000, 0x5000));
        edit.removeMappings(region, range(0x2000, 0x3000));
      });
      expect(sets).to.have.length(2);
      expect(texts(sets[1]?.unmaps.map((unmap) => unmap.range) ?? [])).to.deep.equal([
        '0x2000-0x3000',
        '0x8000-0x9000',
      ]);
      expect(texts(sets[1]?.maps.map((map) => map.range) ?? [])).to.deep.equal(['0x4000-0x5000', '0x6000-0x7000']);
    });

    it('uses no generation for a command that changes no active mapping', async () => {
      const sets: ChangeSet[] = [];
      stage.manager.changes().subscribe((set) => sets.push(set));
      const hidden = await addRegion(stage.manager, 0x20000, 0x30000, {
        shown: 'hidden',
        mappings: [mapping(0x0, 0x1000)],
      });
      await hidden.remove();
      await region.map({ writable: true, executable: true });
      await rejectionOf(region.addMapping(mapping(0x20000, 0x21000)));
      expect(sets).to.have.length(1);
      expect(stage.manager.snapshot().generation).to.equal(0);
    });

    it('makes no call at any target, and works without one', async () => {
      const target = stage.target();
      await stage.manager.attach(target);
      await region.addMapping(mapping(0x0, 0x1000));
      target.takeCalls();
      stage.manager.changes().subscribe();
      expect(target.calls).to.deep.equal([]);
    });

    it('emits nothing to a subscriber that has unsubscribed, also during the snapshot', async () => {
      const sets: ChangeSet[] = [];
      const subscription = stage.manager.changes().subscribe((set) => sets.push(set));
      subscription.unsubscribe();
      const { take } = await import('rxjs');
      stage.manager
        .changes()
        .pipe(take(1))
        .subscribe((set) => sets.push(set));
      await region.addMapping(mapping(0x0, 0x1000));
      expect(sets.map(({ generation }) => generation)).to.deep.equal([0, 0]);
    });

    it('leads, applied to a model, to what snapshot() returns', async () => {
      const { manager } = stage;
      const model = new Map<string, string>();
      manager.changes().subscribe(({ unmaps, maps }) => {
        for (const covered of unmaps.flatMap(({ covers }) => covers)) {
          expect(model.delete(covered.toString())).to.equal(true);
        }
        for (const one of maps) {
          model.set(one.range.toString(), one.writable ? 'rw' : 'ro');
        }
      });
      const cover = await addRegion(manager, 0x0, 0x20000, {
        priority: 1,
        shown: 'hidden',
        mappings: [mapping(0x0, 0x3000)],
      });
      await region.addMapping(mapping(0x0, 0x1000));
      await cover.map({ writable: false });
      await region.addMapping(mapping(0x4000, 0x5000));
      await cover.unmap();
      await region.map({ writable: false });
      expect([...model].map((entry) => entry.join(' ')).sort()).to.deep.equal(viewOf(manager));
    });
  });

  describe('the stream', () => {
    it('never errors because of a target', async () => {
      let errors = 0;
      const observer = { error: () => (errors += 1) };
      stage.manager.changes().subscribe(observer);
      stage.manager.events$.subscribe(observer);
      stage.manager.shareable().subscribe(observer);
      const target = stage.target().failAll();
      const attachment = await stage.manager.attach(target);
      attachment.outcomes$.subscribe(observer);
      await rejectionOf(region.addMapping(mapping(0x0, 0x1000)));
      target.clearFailures();
      await region.addMapping(mapping(0x0, 0x1000));
      target.failAll();
      await rejectionOf(region.remove());
      expect(errors).to.equal(0);
    });

    it('of outcomes reports a failing target', async () => {
      const target = stage.target();
      const attachment = await stage.manager.attach(target);
      const statuses: string[] = [];
      attachment.outcomes$.subscribe(({ generation, status, error }) =>
        statuses.push(`${generation} ${status} ${error?.code ?? ''}`.trim()),
      );
      await region.addMapping(mapping(0x0, 0x1000));
      target.failAll('map', 'ENOSPC');
      await rejectionOf(region.addMapping(mapping(0x1000, 0x2000)));
      expect(statuses).to.deep.equal(['1 applied', '2 failed ENOSPC']);
    });

    for (const [name, subscribe] of [
      [
        'changes()',
        (bad: () => void) =>
          stage.manager.changes().subscribe((set) => {
            if (!set.snapshot) bad();
          }),
      ],
      [
        'changes(), on the snapshot',
        (bad: () => void) =>
          stage.manager.changes().subscribe((set) => {
            if (set.snapshot) bad();
          }),
      ],
      ['events$', (bad: () => void) => stage.manager.events$.subscribe(bad)],
      [
        'shareable()',
        (bad: () => void) =>
          stage.manager.shareable().subscribe((now) => {
            if (now.length > 0) bad();
          }),
      ],
      ['outcomes$', (bad: () => void) => stage.manager.attachments[0]?.outcomes$.subscribe(bad)],
    ] as const) {
      it(`is not harmed by a subscriber of ${name} that throws, and neither is any other subscriber`, async () => {
        const { manager } = stage;
        const target = stage.target();
        await manager.attach(target);
        const generations: number[] = [];
        const uncaught = await uncaughtIn(async () => {
          subscribe(() => {
            throw new Error('careless subscriber');
          });
          manager.changes().subscribe(({ generation }) => generations.push(generation));
          await region.addMapping(mapping(0x0, 0x1000));
          await region.addMapping(mapping(0x1000, 0x2000));
        });
        expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw', 'map 0x1000-0x2000 rw']);
        expect(generations).to.deep.equal([0, 1, 2]);
        expect(viewOf(manager)).to.deep.equal(['0x0-0x1000 rw', '0x1000-0x2000 rw']);
        expect(uncaught.map(String)).to.include('Error: careless subscriber');
      });
    }

    it('is not harmed by an onWarning that throws', async () => {
      const { RegionManager } = await import('../../../streams/index.js');
      const manager = new RegionManager({
        onWarning: () => {
          throw new Error('careless listener');
        },
      });
      await manager.attach(stage.target().failAll('map', 'EFAULT'));
      const uncaught = await uncaughtIn(async () => {
        await addRegion(manager, 0x0, 0x1000, { type: 'device', mappings: [mapping(0x0, 0x1000)] });
      });
      expect(viewOf(manager)).to.have.length(1);
      expect(uncaught.map(String)).to.deep.equal(['Error: careless listener']);
    });
  });

  describe('snapshot()', () => {
    it('shows the mappings of its generation, whenever it is read', async () => {
      const { manager } = stage;
      const snapshots = [manager.snapshot()];
      const views = [viewOf(manager)];
      const cover = await addRegion(manager, 0x0, 0x20000, {
        priority: 1,
        shown: 'hidden',
        mappings: [mapping(0x1000, 0x3000)],
      });
      for (const command of [
        () => region.addMapping(mapping(0x0, 0x1000)),
        () => region.addMapping(mapping(0x2000, 0x3000, { writable: false })),
        () => cover.map({ writable: true }),
        () => region.removeMappings(range(0x0, 0x1000)),
        () => cover.unmap(),
        () => region.map({ writable: false }),
        () => region.remove(),
      ]) {
        await command();
        snapshots.push(manager.snapshot());
        views.push(viewOf(manager));
      }
      const read = snapshots.map(({ mappings }) =>
        mappings.map((one) => `${one.range.toString()} ${one.writable ? 'rw' : 'ro'}`),
      );
      expect(read).to.deep.equal(views);
      expect(new Set(snapshots.map(({ generation }) => generation)).size).to.equal(6);
      expect(snapshots[1]?.mappings).to.equal(snapshots[1]?.mappings);
    });

    it('prints and copies as a plain record', async () => {
      await region.addMapping(mapping(0x0, 0x1000));
      expect({ ...stage.manager.snapshot() }).to.have.all.keys('generation', 'mappings');
    });
  });

  describe('shareable()', () => {
    it('emits the RAM that has an fd on subscription and after each change', async () => {
      const { manager } = stage;
      await region.addMapping(mapping(0x1000, 0x2000));
      const lists: (readonly ShareableRegion[])[] = [];
      manager.shareable().subscribe((list) => lists.push(list));
      await region.addMapping(privateMapping(0x2000, 0x3000));
      await addRegion(manager, 0x20000, 0x30000, { type: 'device', mappings: [mapping(0x0, 0x1000)] });
      expect(lists).to.deep.equal([
        [{ range: range(0x1000, 0x2000), writable: true, mappable: FILE, fileOffset: 0x1000n }],
      ]);
      const other = new FakeMappable('other');
      await region.addMapping(mapping(0x0, 0x1000, { mappable: other, writable: false }));
      await region.map({ writable: false });
      await region.unmap();
      expect(
        lists
          .slice(1)
          .map((list) =>
            list.map((one) => `${one.range.toString()} ${one.writable ? 'rw' : 'ro'} ${one.mappable.label}`),
          ),
      ).to.deep.equal([
        ['0x0-0x1000 ro other', '0x1000-0x2000 rw file'],
        ['0x0-0x1000 ro other', '0x1000-0x2000 ro file'],
        [],
      ]);
    });

    it('emits nothing when nothing shareable changed', async () => {
      await region.addMapping(mapping(0x1000, 0x2000));
      let lists = 0;
      stage.manager.shareable().subscribe(() => (lists += 1));
      await addRegion(stage.manager, 0x20000, 0x30000, { type: 'device', mappings: [mapping(0x0, 0x1000)] });
      expect(lists).to.equal(1);
    });

    it('emits a list when only the file, its offset or the length changes', async () => {
      await region.addMapping(mapping(0x0, 0x1000));
      let lists = 0;
      stage.manager.shareable().subscribe(() => (lists += 1));
      for (const next of [
        mapping(0x0, 0x1000, { fileOffset: 0x4000n }),
        mapping(0x0, 0x1000, { fileOffset: 0x4000n, mappable: new FakeMappable('next') }),
        mapping(0x0, 0x2000),
      ]) {
        await stage.manager.transaction((edit) => {
          edit.removeMappings(region, range(0x0, 0x1000));
          edit.addMapping(region, next);
        });
      }
      expect(lists).to.equal(4);
    });
  });
});

function viewLike(maps: ChangeSet['maps']): string[] {
  return maps.map((one) => `${one.range.toString()} ${one.writable ? 'rw' : 'ro'}`);
}
