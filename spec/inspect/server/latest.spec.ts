import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { ReplaySubject, Subject } from 'rxjs';
import { serveInspector, type WatchProblem } from '../../../inspect/index.js';
import { RegionManager, type Region } from '../../../streams/index.js';
import { RecordingTarget } from '../../../testing/index.js';
import { addRegion, mapping, rejectionOf } from '../../streams/support/phrases.js';
import { EventReader } from './support/event-reader.js';

describe('a page that is opened later is told', () => {
  let manager: RegionManager;
  let region: Region;
  let target: RecordingTarget;

  beforeEach(async () => {
    manager = new RegionManager();
    target = new RecordingTarget({ name: 'a' });
    await manager.attach(target);
    region = await addRegion(manager, 0x0, 0x1000_0000);
  });

  afterEach(() => manager.close());

  function add(index: number): Promise<void> {
    return region.addMapping(mapping(index * 0x2000, index * 0x2000 + 0x1000));
  }

  it('what went wrong before the first page, once and with its time, and before it is ready', async () => {
    const problems$ = new Subject<WatchProblem>();
    await using inspector = await serveInspector(manager, { problems$ });
    problems$.next({ text: 'a problem', severity: 'error' });
    target.failAll('map', 'ENOSPC');
    await rejectionOf(add(0));
    target.clearFailures();
    await add(1);
    const between = Date.now();
    while (Date.now() === between) {
      await sleep(1);
    }
    using one = await EventReader.ready(inspector.url);
    using other = await EventReader.ready(inspector.url);
    const [problem, undone, ...more] = one.copy.log;
    expect(more).to.deep.equal([]);
    expect(problem).to.deep.include({ kind: 'note', severity: 'error', error: { message: 'a problem' } });
    expect(problem?.at).to.be.at.most(between);
    expect(undone).to.deep.include({ kind: 'set', status: 'undone', mapCount: 1 });
    expect(undone?.kind === 'set' && undone.answers[0]?.status).to.equal('failed');
    expect(other.copy.log).to.deep.equal(one.copy.log);
  });

  it('the last hundred of many problems', async () => {
    const problems$ = new ReplaySubject<WatchProblem>(150);
    for (let index = 0; index < 150; index++) {
      problems$.next({ text: `problem ${index}`, severity: 'warning' });
    }
    await using inspector = await serveInspector(manager, { problems$ });
    using reader = await EventReader.ready(inspector.url);
    expect(reader.copy.notes.map(({ error }) => error.message)).to.deep.equal(
      Array.from({ length: 100 }, (_, index) => `problem ${index + 50}`),
    );
  });

  it('what an open page is told, also when that one has gone, by ascending keys', async () => {
    await using inspector = await serveInspector(manager);
    const first = await EventReader.ready(inspector.url);
    for (let index = 0; index < 5; index++) {
      await add(index);
    }
    await first.until(() => first.copy.sets.length === 5);
    // Not sent yet when the second page is opened.
    await add(5);
    using second = await EventReader.ready(inspector.url);
    await add(9);
    await Promise.all([first, second].map((each) => each.until(() => each.copy.sets.at(-1)?.generation === 7)));
    expect(second.copy.log).to.deep.equal(first.copy.log);
    first[Symbol.dispose]();
    second[Symbol.dispose]();
    await sleep(50);
    await add(6);
    using third = await EventReader.ready(inspector.url);
    await add(7);
    await third.until(() => third.copy.sets.at(-1)?.generation === 9);
    expect(third.copy.sets.map(({ generation }) => generation)).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 9]);
    const keys = third.copy.log.map(({ key }) => key);
    expect(keys).to.deep.equal([...new Set(keys)].sort((one, other) => one - other));
  });

  it('of targets of the same name, which of them has failed', async () => {
    const bad = new RecordingTarget({ name: 'a' }).failAll('map', 'ENOSPC');
    await manager.attach(bad);
    await using inspector = await serveInspector(manager);
    using reader = await EventReader.ready(inspector.url);
    await rejectionOf(add(0));
    await reader.until(() => reader.copy.sets.length === 1);
    const answers = reader.copy.sets[0]?.answers ?? [];
    expect(answers.map(({ status }) => status)).to.deep.equal(['applied', 'failed']);
    expect(answers.map(({ key }) => key)).to.deep.equal([...reader.copy.targets.keys()]);
  });
});

describe('a page that connects again', () => {
  it('before the first state is whole gets all of it, while a target does not answer', async () => {
    const manager = new RegionManager();
    let isHanging = false;
    const target = new RecordingTarget({
      name: 'a',
      reply: () => (isHanging ? new Promise(() => undefined) : undefined),
    });
    const attachment = await manager.attach(target);
    const region = await addRegion(manager, 0x0, 0x1000_0000);
    await manager.transaction((edit) => {
      for (let index = 0; index < 5_000; index++) {
        edit.addMapping(region, mapping(index * 0x2000, index * 0x2000 + 0x1000));
      }
    });
    isHanging = true;
    const hanging = rejectionOf(region.addMapping(mapping(0x0fff_0000, 0x0fff_1000)));
    await using inspector = await serveInspector(manager);
    for (let round = 0; round < 10; round++) {
      const first = await EventReader.open(inspector.url);
      first[Symbol.dispose]();
      await sleep(round);
      using second = await EventReader.ready(inspector.url);
      expect(second.copy.mappings.size).to.equal(5_000);
    }
    await attachment.detach({ abandon: true });
    await hanging;
    await manager.close();
  });
});
