import { expect } from 'chai';
import { NEVER, Subject } from 'rxjs';
import { chooseTargets } from '../../../cli/replay/target-choice.js';
import { qemuSource, traceSource, type CommitSource } from '../../../cli/watch/commit-source.js';
import { latestOf } from '../../../cli/watch/latest-of.js';
import { WatchModel } from '../../../cli/watch/watch-model.js';
import { WatchSession } from '../../../cli/watch/session.js';
import { readTrace } from '../../../cli/trace/read-trace.js';
import { QemuSource } from '../../../sources/index.js';
import { FakeQmp, flatViewText, sectionLine } from '../../sources/support/fake-qmp.js';
import { commitsAt, line, TemporaryTraces } from '../support/command.js';

const RAM = sectionLine(0, 0x9ffff, 'ram');
const ROM = sectionLine(0xc0000, 0xdffff, 'rom', 'rom');

describe('what watch follows', () => {
  const traces = new TemporaryTraces();
  after(() => {
    traces[Symbol.dispose]();
  });

  let now = 0;
  const clock = (): number => now;

  async function open(source: CommitSource, ...targets: readonly string[]): Promise<WatchSession> {
    return WatchSession.open(source, chooseTargets(targets), new AbortController().signal);
  }

  async function traceOf(lines: readonly object[]): Promise<CommitSource> {
    return traceSource(await readTrace(traces.write('trace.jsonl', lines)), 'max');
  }

  const names = (model: WatchModel): string[] =>
    model.state().rows.map(({ name, change }) => `${{ none: ' ', added: '+', removed: '-' }[change]}${name}`);

  it('is all commits of a trace, at all targets', async () => {
    await using session = await open(await traceOf(commitsAt(0, 10, 20)), 'soft', 'log');
    using model = new WatchModel(session, clock);
    await session.run(new AbortController().signal);
    const { generation, regions, mappings, bytes, status, targets, rows } = model.state();
    expect([generation, regions, mappings, bytes, status.phase]).to.deep.equal([3, 3, 3, 3n << 20n, 'ended']);
    expect(targets.map(({ name, held, stuck }) => [name, held, stuck])).to.deep.equal([
      ['soft', 3, 0],
      ['log', 3, 0],
    ]);
    expect(rows.map(({ range }) => targets.map((target) => target.holdingOf(range)))).to.deep.equal(
      Array(3).fill(['held', 'held']),
    );
  });

  it('stands out for two seconds after it has changed, and is counted over five', async () => {
    now = 0;
    const lines = [line(), line({ commit: 1, op: 'remove' }), line({ commit: 1, name: 'new' })];
    await using session = await open(await traceOf(lines));
    using model = new WatchModel(session, clock);
    await session.run(new AbortController().signal);
    expect(names(model)).to.deep.equal(['-ram0', '+new']);
    expect(model.state().changesPerSecond).to.equal(3 / 5);
    now = 1999;
    expect(names(model)).to.deep.equal(['-ram0', '+new']);
    now = 2000;
    expect(names(model)).to.deep.equal([' new']);
    now = 5000;
    expect(model.state().changesPerSecond).to.equal(0);
  });

  it('goes on after a commit that a target refuses, and says why, and what to do', async () => {
    const lines = [
      line({ start: '0x100000', end: '0x200000' }),
      ...commitsAt(0, 0)
        .slice(0, 1)
        .map((one) => ({ ...one, commit: 1 })),
    ];
    await using session = await open(await traceOf(lines), 'soft:exact,aperture=0x0-0x100000');
    using model = new WatchModel(session, clock);
    await session.run(new AbortController().signal);
    const { problems, mappings, generation } = model.state();
    expect([mappings, generation]).to.deep.equal([1, 1]);
    expect(problems.map(({ text, severity }) => `${severity}: ${text}`)).to.have.length(1);
    expect(problems[0]?.text).to.match(
      /^commit 0 failed, and was undone everywhere: .*aperture.*; .*give SoftIommuTarget/,
    );
  });

  it('shows what is stuck as long as it is', async () => {
    now = 0;
    await using session = await open(await traceOf([line()]), 'soft:exact');
    const [target] = session.targets;
    using model = new WatchModel(
      {
        ...{ description: '', status$: NEVER, problems$: NEVER, manager: session.manager },
        targets: [
          {
            name: 'odd',
            description: '',
            attachment: new Proxy(target?.attachment as object, {
              get: (from, key) =>
                key === 'ledger'
                  ? () => [
                      {
                        range: session.manager.snapshot().mappings[0]?.range,
                        region: 'old',
                        writable: true,
                        stuck: true,
                      },
                    ]
                  : key === 'pending'
                    ? now >= 1000
                    : (Reflect.get(from, key, from) as unknown),
            }) as never,
          },
        ],
      },
      clock,
    );
    await session.run(new AbortController().signal);
    expect(names(model)).to.deep.equal(['-old', '+ram0']);
    now = 1000;
    expect(model.state().targets[0]).to.deep.include({ stuck: 1, stuckSince: 0, pendingSince: 1000 });
    now = 9000;
    expect(names(model)).to.deep.equal(['-old', ' ram0']);
    expect(model.state().targets[0]).to.deep.include({ stuck: 1, stuckSince: 0, pendingSince: 1000 });
  });

  it('is a running QEMU, also after it was away, until it ends', async () => {
    await using qmp = await FakeQmp.listen(flatViewText([RAM]));
    using qemu = await QemuSource.connect(qmp.path, { interval: 1, reconnect: 600_000 });
    await using session = await open(qemuSource(qemu, { reconnect: 600_000 }), 'soft:exact');
    using model = new WatchModel(session, clock);
    const phases: string[] = [];
    session.status$.subscribe(({ phase }) => phases.push(phase));
    const ending = new AbortController();
    const running = session.run(ending.signal);
    await once(model, () => model.state().mappings === 1);
    await qmp.quit();
    await once(model, () => model.state().status.phase === 'waiting');
    qmp.text = flatViewText([RAM, ROM]);
    await qmp.open();
    await once(model, () => model.state().mappings === 2);
    expect(phases).to.deep.equal(['following', 'waiting', 'following']);
    ending.abort();
    await running;
    // Nobody has ended but who watches.
    expect(session.status.phase).to.equal('following');
  });

  it('has failed when QEMU hangs: what was there stays, with the error', async () => {
    await using qmp = await FakeQmp.listen('', {
      answer: (socket, asked) => asked === 1 && socket.write(`${JSON.stringify({ return: flatViewText([RAM]) })}\n`),
    });
    using qemu = await QemuSource.connect(qmp.path, { interval: 1, timeout: 50 });
    await using session = await open(qemuSource(qemu, { reconnect: 0 }));
    using model = new WatchModel(session, clock);
    await session.run(new AbortController().signal);
    const { status, mappings, problems } = model.state();
    expect([status.phase, mappings]).to.deep.equal(['failed', 1]);
    expect(problems.at(-1)?.text).to.match(/has not answered .*; QEMU hangs or is stopped/);
  });

  it('leaves nothing behind when a target cannot be attached', async () => {
    const source = await traceOf([line()]);
    const error: unknown = await open(source, 'soft', 'vhost-user:/nowhere').catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(Error).with.property('code', 'ENOENT');
  });
});

