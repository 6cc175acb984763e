import { expect } from 'chai';
import { filter, NEVER, type Observable } from 'rxjs';
import {
  ensureMapped,
  fanOut,
  retryMaps,
  toTarget,
  withTimeout,
  type Attachment,
  type ChangeSet,
  type Region,
  type TargetBranch,
} from '../../../streams/index.js';
import { outcomeText, type RecordingTarget, type RecordingTargetOptions } from '../../../testing/index.js';
import { addRegion, gate, ledgerOf, mapping, nextTurn, range, rejectionOf, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

const GONE = 'ERR_TARGET_GONE';
/** A further attempt would make a command wait longer than a test may take. */
const RETRY = { count: 5, delay: 100_000 };

const WRAPS: Record<string, (branch: TargetBranch) => TargetBranch> = {
  withTimeout: (branch) => withTimeout(100_000, branch),
  retryMaps: (branch) => retryMaps(RETRY, branch),
  'withTimeout around retryMaps': (branch) => withTimeout(100_000, retryMaps(RETRY, branch)),
  'retryMaps around withTimeout': (branch) => retryMaps(RETRY, withTimeout(100_000, branch)),
};

const KINDS: Record<string, Omit<RecordingTargetOptions, 'name' | 'journal'>> = {
  'that answers at once': {},
  'that answers late': { reply: 'async', needsVa: true },
  'with batches, told of sets': { batches: true, sets: true },
};

for (const [wrapName, wrap] of Object.entries(WRAPS)) {
  for (const [kind, options] of Object.entries(KINDS)) {
    describe(`${wrapName}, around a target ${kind}`, () => {
      let stage: Stage;
      let other: RecordingTarget;
      let target: RecordingTarget;
      let attachment: Attachment;
      let region: Region;
      let outcomes: string[];
      let hangs: boolean;

      beforeEach(async () => {
        stage = new Stage();
        hangs = false;
        other = stage.target({ name: 'other' });
        target = stage.target({
          ...options,
          name: 'peer',
          reply: () => (hangs ? NEVER : options.reply === 'async' ? nextTurn() : undefined),
        });
        await stage.manager.attach(other);
        attachment = await stage.manager.attach(
          wrap((changes$) => changes$.pipe(ensureMapped(stage.va), toTarget(target))),
        );
        region = await addRegion(stage.manager, 0x0, 0x10000, {
          mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
        });
        outcomes = [];
        attachment.outcomes$.subscribe({
          next: (outcome) => outcomes.push(outcomeText(outcome).replace(/^\d+ /, '')),
          complete: () => outcomes.push('complete'),
        });
        target.takeCalls();
      });

      afterEach(async () => {
        expect([attachment.phase, attachment.ledger(), attachment.missing()]).to.deep.equal(['gone', [], []]);
        expect(stage.manager.attachments.map((one) => one.target)).to.deep.equal(['other']);
        expect(outcomes.slice(-2)).to.deep.equal([`failed ${GONE}`, 'complete']);
        expect(other.held().map(String)).to.deep.equal(viewOf(stage.manager).map((text) => text.split(' ')[0]));
        await stage.manager.close();
        expect(stage.va.held()).to.deep.equal([]);
        stage.expectContractsKept();
      });

      const addTwo = (): Promise<unknown> =>
        stage.manager.transaction((edit) => {
          edit.addMapping(region, mapping(0x8000, 0x9000));
          edit.addMapping(region, mapping(0xa000, 0xb000));
        });

      const mapCalls = (): string[] => target.calls.filter((text) => text.includes('map'));

      it('does not try a map again where the target is gone: the command is undone elsewhere', async () => {
        target.failAll('map', GONE);
        const before = viewOf(stage.manager);
        const error = await rejectionOf(addTwo());
        expect(error).to.include({ name: 'DmaMapError', code: GONE, target: 'peer' });
        expect(error).to.deep.include({ stuck: [], missing: [] });
        expect(viewOf(stage.manager)).to.deep.equal(before);
        expect(mapCalls()).to.have.length(1);
      });

      it('lets an unmap take effect where the target is gone: nothing is stuck', async () => {
        target.failAll('unmap', GONE);
        await region.removeMappings(range(0x0, 0x3000));
        expect(viewOf(stage.manager)).to.deep.equal([]);
      });

      it('ends with an abandoned call, map or unmap', async () => {
        hangs = true;
        const adding = rejectionOf(addTwo());
        await nextTurn();
        await nextTurn();
        const calls = target.calls.length;
        await attachment.detach({ abandon: true });
        expect(await adding).to.include({ name: 'DmaMapError', code: GONE });
        await nextTurn();
        expect(target.calls).to.have.length(calls);
      });

      it('ends where it is leaving, with something stuck, and the target is gone then', async () => {
        target.failAll('unmap', 'EBUSY');
        await rejectionOf(attachment.detach());
        expect(attachment.phase).to.equal('leaving');
        target.clearFailures().failAll('', GONE);
        await attachment.retryStuck();
      });
    });
  }
}

describe('withTimeout and retryMaps, around targets that end', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  it('do not try a set again whose undo finds one of several targets gone', async () => {
    const [failing, gone] = ['failing', 'gone'].map((name) =>
      stage.target({ name, concurrent: true, reply: 'async' }),
    ) as [RecordingTarget, RecordingTarget];
    const attachment = await stage.manager.attach(retryMaps(RETRY, fanOut(toTarget(failing), toTarget(gone))));
    failing.failAll('map', 'EBUSY');
    gone.failAll('unmap', GONE);
    await rejectionOf(addRegion(stage.manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000)] }));
    expect(failing.calls.filter((text) => text.startsWith('map'))).to.have.length(1);
    expect([attachment.phase, gone.held(), failing.held()]).to.deep.equal(['gone', [], []]);
    await stage.manager.close();
  });

  it('leave the one of two targets that has not answered in time, when the other is gone, until its call ends', async () => {
    const answer = gate();
    let hangs = false;
    const slow = stage.target({ name: 'slow', reply: () => (hangs ? answer.opened : undefined) });
    const gone = stage.target({ name: 'gone' });
    const attachment = await stage.manager.attach(fanOut(withTimeout(5, toTarget(slow)), toTarget(gone)));
    const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
    hangs = true;
    gone.failAll('unmap', GONE);
    await region.removeMappings(range(0x0, 0x1000));
    expect(stage.warnings.map(({ name, code }) => `${name} ${code}`)).to.deep.equal([
      `DmaError ${GONE}`,
      'DmaUnmapError ERR_TARGET_PENDING',
    ]);
    expect([attachment.phase, ledgerOf(attachment)]).to.deep.equal(['leaving', ['0x0-0x1000 rw stuck']]);
    expect(await rejectionOf(attachment.retryStuck())).to.include({ code: 'ERR_TARGET_PENDING' });
    hangs = false;
    answer.open();
    await nextTurn();
    slow.takeCalls();
    await attachment.retryStuck();
    // The late call has unmapped it.
    expect([slow.calls, slow.held(), attachment.phase, stage.manager.attachments]).to.deep.equal([[], [], 'gone', []]);
    await stage.manager.close();
  });

  it('leave a target whose replay is not answered in time, until its call ends', async () => {
    await addRegion(stage.manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000)] });
    const answer = gate();
    const target = stage.target({ name: 'slow', reply: ({ number }) => (number === 0 ? answer.opened : undefined) });
    const error = await rejectionOf(stage.manager.attach(withTimeout(5, toTarget(target))));
    expect(error).to.include({ name: 'DmaMapError', code: 'ETIMEDOUT' });
    const [attachment] = stage.manager.attachments;
    expect([attachment?.phase, attachment?.ledger().length]).to.deep.equal(['leaving', 1]);
    answer.open();
    await nextTurn();
    await attachment?.retryStuck();
    expect([attachment?.phase, target.held()]).to.deep.equal(['gone', []]);
    await stage.manager.attach(target);
    await stage.manager.close();
    expect(target.held()).to.deep.equal([]);
  });
});

