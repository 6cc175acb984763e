import { expect } from 'chai';
import { serveInspector, type Inspector } from '../../../inspect/index.js';
import { MemoryRange, RegionManager, type Region } from '../../../streams/index.js';
import { addRam, RecordingTarget } from '../../../testing/index.js';
import { addRegion, gate, mapping, rejectionOf, type Gate } from '../../streams/support/phrases.js';
import { differences } from './support/differences.js';
import { EventReader } from './support/event-reader.js';
import type { PageCopy } from './support/page-copy.js';

describe('what a page is told of targets that have not finished', () => {
  let manager: RegionManager;
  let inspector: Inspector;
  let reader: EventReader;
  let copy: PageCopy;

  async function open(): Promise<void> {
    inspector = await serveInspector(manager);
    reader = await EventReader.ready(inspector.url);
    ({ copy } = reader);
  }

  beforeEach(() => {
    manager = new RegionManager({ overlap: 'any' });
  });

  afterEach(async () => {
    reader[Symbol.dispose]();
    await inspector.close();
    await manager.close().catch(() => undefined);
  });

  it('of one that is leaving: what is stuck, and that nothing is missing', async () => {
    const target = new RecordingTarget({ name: 'a' });
    const attachment = await manager.attach(target);
    const [one, other] = [await addRam(manager, '0x4000-0x6000'), await addRam(manager, '0x8000-0x9000')];
    await open();
    target.failAll('map');
    await rejectionOf(
      manager.transaction((edit) => {
        edit.removeMappings(one, MemoryRange.of(0x0, 0x2000));
        edit.addMapping(one, mapping(0x0, 0x1000));
      }),
    );
    target.clearFailures();
    await reader.until(() => copy.target('a')?.missing === 1);
    target.failAll('unmap', 'EBUSY');
    await rejectionOf(attachment.detach());
    await reader.until(() => copy.target('a')?.phase === 'leaving');
    expect(copy.target('a')).to.include({ held: 1, stuck: 1, missing: 0 });
    expect(differences(copy, manager)).to.deep.equal([]);
    target.clearFailures();
    await other.remove();
    await attachment.retryStuck();
    await reader.until(() => copy.targets.size === 0);
  });

  describe('in the middle of what is not answered:', () => {
    let call: (name: string) => boolean;
    let answer: Gate;
    let target: RecordingTarget;

    beforeEach(async () => {
      call = () => false;
      answer = gate();
      target = new RecordingTarget({
        ...{ name: 'slow', unmapShape: 'exact' },
        reply: ({ text }) => (call(text) ? answer.opened : undefined),
      });
      await addRegion(manager, 0x0, 0x100000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000), mapping(0x4000, 0x5000), mapping(0x6000, 0x7000)],
      });
    });

    afterEach(() => {
      answer.open();
    });

    /** Waits until the page shows what the manager says, while something is not answered; then lets it be answered. */
    async function expectSame(held: readonly number[], command: Promise<unknown>): Promise<void> {
      await reader.until(() => copy.target('slow')?.pendingSince !== undefined);
      await reader.until(() => differences(copy, manager).length === 0);
      const { key = -1 } = copy.target('slow') ?? {};
      expect(copy.heldBy(key)).to.deep.equal(held);
      answer.open();
      await command;
      await reader.until(
        () => copy.target('slow')?.pendingSince === undefined && differences(copy, manager).length === 0,
      );
    }

    it('an attach', async () => {
      await open();
      call = (text) => text.startsWith('map 0x4000');
      await expectSame([0, 2], manager.attach(target));
    });

    it('the unmaps of a set', async () => {
      await manager.attach(target);
      await open();
      call = (text) => text.startsWith('unmap 0x4000');
      const [region] = manager.regions;
      const removed = manager.transaction((edit) => {
        edit.removeMappings(region as Region, MemoryRange.of(0x2000, 0x7000));
      });
      // One whose unmap is under way does not count as held.
      await expectSame([0, 6], removed);
    });

    it('the maps of a set, after its unmaps', async () => {
      await manager.attach(target);
      await open();
      call = (text) => text.startsWith('map 0xa000');
      const [region] = manager.regions;
      const changed = manager.transaction((edit) => {
        edit.removeMappings(region as Region, MemoryRange.of(0x2000, 0x3000));
        edit.addMapping(region as Region, mapping(0x8000, 0x9000));
        edit.addMapping(region as Region, mapping(0xa000, 0xb000));
      });
      await expectSame([0, 4, 6, 8], changed);
    });

    it('a detach', async () => {
      const attachment = await manager.attach(target);
      await open();
      call = (text) => text.startsWith('unmap 0x4000');
      const detached = attachment.detach();
      await reader.until(() => copy.target('slow')?.pendingSince !== undefined);
      await reader.until(() => differences(copy, manager).length === 0);
      expect(copy.target('slow')?.held).to.equal(1);
      answer.open();
      await detached;
      await reader.until(() => copy.targets.size === 0);
    });

    it('a set after which device memory was skipped', async () => {
      target.failWhen(({ text }) => (text.startsWith('map 0x200000') ? 'EFAULT' : undefined));
      await manager.attach(target);
      await addRegion(manager, 0x200000, 0x202000, { type: 'device', mappings: [mapping(0x0, 0x1000)] });
      await open();
      expect(differences(copy, manager)).to.deep.equal([]);
      expect(copy.target('slow')).to.include({ held: 4 });
      call = (text) => text.startsWith('map 0x8000');
      await expectSame([0, 2, 4, 6], (manager.regions[0] as Region).addMapping(mapping(0x8000, 0x9000)));
    });
  });
});
