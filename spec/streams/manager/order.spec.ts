import { expect } from 'chai';
import type { ChangeSet } from '../../../streams/index.js';
import { addRegion, gate, mapping, nextTurn, range, rejectionOf, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

describe('RegionManager: order', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  describe('between targets', () => {
    it('is attach order for maps, and its reverse for unmaps', async () => {
      await stage.manager.attach(stage.target({ name: 'first' }));
      await stage.manager.attach(stage.target({ name: 'second' }));
      const region = await addRegion(stage.manager, 0x0, 0x10000);
      await region.addMapping(mapping(0x0, 0x1000));
      await region.removeMappings(range(0x0, 0x1000));
      expect(stage.journal).to.deep.equal([
        'first: map 0x0-0x1000 rw',
        'second: map 0x0-0x1000 rw',
        'second: unmap 0x0-0x1000',
        'first: unmap 0x0-0x1000',
      ]);
    });

    for (const reply of ['sync', 'async'] as const) {
      it(`puts every unmap of a range whose backing changes before its first map, with ${reply} targets`, async () => {
        for (const name of ['a', 'b', 'c']) {
          await stage.manager.attach(stage.target({ name, reply }));
        }
        const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
        stage.takeJournal();
        await stage.manager.transaction((edit) => {
          edit.removeMappings(region, range(0x0, 0x1000));
          edit.addMapping(region, mapping(0x0, 0x1000, { fileOffset: 0x9000n }));
        });
        expect(stage.journal).to.deep.equal([
          'c: unmap 0x0-0x1000',
          'b: unmap 0x0-0x1000',
          'a: unmap 0x0-0x1000',
          'a: map 0x0-0x1000 rw',
          'b: map 0x0-0x1000 rw',
          'c: map 0x0-0x1000 rw',
        ]);
      });
    }

    it('is attach order also after a detach', async () => {
      const [a, b] = [stage.target({ name: 'a' }), stage.target({ name: 'b' })];
      const attachment = await stage.manager.attach(a);
      await stage.manager.attach(b);
      await attachment.detach();
      await stage.manager.attach(a);
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      expect(stage.journal).to.deep.equal(['b: map 0x0-0x1000 rw', 'a: map 0x0-0x1000 rw']);
    });
  });

  describe('between commands', () => {
    it('makes each take effect when the one before it is done at every target, across regions', async () => {
      const blocked = gate();
      let calls = 0;
      const reply = (): Promise<void> => (calls++ === 0 ? blocked.opened : nextTurn());
      await stage.manager.attach(stage.target({ name: 'slow', reply }));
      await stage.manager.attach(stage.target({ name: 'quick' }));
      const low = await addRegion(stage.manager, 0x0, 0x10000);
      const high = await addRegion(stage.manager, 0x10000, 0x20000);
      const done: string[] = [];
      const commands = [
        low.addMapping(mapping(0x0, 0x1000)).then(() => done.push('low')),
        high.addMapping(mapping(0x0, 0x1000)).then(() => done.push('high')),
        low.removeMappings(range(0x0, 0x1000)).then(() => done.push('low gone')),
      ];
      await nextTurn();
      expect(stage.journal).to.deep.equal(['slow: map 0x0-0x1000 rw']);
      expect(viewOf(stage.manager)).to.deep.equal([]);
      blocked.open();
      await Promise.all(commands);
      expect(done).to.deep.equal(['low', 'high', 'low gone']);
      expect(stage.journal).to.deep.equal([
        'slow: map 0x0-0x1000 rw',
        'quick: map 0x0-0x1000 rw',
        'slow: map 0x10000-0x11000 rw',
        'quick: map 0x10000-0x11000 rw',
        'quick: unmap 0x0-0x1000',
        'slow: unmap 0x0-0x1000',
      ]);
    });

    it('is kept when one fails', async () => {
      const target = stage.target({ reply: 'async' }).failCall(0);
      await stage.manager.attach(target);
      const region = await addRegion(stage.manager, 0x0, 0x10000);
      const failing = rejectionOf(region.addMapping(mapping(0x0, 0x1000)));
      const [, error] = await Promise.all([region.addMapping(mapping(0x0, 0x1000)), failing]);
      expect(error).to.include({ code: 'EIO' });
      expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw -> EIO', 'map 0x0-0x1000 rw']);
    });

    it('makes a command take effect within its call when all targets answer at once', async () => {
      const target = stage.target();
      await stage.manager.attach(target);
      const region = await addRegion(stage.manager, 0x0, 0x10000);
      void region.addMapping(mapping(0x0, 0x1000));
      expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw']);
      expect(viewOf(stage.manager)).to.deep.equal(['0x0-0x1000 rw']);
    });
  });

  describe('a command from inside a subscriber', () => {
    it('is queued: every subscriber sees the first change set before the second', async () => {
      const { manager } = stage;
      const region = await addRegion(manager, 0x0, 0x10000);
      const seen: string[] = [];
      const commands: Promise<void>[] = [];
      manager.changes().subscribe(({ generation }) => {
        seen.push(`first ${generation}`);
        if (generation === 1) {
          commands.push(region.addMapping(mapping(0x1000, 0x2000)));
        }
      });
      manager.changes().subscribe(({ generation }) => seen.push(`second ${generation}`));
      await region.addMapping(mapping(0x0, 0x1000));
      await Promise.all(commands);
      expect(seen).to.deep.equal(['first 0', 'second 0', 'first 1', 'second 1', 'first 2', 'second 2']);
    });

    it('is queued while the snapshot is delivered: the subscriber sees its change', async () => {
      const { manager } = stage;
      const region = await addRegion(manager, 0x0, 0x10000);
      const sets: ChangeSet[] = [];
      let command: Promise<void> | undefined;
      manager.changes().subscribe((set) => {
        sets.push(set);
        command ??= region.addMapping(mapping(0x0, 0x1000));
      });
      await command;
      expect(sets.map(({ generation, snapshot, maps }) => [generation, snapshot, maps.length])).to.deep.equal([
        [0, true, 0],
        [1, false, 1],
      ]);
    });

    it('is queued when it comes from events$, shareable() or outcomes$', async () => {
      const { manager } = stage;
      const attachment = await manager.attach(stage.target());
      const region = await addRegion(manager, 0x0, 0x10000);
      const commands: Promise<void>[] = [];
      const seen: string[] = [];
      const once = (start: number): void => {
        if (commands.length < 3) {
          commands.push(region.addMapping(mapping(start, start + 0x1000)));
        }
      };
      attachment.outcomes$.subscribe(({ generation }) => {
        seen.push(`outcome ${generation}`);
        once(0x4000);
      });
      manager.events$.subscribe(() => {
        seen.push(`event ${manager.snapshot().generation}`);
        once(0x5000);
      });
      manager.shareable().subscribe((shareable) => {
        seen.push(`shareable ${shareable.length}`);
        if (shareable.length > 0) {
          once(0x6000);
        }
      });
      await region.addMapping(mapping(0x0, 0x1000));
      await Promise.all(commands);
      expect(seen).to.deep.equal([
        'shareable 0',
        ...[1, 2, 3, 4].flatMap((n) => [`outcome ${n}`, `event ${n}`, `shareable ${n}`]),
      ]);
      expect(viewOf(manager)).to.have.length(4);
    });

    it('is queued when it comes from inside a target', async () => {
      const { manager } = stage;
      const region = await addRegion(manager, 0x0, 0x10000);
      const order: string[] = [];
      let command: Promise<void> | undefined;
      await manager.attach({
        name: 'nosy',
        mapDma: ({ range: mapped }) => {
          order.push(`map ${mapped.toString()} begins`);
          command ??= region.addMapping(mapping(0x1000, 0x2000));
          order.push(`map ${mapped.toString()} ends`);
        },
        unmapDma: () => undefined,
      });
      await region.addMapping(mapping(0x0, 0x1000));
      await command;
      expect(order).to.deep.equal([
        'map 0x0-0x1000 begins',
        'map 0x0-0x1000 ends',
        'map 0x1000-0x2000 begins',
        'map 0x1000-0x2000 ends',
      ]);
    });

    it('may be an attach, which then sees each mapping once', async () => {
      const { manager } = stage;
      const region = await addRegion(manager, 0x0, 0x10000);
      const target = stage.target();
      let attaching: Promise<unknown> | undefined;
      manager.changes().subscribe((set) => {
        if (!set.snapshot) {
          attaching ??= manager.attach(target);
        }
      });
      await region.addMapping(mapping(0x0, 0x1000));
      await region.addMapping(mapping(0x1000, 0x2000));
      await attaching;
      expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw', 'map 0x1000-0x2000 rw']);
    });
  });

  describe('an unchanged mapping', () => {
    it('causes no call when another one changes', async () => {
      const target = stage.target({ needsVa: true });
      await stage.manager.attach(target);
      const region = await addRegion(stage.manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x1000, 0x2000), mapping(0x2000, 0x3000)],
      });
      stage.takeJournal();
      await region.removeMappings(range(0x1000, 0x2000));
      await region.addMapping(mapping(0x1000, 0x2000));
      expect(stage.journal).to.deep.equal([
        'T: unmap 0x1000-0x2000',
        'va: release 0x1000-0x2000',
        'va: ensure 0x1000-0x2000',
        'T: map 0x1000-0x2000 rw',
      ]);
    });

    it('causes no call when a command is refused', async () => {
      const target = stage.target();
      await stage.manager.attach(target);
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x2000)] });
      target.takeCalls();
      await rejectionOf(region.addMapping(mapping(0x1000, 0x3000)));
      await rejectionOf(region.removeMappings(range(0x1000, 0x3000)));
      expect(target.calls).to.deep.equal([]);
    });
  });
});
