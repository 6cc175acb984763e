import { expect } from 'chai';
import { RegionManager, type Attachment, type Region } from '../../../streams/index.js';
import { RecordingTarget } from '../../../testing/index.js';
import { addRegion, gate, mapping, nextTurn, range, rejectionOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

describe('RegionManager.regions', () => {
  it('lists all regions, hidden and covered ones too, as the objects that users have', async () => {
    const manager = new RegionManager();
    const names = (): string[] => manager.regions.map(({ name }) => name);
    expect(manager.regions).to.deep.equal([]);
    const low = await addRegion(manager, 0x0, 0x1000, { name: 'low', mappings: [mapping(0x0, 0x1000)] });
    const hidden = await addRegion(manager, 0x8000, 0x9000, { name: 'hidden', shown: 'hidden' });
    const above = await addRegion(manager, 0x0, 0x1000, { name: 'above', priority: 1 });
    expect(manager.regions).to.have.ordered.members([low, hidden, above]);
    expect(manager.regions.map(({ active }) => active)).to.deep.equal([false, false, true]);
    const before = manager.regions;
    await hidden.remove();
    expect([before.length, names()]).to.deep.equal([3, ['low', 'above']]);
    let made: Region | undefined;
    await manager.transaction((edit) => {
      edit.removeRegion(low);
      made = edit.addRegion({ name: 'next', range: range(0x2000, 0x3000), type: 'ram' });
      const gone = edit.addRegion({ name: 'gone', range: range(0x4000, 0x5000), type: 'ram' });
      edit.removeRegion(gone);
      expect(names()).to.deep.equal(['low', 'above']);
    });
    expect(manager.regions).to.have.ordered.members([above, made]);
    await manager.close();
  });

  it('shows the state before a command until it takes effect, and after it was undone', async () => {
    const manager = new RegionManager();
    const answer = gate();
    const target = new RecordingTarget({ reply: ({ kind }) => (kind === 'map' ? answer.opened : undefined) });
    await manager.attach(target.failRange('0x4000-0x5000'));
    const first = addRegion(manager, 0x0, 0x1000, { name: 'first' });
    await first;
    const adding = manager.transaction((edit) => {
      const region = edit.addRegion({ name: 'second', range: range(0x2000, 0x3000), type: 'ram' });
      edit.addMapping(region, mapping(0x0, 0x1000));
      edit.map(region, { writable: true });
    });
    await nextTurn();
    expect(manager.regions.map(({ name }) => name)).to.deep.equal(['first']);
    answer.open();
    await adding;
    expect(manager.regions.map(({ name }) => name)).to.deep.equal(['first', 'second']);
    await rejectionOf(
      manager.transaction((edit) => {
        edit.removeRegion(manager.regions[0] as Region);
        const region = edit.addRegion({ name: 'third', range: range(0x4000, 0x5000), type: 'ram' });
        edit.addMapping(region, mapping(0x0, 0x1000));
        edit.map(region, { writable: true });
      }),
    );
    expect(manager.regions.map(({ name }) => name)).to.deep.equal(['first', 'second']);
    await manager.close();
  });
});

describe('Region.mapped and Region.holes', () => {
  it('say how a region is mapped, and what shows in its holes', async () => {
    const manager = new RegionManager({ overlap: 'any' });
    const params = { range: range(0x0, 0x1000), type: 'ram' } as const;
    const plain = await manager.addRegion({ name: 'plain', ...params });
    const container = await manager.addRegion({ name: 'container', ...params, holes: 'transparent' });
    expect([plain.holes, container.holes]).to.deep.equal(['opaque', 'transparent']);
    expect(plain.mapped).to.equal(undefined);
    await plain.map({ writable: true, executable: true });
    expect(plain.mapped).to.deep.equal({ writable: true, executable: true });
    (plain.mapped as { writable: boolean }).writable = false; // Of a copy.
    expect(plain.mapped?.writable).to.equal(true);
    await plain.map({ writable: false });
    expect(plain.mapped).to.deep.equal({ writable: false });
    await plain.unmap();
    expect(plain.mapped).to.equal(undefined);
    await plain.map({ writable: true });
    await plain.remove();
    expect(plain.mapped).to.equal(undefined);
    await manager.close();
  });

  it('show the state before a command until it takes effect, and after it was undone', async () => {
    const manager = new RegionManager();
    const answer = gate();
    const target = new RecordingTarget({ reply: ({ kind }) => (kind === 'map' ? answer.opened : undefined) });
    await manager.attach(target);
    const region = await addRegion(manager, 0x0, 0x1000, { shown: 'hidden', mappings: [mapping(0x0, 0x1000)] });
    const showing = region.map({ writable: true });
    await nextTurn();
    expect(region.mapped).to.equal(undefined);
    expect(JSON.parse(JSON.stringify(region))).to.include({ mapped: false });
    answer.open();
    await showing;
    expect(region.mapped).to.deep.equal({ writable: true });
    target.failAll('map');
    await rejectionOf(region.map({ writable: false }));
    expect(region.mapped).to.deep.equal({ writable: true });
    target.clearFailures();
    await manager.close();
  });
});

describe('RegionManager.attachments$', () => {
  let stage: Stage;
  let lists: string[];

  const textOf = (list: readonly Attachment[]): string =>
    list.map(({ target, phase, pending }) => `${target} ${phase}${pending ? ' pending' : ''}`).join(', ');

  beforeEach(() => {
    stage = new Stage();
    lists = [];
    stage.manager.attachments$.subscribe({
      next: (list) => {
        expect(list).to.deep.equal(stage.manager.attachments);
        lists.push(textOf(list));
      },
      complete: () => lists.push('complete'),
      error: () => lists.push('error'),
    });
  });

  it('emits the current list first, then whenever one comes or goes', async () => {
    const one = await stage.manager.attach(stage.target({ name: 'one' }));
    await stage.manager.attach(stage.target({ name: 'two' }));
    const late: string[] = [];
    stage.manager.attachments$.subscribe((list) => late.push(textOf(list)));
    await one.detach();
    await stage.manager.close();
    expect(lists).to.deep.equal(['', 'one attached', 'one attached, two attached', 'two attached', '', 'complete']);
    expect(late).to.deep.equal(['one attached, two attached', 'two attached', '']);
  });

  it('shows one that is leaving until it goes, also after a close that failed', async () => {
    const target = stage.target({ name: 'one' });
    await addRegion(stage.manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000)] });
    const attachment = await stage.manager.attach(target);
    target.failAll('unmap');
    lists = [];
    await rejectionOf(stage.manager.close());
    expect(lists).to.deep.equal(['one leaving']);
    target.clearFailures();
    await attachment.retryStuck();
    expect(lists.slice(1)).to.deep.equal(['', 'complete']);
  });

  it('shows an attach that fails, one whose target goes, and one that is abandoned', async () => {
    await addRegion(stage.manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000)] });
    await rejectionOf(stage.manager.attach(stage.target({ name: 'failing' }).failAll('map')));
    expect(lists).to.deep.equal(['', 'failing attached', '']);
    const target = stage.target({ name: 'gone' });
    const attachment = await stage.manager.attach(target);
    lists = [];
    target.failAll('', 'ERR_TARGET_GONE');
    await rejectionOf(addRegion(stage.manager, 0x4000, 0x5000, { name: 'more', mappings: [mapping(0x0, 0x1000)] }));
    expect([lists, attachment.phase]).to.deep.equal([[''], 'gone']);
    const abandoned = await stage.manager.attach(stage.target({ name: 'abandoned' }));
    lists = [];
    await abandoned.detach({ abandon: true });
    expect(lists).to.deep.equal(['']);
    await stage.manager.close();
  });

  it('is not harmed by a subscriber that gives commands', async () => {
    let attached = 0;
    const attaching: Promise<unknown>[] = [];
    const seen: number[] = [];
    stage.manager.attachments$.subscribe((list) => {
      seen.push(list.length);
      if (attached++ < 2) {
        attaching.push(stage.manager.attach(stage.target({ name: `n${attached}` })));
      }
    });
    await nextTurn();
    await Promise.all(attaching);
    expect(stage.manager.attachments.map(({ target }) => target)).to.deep.equal(['n1', 'n2']);
    expect(seen.at(-1)).to.equal(2);
    await stage.manager.close();
  });
});

describe('RegionManager.warnings$', () => {
  it('emits what onWarning is called with, and completes when the manager is closed', async () => {
    const stage = new Stage();
    const seen: string[] = [];
    stage.manager.warnings$.subscribe({ next: ({ code }) => seen.push(code), complete: () => seen.push('complete') });
    await stage.manager.attach(stage.target().failRange('0x0-0x1000', 'EFAULT'));
    await addRegion(stage.manager, 0x0, 0x1000, { type: 'device', mappings: [mapping(0x0, 0x1000)] });
    expect([seen, stage.warnings.map(({ code }) => code)]).to.deep.equal([['EFAULT'], ['EFAULT']]);
    await stage.manager.close();
    expect(seen).to.deep.equal(['EFAULT', 'complete']);
  });
});