describe('latestOf', () => {
  it('gives of what comes in the meantime the last one, then the error', async () => {
    const values$ = new Subject<number>();
    const seen: number[] = [];
    const all = (async () => {
      for await (const value of latestOf(values$, new AbortController().signal)) {
        seen.push(value);
        if (value === 1) {
          values$.next(2);
          values$.next(3);
          values$.error(new Error('over'));
        }
      }
    })();
    values$.next(1);
    const error: unknown = await all.catch((reason: unknown) => reason);
    expect(seen).to.deep.equal([1, 3]);
    expect(error).to.be.instanceOf(Error).with.property('message', 'over');
  });

  it('ends when it is aborted, also while it waits, and lets go of the stream', async () => {
    const values$ = new Subject<number>();
    const ending = new AbortController();
    const next = latestOf(values$, ending.signal).next();
    expect(values$.observed).to.equal(true);
    ending.abort();
    expect(await next).to.deep.equal({ done: true, value: undefined });
    expect(values$.observed).to.equal(false);
  });
});

/** Resolves when the condition holds after a change. */
async function once(model: WatchModel, condition: () => boolean): Promise<void> {
  if (!condition()) {
    await new Promise<void>((resolve) => {
      const changes = model.changed$.subscribe(() => {
        if (condition()) {
          changes.unsubscribe();
          resolve();
        }
      });
    });
  }
}
