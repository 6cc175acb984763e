import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { NEVER } from 'rxjs';
import { serveInspector, type Inspector, type InspectorOptions } from '../../../inspect/index.js';
import { DmaError, filterMaps, MemoryRange, RegionManager, toTarget } from '../../../streams/index.js';
import { addRam, RecordingTarget } from '../../../testing/index.js';
import { addRegion, mapping, rejectionOf } from '../../streams/support/phrases.js';
import { differences } from './support/differences.js';
import { EventReader } from './support/event-reader.js';
import type { PageCopy } from './support/page-copy.js';

describe('what a page is told', () => {
  let manager: RegionManager;
  let inspector: Inspector;
  let reader: EventReader;
  let copy: PageCopy;

  async function open(options: InspectorOptions = {}): Promise<void> {
    inspector = await serveInspector(manager, options);
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

  it('first: who speaks, the state, and that it is whole', async () => {
    await manager.attach(new RecordingTarget({ name: 'vfio' }));
    await addRegion(manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x4000)] });
    await manager.addRegion({
      ...{ name: 'over', range: MemoryRange.of(0x1000, 0x2000), type: 'device' },
      ...{ priority: 1, holes: 'transparent' },
    });
    await open({ description: 'a guest' });
    expect(copy.start).to.include({ type: 'start', protocol: 1, description: 'a guest' });
    expect(copy.start?.server).to.match(/^[\da-f-]{36}$/);
    expect(Math.abs(Date.now() - (copy.start?.at ?? 0))).to.be.below(60_000);
    expect([...copy.regions.values()]).to.deep.equal([
      { key: 0, name: 'ram', pages: [0, 16], priority: 0, type: 'ram', access: 'writable', holes: 'opaque' },
      { key: 1, name: 'over', pages: [1, 2], priority: 1, type: 'device', access: 'unmapped', holes: 'transparent' },
    ]);
    expect(copy.mappingList).to.deep.equal([{ pages: [0, 4], region: 'ram', type: 'ram', writable: true }]);
    const [target] = copy.targets.values();
    expect(target).to.deep.include({ name: 'vfio', phase: 'attached', held: 1, heldPages: 4, stuck: 0, missing: 0 });
    expect(copy.log).to.deep.equal([]);
    expect(copy.generation).to.equal(manager.snapshot().generation);
  });

  it('by default: the name of the program and its process', async () => {
    await open();
    expect(copy.start?.description).to.match(new RegExp(`, process ${process.pid}$`));
  });

  it('of each set: what it maps and unmaps, and what the targets answer', async () => {
    await manager.attach(new RecordingTarget({ name: 'a' }));
    const region = await addRegion(manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x4000)] });
    await open();
    await manager.transaction((edit) => {
      edit.removeMappings(region, MemoryRange.of(0x0, 0x4000));
      edit.addMapping(region, mapping(0x8000, 0x9000));
    });
    await reader.until(() => copy.sets.length === 1);
    const [entry] = copy.sets;
    expect(entry).to.deep.include({
      ...{ generation: 2, sets: 1, status: 'applied', mapCount: 1, unmapCount: 1, mapPages: 1, unmapPages: 4 },
      maps: [{ pages: [8, 9], region: 'ram' }],
      unmaps: [{ pages: [0, 4], region: 'ram' }],
    });
    const [answer, ...others] = entry?.answers ?? [];
    expect(others).to.deep.equal([]);
    expect(answer).to.include({ target: 'a', status: 'applied' });
    expect(answer?.milliseconds).to.be.a('number');
    expect(copy.mappingList).to.deep.equal([{ pages: [8, 9], region: 'ram', type: 'ram', writable: true }]);
  });

  it('of a long set: how much, and the first hundred', async () => {
    const region = await addRegion(manager, 0x0, 0x1000_0000);
    await open();
    await manager.transaction((edit) => {
      for (let index = 0; index < 300; index++) {
        edit.addMapping(region, mapping(index * 0x3000, index * 0x3000 + 0x2000));
      }
    });
    await reader.until(() => copy.sets.length === 1);
    expect(copy.sets[0]).to.include({ mapCount: 300, mapPages: 600, unmapCount: 0 });
    expect(copy.sets[0]?.maps).to.have.length(100);
    expect(copy.mappings.size).to.equal(300);
  });

  it('of a set that fails: that it is undone, by whose failure, where, and what to do', async () => {
    const hint = 'raise the limit';
    await manager.attach(new RecordingTarget({ name: 'good' }));
    await manager.attach({
      name: 'bad',
      mapDma: ({ range }) => {
        throw new DmaError('no room', { code: 'ENOSPC', target: 'bad', range, hint });
      },
      unmapDma: () => undefined,
    });
    await open();
    await rejectionOf(addRam(manager, '0x4000-0x5000'));
    await reader.until(() => copy.sets.length === 1);
    const [entry] = copy.sets;
    expect(entry).to.deep.include({ status: 'undone', sets: 1, maps: [{ pages: [4, 5], region: 'ram' }], mapCount: 1 });
    const bad = entry?.answers.find(({ target }) => target === 'bad');
    expect(bad).to.deep.include({ status: 'failed', failedAt: { pages: [4, 5], region: 'ram' } });
    expect(bad?.error).to.include({ code: 'ENOSPC', hint });
    expect(bad?.error?.message).to.include('no room');
    expect(entry?.answers.find(({ target }) => target === 'good')?.status).to.equal('applied');
    expect(copy.mappings.size).to.equal(0);
  });

  it('of what is stuck: where, since when, and the failure; and that it is gone', async () => {
    const target = new RecordingTarget({ name: 'a' });
    const attachment = await manager.attach(target);
    const region = await addRam(manager, '0x4000-0x6000');
    await open();
    target.failAll('unmap', 'EBUSY');
    await rejectionOf(region.remove());
    await reader.until(() => copy.target('a')?.stuck === 1);
    const { key = -1, held, heldPages, stuckSince } = copy.target('a') ?? {};
    expect({ held, heldPages }).to.deep.equal({ held: 1, heldPages: 2 });
    expect(stuckSince).to.be.a('number');
    expect(copy.exceptionsOf(key, 'stuck')).to.deep.equal([{ kind: 'stuck', pages: [4, 6], region: 'ram' }]);
    await reader.until(() => copy.sets.length === 1);
    expect(copy.sets[0]).to.include({ status: 'applied', unmapCount: 1 });
    expect(copy.sets[0]?.answers[0]).to.include({ status: 'failed', target: 'a' });
    expect(copy.sets[0]?.answers[0]?.error).to.include({ code: 'EBUSY' });
    target.clearFailures();
    await attachment.retryStuck();
    await reader.until(() => copy.target('a')?.stuck === 0);
    expect(copy.target('a')).to.not.have.property('stuckSince');
    expect(copy.exceptionsOf(key, 'stuck')).to.deep.equal([]);
    expect(differences(copy, manager)).to.deep.equal([]);
  });

  it('of what is missing, until it is healed', async () => {
    const target = new RecordingTarget({ name: 'a' });
    const attachment = await manager.attach(target);
    const region = await addRam(manager, '0x4000-0x6000');
    await open();
    // The new map fails, and so does mapping the old one again.
    target.failAll('map');
    await rejectionOf(
      manager.transaction((edit) => {
        edit.removeMappings(region, MemoryRange.of(0x0, 0x2000));
        edit.addMapping(region, mapping(0x0, 0x1000));
      }),
    );
    await reader.until(() => copy.target('a')?.missing === 1);
    const { key = -1, held } = copy.target('a') ?? {};
    expect(held).to.equal(0);
    expect(copy.exceptionsOf(key, 'missing')).to.deep.equal([{ kind: 'missing', pages: [4, 6], region: 'ram' }]);
    expect(copy.exceptionsOf(key, 'absent')).to.deep.equal([{ kind: 'absent', pages: [4, 6] }]);
    target.clearFailures();
    await attachment.heal();
    await reader.until(() => copy.target('a')?.held === 1);
    expect(differences(copy, manager)).to.deep.equal([]);
  });

  it('of what a target does not get, as few ranges', async () => {
    const region = await addRegion(manager, 0x0, 0x1000_0000);
    await manager.transaction((edit) => {
      for (let page = 0; page < 600; page += 2) {
        edit.addMapping(region, mapping(page * 0x1000, page * 0x1000 + 0x1000));
      }
    });
    const target = new RecordingTarget({ name: 'some' });
    const isTaken = ({ startPage }: MemoryRange): boolean => startPage < 100 || startPage === 300 || startPage > 500;
    await manager.attach((changes$) =>
      changes$.pipe(
        filterMaps(({ range }) => isTaken(range)),
        toTarget(target),
      ),
    );
    await open();
    const { key = -1, held } = copy.target('some') ?? {};
    expect(held).to.equal(target.held().length);
    expect(copy.exceptionsOf(key, 'absent').map(({ pages }) => pages)).to.deep.equal([
      [100, 299],
      [302, 501],
    ]);
    await region.removeMappings(MemoryRange.of(100 * 0x1000, 301 * 0x1000));
    await reader.until(() => copy.mappings.size === 300 - 101);
    expect(copy.exceptionsOf(key, 'absent').map(({ pages }) => pages)).to.deep.equal([[302, 501]]);
    expect(differences(copy, manager)).to.deep.equal([]);
  });

  it('of an answer that is awaited: since when; what is already done; and what is done when it comes', async () => {
    const slow = new RecordingTarget({ name: 'slow', reply: ({ kind }) => (kind === 'map' ? NEVER : undefined) });
    const fast = new RecordingTarget({ name: 'fast' });
    await manager.attach(fast);
    const attachment = await manager.attach(slow);
    await open();
    const before = Date.now();
    const adding = rejectionOf(addRam(manager, '0x4000-0x6000'));
    await reader.until(() => copy.target('slow')?.pendingSince !== undefined);
    const { pendingSince = 0 } = copy.target('slow') ?? {};
    expect(pendingSince).to.be.within(before - 1, Date.now());
    // The set is not finished: the first target has it.
    const { key = -1 } = copy.target('fast') ?? {};
    await reader.until(() => copy.exceptionsOf(key, 'extra').length === 1);
    expect(copy.target('fast')).to.include({ held: 1, heldPages: 2 });
    expect(copy.mappings.size).to.equal(0);
    await attachment.detach({ abandon: true });
    await adding;
    await reader.until(() => copy.targets.size === 1 && copy.exceptionsOf(key, 'extra').length === 0);
    expect(differences(copy, manager)).to.deep.equal([]);
  });

  it('of targets that come, fail to, and go; and of warnings', async () => {
    await addRam(manager, '0x0-0x1000');
    await open();
    const attachment = await manager.attach(new RecordingTarget({ name: 'here' }));
    await reader.until(() => copy.targets.size === 1);
    await rejectionOf(manager.attach(new RecordingTarget({ name: 'not' }).failAll('map', 'ENOSPC')));
    await attachment.detach();
    await reader.until(() => copy.targets.size === 0 && copy.notes.length >= 5);
    expect(copy.notes.map(({ severity, error }) => `${severity} ${error.code ?? ''} ${error.message}`)).to.deep.equal([
      'info  target "here" is being attached',
      'info  target "not" is being attached',
      'error ENOSPC ENOSPC: failed on plan, ioctl MAP 0x0-0x1000 (region "ram", target "not")',
      'info  target "not" is no longer attached',
      'info  target "here" is no longer attached',
    ]);
    await manager.attach(new RecordingTarget({ name: 'skips' }).failRange('0x4000-0x5000', 'EFAULT'));
    await addRegion(manager, 0x4000, 0x5000, { type: 'device', mappings: [mapping(0x0, 0x1000)] });
    await reader.until(() => copy.notes.some(({ severity }) => severity === 'warning'));
  });

  it('of regions that come, change and go, also without mappings', async () => {
    await open();
    const region = await manager.addRegion({ name: 'a', range: MemoryRange.of(0x0, 0x1000), type: 'ram' });
    await reader.until(() => copy.regions.size === 1);
    await region.map({ writable: false });
    await reader.until(() => [...copy.regions.values()][0]?.access === 'read-only');
    await region.map({ writable: true });
    await reader.until(() => [...copy.regions.values()][0]?.access === 'writable');
    await region.unmap();
    await reader.until(() => [...copy.regions.values()][0]?.access === 'unmapped');
    await region.remove();
    await reader.until(() => copy.regions.size === 0);
  });

  it('names with any characters as they are, lone surrogates too', async () => {
    const name = '</script>\u2028\n\ndata: {}\u0000\ud800"\u202e';
    await manager.attach(new RecordingTarget({ name }));
    await addRegion(manager, 0x0, 0x1000, { name, mappings: [mapping(0x0, 0x1000)] });
    await open({ description: name });
    expect(copy.start?.description).to.equal(name);
    expect(copy.mappingList[0]?.region).to.equal(name);
    expect(copy.target(name)?.held).to.equal(1);
    expect(differences(copy, manager)).to.deep.equal([]);
  });

  it('when the manager is closed: what has changed last, and the end', async () => {
    await manager.attach(new RecordingTarget({ name: 'a' }));
    await addRam(manager, '0x0-0x1000');
    await open();
    await manager.close();
    await reader.until(() => reader.isEnded);
    expect(reader.messages.at(-1)).to.deep.equal({ type: 'end' });
    expect(copy.mappings.size).to.equal(0);
    expect(copy.targets.size).to.equal(0);
    await inspector.close();
    await sleep(0);
    await rejectionOf(EventReader.open(inspector.url));
  });
});