describe('a branch with an operator that drops sets', () => {
  const HINT = 'use filterMaps(predicate) instead of filter()';
  let stage: Stage;
  let target: RecordingTarget;
  let drops: boolean;

  const branch = (changes$: Observable<ChangeSet>): ReturnType<TargetBranch> =>
    changes$.pipe(
      filter(() => !drops),
      toTarget(target),
    );

  beforeEach(() => {
    stage = new Stage();
    target = stage.target();
    drops = true;
  });

  const add = (): Promise<Error & Record<string, unknown>> =>
    rejectionOf(addRegion(stage.manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000)] }));

  it('is named by the error of an attach that is aborted, and of a detach after it', async () => {
    const abort = new AbortController();
    const attaching = rejectionOf(stage.manager.attach(branch, { signal: abort.signal }));
    await nextTurn();
    abort.abort();
    const error = await attaching;
    expect(error).to.include({
      name: 'AbortError',
      message: 'ABORT_ERR: the attach was aborted; the branch has not answered the replay',
    });
    expect(error['hint']).to.contain(HINT);
    const detaching = await rejectionOf(stage.manager.attachments[0]?.detach() ?? Promise.resolve());
    expect(detaching).to.have.property('code', 'ERR_TARGET_PENDING');
    expect(detaching['hint']).to.contain(HINT);
    await stage.manager.attachments[0]?.detach({ abandon: true });
    await stage.manager.close();
  });

  it('is named by the error of a command whose target is abandoned', async () => {
    drops = false;
    const attachment = await stage.manager.attach(branch);
    drops = true;
    const adding = add();
    await nextTurn();
    await attachment.detach({ abandon: true });
    expect((await adding)['hint']).to.contain(HINT);
    await stage.manager.close();
  });

  it('is named by the error of withTimeout, also where the target is not known', async () => {
    for (const [one, known] of [
      [branch, true],
      [(changes$: Observable<ChangeSet>) => NEVER.pipe(filter(() => changes$ !== undefined)), false],
    ] as const) {
      drops = false;
      const attaching = stage.manager.attach(withTimeout(5, one));
      const attachment = known ? await attaching : undefined;
      drops = true;
      const error = known ? await add() : await rejectionOf(attaching);
      expect(error).to.have.property('code', 'ETIMEDOUT');
      expect(error['hint']).to.contain(HINT);
      await attachment?.detach();
    }
    await stage.manager.close();
  });

  it('is not named where a target has not answered', async () => {
    drops = false;
    const slow = stage.target({ name: 'slow', reply: () => NEVER });
    const attachment = await stage.manager.attach(slow);
    const adding = add();
    await nextTurn();
    await attachment.detach({ abandon: true });
    expect((await adding)['hint']).to.not.contain('filterMaps');
    await stage.manager.close();
  });
});
