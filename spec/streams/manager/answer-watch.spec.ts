import { expect } from 'chai';
import { filter, firstValueFrom, NEVER, type Observable } from 'rxjs';
import {
  RegionManager,
  toTarget,
  type ChangeSet,
  type DmaError,
  type RegionManagerOptions,
  type TargetBranch,
} from '../../../streams/index.js';
import { RecordingTarget } from '../../../testing/index.js';
import { addRegion, gate, mapping, nextTurn, rejectionOf } from '../support/phrases.js';

describe('RegionManager: a target that does not answer', () => {
  const WARN_AFTER = 8;
  let manager: RegionManager;
  let warnings: DmaError[];

  beforeEach(() => {
    warnings = [];
    manager = new RegionManager({ warnAfter: WARN_AFTER, onWarning: (warning) => warnings.push(warning) });
  });

  afterEach(async () => {
    for (const attachment of manager.attachments) {
      await attachment.detach({ abandon: true });
    }
    await manager.close();
  });

  const add = (start = 0x0): Promise<unknown> =>
    addRegion(manager, start, start + 0x1000, { name: `r${start}`, mappings: [mapping(0x0, 0x1000)] });

  const texts = (): string[] => warnings.map(({ message }) => message);

  const nextWarning = (): Promise<DmaError> => firstValueFrom(manager.warnings$);

  it('is reported once, with its generation and what to do, and again when it has answered', async () => {
    const answer = gate();
    await add();
    await manager.attach(
      new RecordingTarget({ name: 'x', reply: ({ number }) => (number === 1 ? answer.opened : undefined) }),
    );
    const adding = add(0x4000);
    const warning = await nextWarning();
    expect(warning).to.include({ code: 'ERR_TARGET_SLOW', target: 'x' });
    expect(warning.message).to.equal("ERR_TARGET_SLOW: 'x' has not answered generation 2 for 8 ms");
    expect(warning.hint).to.contain('withTimeout(ms, branch)').and.contain('abandon');
    for (let turn = 0; turn < 20; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(warnings).to.have.length(1);
    const ended = nextWarning();
    answer.open();
    await adding;
    expect((await ended).message).to.match(
      /^ERR_TARGET_SLOW: the wait for 'x' to answer generation 2 has ended after \d+ ms$/,
    );
    expect(warnings).to.have.length(2);
  });

  it('is an operator, where no call of a target is open: the hint names filterMaps', async () => {
    let drops = false;
    const branch: TargetBranch = (changes$: Observable<ChangeSet>) =>
      changes$.pipe(
        filter(() => !drops),
        toTarget(new RecordingTarget({ name: 'behind' })),
      );
    await manager.attach(branch);
    drops = true;
    const adding = rejectionOf(add());
    const warning = await nextWarning();
    expect(warning.message).to.contain("'behind' has not answered generation 1 for 8 ms");
    expect(warning.hint).to.contain('use filterMaps(predicate) instead of filter()');
    await manager.attachments[0]?.detach({ abandon: true });
    await adding;
  });

  it('is reported in a replay, also after the attach was aborted', async () => {
    await add();
    const abort = new AbortController();
    const attaching = rejectionOf(
      manager.attach(new RecordingTarget({ name: 'x', reply: () => new Promise(() => undefined) }), {
        signal: abort.signal,
      }),
    );
    abort.abort();
    await attaching;
    expect(texts()).to.deep.equal(["ERR_TARGET_SLOW: 'x' has not answered generation 1 for 8 ms"]);
  });

  for (const [name, call] of [
    ['verify()', 'mappedRanges'],
    ['the end of a set', 'endSet'],
  ] as const) {
    it(`is reported in a call outside of a set: ${name}`, async () => {
      const target = new RecordingTarget({ name: 'x' });
      const attachment = await manager.attach(Object.assign(target, { [call]: () => new Promise(() => undefined) }));
      const waiting = call === 'endSet' ? add() : rejectionOf(attachment.verify());
      const warning = await nextWarning();
      expect(warning.message).to.contain("'x' has not answered a call outside of a change set for 8 ms");
      await attachment.detach({ abandon: true });
      await waiting;
    });
  }

  it('is not reported as long as each of its calls is answered in time', async () => {
    let calls = 0;
    const target = new RecordingTarget({
      name: 'x',
      reply: async () => {
        calls += 1;
        await nextTurn();
      },
    });
    await manager.attach(target);
    const region = await addRegion(manager, 0x0, 0x100_0000, {});
    const done = manager.transaction((edit) => {
      for (let page = 0; page < 2000; page++) {
        edit.addMapping(region, mapping(page * 0x2000, page * 0x2000 + 0x1000));
      }
    });
    await done;
    expect([calls, texts()]).to.deep.equal([2000, []]);
  });

  it('sets no timer for a command that ends within its call, and keeps no process running', async () => {
    const original = globalThis.setTimeout;
    const timers: NodeJS.Timeout[] = [];
    globalThis.setTimeout = Object.assign((work: () => void, ms?: number) => {
      const timer = original(work, ms);
      timers.push(timer);
      return timer;
    }, original);
    try {
      await manager.attach(new RecordingTarget({ name: 'quick' }));
      await add();
      expect(timers).to.deep.equal([]);
      await manager.attach(new RecordingTarget({ name: 'slow', reply: 'async' }));
      for (let index = 1; index <= 50; index++) {
        await add(index * 0x4000);
      }
      // One timer serves all commands in its time.
      expect(timers).to.have.length.within(1, 40);
      expect(timers.filter((timer) => timer.hasRef())).to.deep.equal([]);
    } finally {
      globalThis.setTimeout = original;
    }
  });

  it('is never reported with Infinity', async () => {
    const quiet: DmaError[] = [];
    const never = new RegionManager({ warnAfter: Infinity, onWarning: (warning) => quiet.push(warning) });
    await never.attach(new RecordingTarget({ name: 'x', reply: () => NEVER }));
    const adding = rejectionOf(addRegion(never, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000)] }));
    for (let turn = 0; turn < 20; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await never.attachments[0]?.detach({ abandon: true });
    await adding;
    expect(quiet.map(({ code }) => code)).to.deep.equal(['ERR_TARGET_GONE']);
    await never.close();
  });

  for (const [warnAfter, message] of [
    [0, 'warnAfter of a RegionManager must be 1 to 2147483647 milliseconds, not 0'],
    [NaN, 'warnAfter of a RegionManager must be 1 to 2147483647 milliseconds, not NaN'],
    ['5' as never, "warnAfter of a RegionManager must be a number of milliseconds, not '5'"],
  ] as const) {
    it(`refuses wrong options: ${message}`, () => {
      const options: RegionManagerOptions = { warnAfter };
      expect(() => new RegionManager(options)).to.throw(message);
    });
  }
});
