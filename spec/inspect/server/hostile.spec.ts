import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { Observable, Subject } from 'rxjs';
import {
  serveInspector,
  type Inspector,
  type InspectorOptions,
  type SourceStatus,
  type WatchProblem,
} from '../../../inspect/index.js';
import { DmaError, RegionManager } from '../../../streams/index.js';
import { onlookingOf } from '../../../streams/internal.js';
import { addRam, RecordingTarget } from '../../../testing/index.js';
import { addRegion, mapping, rejectionOf } from '../../streams/support/phrases.js';
import { differences } from './support/differences.js';
import { EventReader } from './support/event-reader.js';

describe('an inspector goes on', () => {
  let manager: RegionManager;
  let inspector: Inspector;
  const readers: EventReader[] = [];

  async function open(options: InspectorOptions = {}): Promise<EventReader> {
    inspector = await serveInspector(manager, options);
    return another();
  }

  async function another(): Promise<EventReader> {
    const reader = await EventReader.ready(inspector.url);
    readers.push(reader);
    return reader;
  }

  beforeEach(() => {
    manager = new RegionManager();
  });

  afterEach(async () => {
    for (const reader of readers.splice(0)) {
      reader[Symbol.dispose]();
    }
    await inspector.close();
    await manager.close();
  });

  it('when the name of a target throws later', async () => {
    let isBroken = false;
    await manager.attach({
      get name(): string {
        if (isBroken) {
          throw new Error('no name');
        }
        return 'odd';
      },
      mapDma: () => undefined,
      unmapDma: () => undefined,
    });
    const reader = await open();
    isBroken = true;
    await sleep(250); // Some ticks.
    const second = await another();
    expect([...second.copy.targets.values()].map(({ name }) => name)).to.deep.equal(['odd']);
    isBroken = false;
    await addRam(manager, '0x0-0x1000');
    await reader.until(() => reader.copy.target('odd')?.held === 1);
    expect(reader.copy.notes).to.deep.equal([]);
  });

  it('when what it looks at throws in each sweep, and tells of it once', async () => {
    const reader = await open();
    const onlooking = onlookingOf(manager);
    Object.defineProperty(onlooking, 'mappingsFrom', {
      configurable: true,
      value: () => {
        throw new Error('broken on purpose');
      },
    });
    await addRam(manager, '0x0-0x1000');
    await reader.until(() => reader.copy.notes.length > 0);
    Object.defineProperty(onlooking, 'commands', {
      configurable: true,
      get: () => {
        throw new Error('each tick');
      },
    });
    await sleep(300); // Some ticks.
    expect(reader.copy.notes.map(({ error }) => error.message)).to.deep.equal([
      'not everything is shown: broken on purpose',
    ]);
    await inspector.close();
    await rejectionOf(EventReader.open(inspector.url));
    Reflect.deleteProperty(onlooking, 'commands');
    Reflect.deleteProperty(onlooking, 'mappingsFrom');
  });

  it('when its problems and its status are anything', async () => {
    const problems$ = new Subject<WatchProblem>();
    const status$ = new Subject<SourceStatus>();
    const reader = await open({ problems$, status$ });
    const thrower = (key: string, others: object = {}): object =>
      Object.defineProperty({ ...others }, key, {
        get: () => {
          throw new Error('not to be read');
        },
      });
    const odd: readonly unknown[] = [
      { text: Object.create(null) as object },
      { text: { toString: () => ({}) } },
      thrower('text'),
      thrower('severity', { text: 'fine' }),
      { text: Symbol('a symbol') },
      null,
      undefined,
    ];
    for (const problem of odd) {
      problems$.next(problem as WatchProblem);
    }
    status$.next(thrower('phase') as SourceStatus);
    await reader.until(() => reader.copy.notes.length === odd.length);
    status$.next(thrower('error', { phase: 'following' }) as SourceStatus);
    status$.next({ phase: 'ended' });
    await reader.until(() => reader.copy.status?.phase === 'ended');
    const messages = reader.copy.notes.map(({ error }) => error.message);
    expect(messages.filter((message) => message.startsWith('problems$ emitted a problem'))).to.have.length(odd.length);
  });

  it('when they cannot be subscribed to, and says so', async () => {
    const broken = { lift: () => undefined, subscribe: () => expect.fail('no subscription') } as unknown;
    const reader = await open({
      problems$: broken as Observable<WatchProblem>,
      status$: new Observable<SourceStatus>(() => {
        throw new Error('no status');
      }),
    });
    await reader.until(() => reader.copy.status !== undefined);
    expect(reader.copy.status).to.deep.equal({ phase: 'failed', error: { message: 'no status' } });
    expect(reader.copy.notes[0]?.error.message).to.include('problems$ has ended with an error');
  });

  it('when a subscription cannot be ended', async () => {
    const status$ = new Observable<SourceStatus>(() => () => {
      throw new Error('no end');
    });
    const reader = await open({ status$, problems$: status$ as unknown as Observable<WatchProblem> });
    reader[Symbol.dispose]();
    await sleep(50);
    expect((await another()).copy.isReady).to.equal(true);
  });

  it('when texts and names are megabytes long: they are cut, and no page is dropped', async () => {
    const long = 'x'.repeat(3_000_000);
    const problems$ = new Subject<WatchProblem>();
    const status$ = new Subject<SourceStatus>();
    const target = new RecordingTarget({ name: `t${long}` });
    await manager.attach(target);
    const reader = await open({ description: long, problems$, status$ });
    problems$.next({ text: long, severity: 'error' });
    status$.next({ phase: 'failed', error: new DmaError(long, { code: long, hint: long }) });
    for (let index = 0; index < 100; index++) {
      await addRegion(manager, index * 0x2000, index * 0x2000 + 0x1000, {
        ...{ name: `${index} ${'r'.repeat(100_000)}`, mappings: [mapping(0x0, 0x1000)] },
      });
    }
    target.failAll('map', 'ENOSPC');
    await rejectionOf(addRegion(manager, 0x1000_0000, 0x1000_1000, { name: long, mappings: [mapping(0x0, 0x1000)] }));
    await reader.until(
      () => reader.copy.mappings.size === 100 && reader.copy.sets.some(({ status }) => status === 'undone'),
    );
    const second = await another();
    expect(second.copy.mappings.size).to.equal(100);
    expect(reader.isEnded).to.equal(false);
    const lengths = [...reader.messages, ...second.messages].map((message) => JSON.stringify(message).length);
    expect(Math.max(...lengths)).to.be.below(2 ** 20);
    expect(second.copy.status?.error?.message).to.have.length(2_000);
    expect(second.copy.status?.error?.code).to.match(/^x{199}…$/);
    expect([...second.copy.targets.values()][0]?.name).to.match(/^tx{198}…$/);
    expect(second.copy.start?.description).to.match(/^x{199}…$/);
    expect(differences(second.copy, manager).filter((text) => !text.includes('…'))).to.deep.equal([]);
  });
});
