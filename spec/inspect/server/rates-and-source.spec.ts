import { expect } from 'chai';
import { BehaviorSubject, Subject, throwError } from 'rxjs';
import {
  serveInspector,
  type Inspector,
  type InspectorOptions,
  type SourceStatus,
  type WatchProblem,
} from '../../../inspect/index.js';
import { DmaError, RegionManager } from '../../../streams/index.js';
import { RecordingTarget } from '../../../testing/index.js';
import { addRegion, mapping } from '../../streams/support/phrases.js';
import { differences } from './support/differences.js';
import { EventReader } from './support/event-reader.js';
import type { PageCopy } from './support/page-copy.js';

describe('what a page is told of a source, and of what comes too fast', () => {
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

  it('of the source: how it is doing, now and later, and its problems', async () => {
    const status$ = new BehaviorSubject<SourceStatus>({ phase: 'waiting' });
    const problems$ = new Subject<WatchProblem>();
    await open({ status$, problems$ });
    expect(copy.status).to.deep.equal({ phase: 'waiting' });
    status$.next({ phase: 'failed', error: new DmaError('gone', { code: 'ECONNRESET', hint: 'start it again' }) });
    problems$.next({ text: 'a <b>problem</b>', severity: 'error' });
    await reader.until(() => copy.status?.phase === 'failed' && copy.notes.length === 1);
    expect(copy.status?.error).to.deep.equal({
      ...{ code: 'ECONNRESET', hint: 'start it again', message: 'ECONNRESET: gone' },
    });
    expect(copy.notes[0]).to.deep.include({ severity: 'error', error: { message: 'a <b>problem</b>' } });
  });

  it('of a source whose streams fail, or emit anything', async () => {
    const status$ = new Subject<SourceStatus>();
    await open({ status$, problems$: throwError(() => new Error('broken')) });
    await reader.until(() => copy.notes.length === 1);
    expect(copy.notes[0]?.error.message).to.equal('problems$ has ended with an error: broken');
    const hostile = new Proxy({}, { get: () => expect.fail('it is read') });
    for (const value of [undefined, null, 1, {}, hostile, { phase: 'other' }, { phase: 'ended', error: 'text' }]) {
      status$.next(value as SourceStatus);
    }
    await reader.until(() => copy.status?.phase === 'ended');
    expect(copy.status?.error).to.deep.equal({ message: 'text' });
    status$.error(new Error('over'));
    await reader.until(() => copy.status?.phase === 'failed');
  });

  it('of problems that are none', async () => {
    const problems$ = new Subject<WatchProblem>();
    await open({ problems$ });
    const hostile = new Proxy({}, { get: () => expect.fail('it is read') });
    for (const value of [undefined, 1, {}, hostile, { text: Object.create(null) as unknown, severity: 'error' }]) {
      problems$.next(value as unknown as WatchProblem);
    }
    await reader.until(() => copy.notes.length === 5);
    expect(copy.notes.map(({ severity }) => severity)).to.deep.equal([
      ...['warning', 'warning', 'warning', 'warning', 'error'],
    ]);
  });

  it('of sets that come too fast: how many, what has changed by them, and each failure', async () => {
    const target = new RecordingTarget({ name: 'a' });
    await manager.attach(target);
    const region = await addRegion(manager, 0x0, 0x1000_0000);
    await open();
    for (let index = 0; index < 200; index++) {
      if (index === 150) {
        target.failAll('map', 'ENOSPC');
      }
      await region.addMapping(mapping(index * 0x2000, index * 0x2000 + 0x1000)).catch(() => undefined);
      target.clearFailures();
    }
    const { generation } = manager.snapshot();
    expect(generation).to.equal(199);
    await reader.until(
      () => copy.sets.reduce((sum, { sets, status }) => sum + (status === 'applied' ? sets : 0), 0) === 199,
    );
    const alone = copy.sets.filter(({ sets, status }) => sets === 1 && status === 'applied');
    expect(alone.length).to.be.within(1, 64);
    const many = copy.sets.filter(({ sets }) => sets > 1);
    expect(many.reduce((sum, { mapCount }) => sum + mapCount, 0)).to.equal(199 - alone.length);
    const [undone] = copy.sets.filter(({ status }) => status === 'undone');
    expect(undone).to.deep.include({ maps: [{ pages: [300, 301], region: 'ram' }] });
    expect(undone?.answers[0]).to.deep.include({
      target: 'a',
      status: 'failed',
      failedAt: { pages: [300, 301], region: 'ram' },
    });
    expect(undone?.answers[0]?.error).to.include({ code: 'ENOSPC' });
    await reader.until(() => differences(copy, manager).length === 0);
    expect(new Set(copy.log.map(({ key }) => key)).size).to.equal(copy.log.length);
  });

  it('of failures that come too fast: the first ones, and how many more there were', async () => {
    await manager.attach(new RecordingTarget({ name: 'a' }).failAll('map', 'ENOSPC'));
    const region = await addRegion(manager, 0x0, 0x1000_0000);
    await open();
    for (let index = 0; index < 100; index++) {
      await region.addMapping(mapping(index * 0x2000, index * 0x2000 + 0x1000)).catch(() => undefined);
    }
    await reader.until(() => copy.notes.length > 0);
    expect(copy.sets.filter(({ status }) => status === 'undone')).to.have.length(32);
    expect(copy.notes[0]?.error.message).to.equal('68 more change sets have failed, too fast to be shown');
  });
});
