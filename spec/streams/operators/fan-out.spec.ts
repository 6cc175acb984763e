import { expect } from 'chai';
import { firstValueFrom, map as mapTo, NEVER, Observable, of, Subject, take, tap } from 'rxjs';
import {
  DmaError,
  ensureMapped,
  fanOut,
  toTarget,
  type ChangeSet,
  type Outcome,
  type TargetBranch,
} from '../../../streams/index.js';
import {
  marbleTest,
  FakeVaMapper,
  mapOf,
  outcomeText,
  RecordingTarget,
  setOf,
  unmapOf,
} from '../../../testing/index.js';
import { nextTurn, texts } from '../support/phrases.js';

const [A, B] = [mapOf('0x0-0x1000'), mapOf('0x2000-0x3000')];

function answers(name: string, answer: (set: ChangeSet) => Partial<Outcome> = () => ({})): TargetBranch {
  return (changes$) =>
    changes$.pipe(
      mapTo((set): Outcome => ({
        generation: set.generation,
        target: name,
        status: 'applied',
        skipped: [],
        ...answer(set),
      })),
    );
}

describe('fanOut', () => {
  let journal: string[];
  let first: RecordingTarget;
  let second: RecordingTarget;
  let third: RecordingTarget;

  beforeEach(() => {
    journal = [];
    [first, second, third] = ['1', '2', '3'].map((name) => new RecordingTarget({ name, journal })) as [
      RecordingTarget,
      RecordingTarget,
      RecordingTarget,
    ];
  });

  afterEach(() => {
    expect([first, second, third].flatMap(({ violations }) => violations)).to.deep.equal([]);
  });

  function serving(branch: TargetBranch): {
    serve(set: ChangeSet): Promise<Outcome>;
    readonly sets: Subject<ChangeSet>;
  } {
    const sets = new Subject<ChangeSet>();
    const outcomes = new Subject<Outcome>();
    sets.pipe(branch).subscribe(outcomes);
    return {
      sets,
      serve: (set) => {
        const answer = firstValueFrom(outcomes);
        sets.next(set);
        return answer;
      },
    };
  }

  it('answers every set with exactly one outcome, in order, also an empty one', () => {
    marbleTest(({ cold, expectObservable }) => {
      const sets = {
        a: setOf(1, { maps: [A] }),
        b: setOf(2),
        c: setOf(3, { unmaps: [unmapOf('0x0-0x1000')] }),
      };
      const branch = fanOut(toTarget(first), toTarget(second));
      expectObservable(cold('a-(bc)-|', sets).pipe(branch, mapTo(outcomeText))).toBe('a-(bc)-|', {
        a: '1 applied',
        b: '2 applied',
        c: '3 applied',
      });
    });
  });

  it('serves unmaps in reverse order of the branches, then maps in their order', async () => {
    const { serve } = serving(fanOut(toTarget(first), toTarget(second), toTarget(third)));
    await serve(setOf(1, { maps: [A] }));
    journal.length = 0;
    await serve(setOf(2, { unmaps: [unmapOf('0x0-0x1000')], maps: [B] }));
    expect(journal).to.deep.equal([
      '3: unmap 0x0-0x1000',
      '2: unmap 0x0-0x1000',
      '1: unmap 0x0-0x1000',
      '1: map 0x2000-0x3000 rw',
      '2: map 0x2000-0x3000 rw',
      '3: map 0x2000-0x3000 rw',
    ]);
  });

  it('serves a branch when the one before it has answered', async () => {
    const slow = new RecordingTarget({ name: 'slow', journal, reply: 'async' });
    const { serve } = serving(fanOut(toTarget(slow), toTarget(first)));
    const outcome = serve(setOf(1, { maps: [A] }));
    expect(journal).to.deep.equal(['slow: map 0x0-0x1000 rw']);
    await outcome;
    expect(journal).to.deep.equal(['slow: map 0x0-0x1000 rw', '1: map 0x0-0x1000 rw']);
  });

  it('names all its targets in its outcomes', async () => {
    const outcome = await serving(fanOut(toTarget(first), fanOut(toTarget(second), toTarget(third)))).serve(setOf(1));
    expect(outcome.target).to.equal('1+2+3');
  });

  it('undoes a set in all branches when a map fails in one, newest first', async () => {
    third.failCall(1, 'ENOMEM');
    const { serve } = serving(fanOut(toTarget(first), toTarget(second), toTarget(third)));
    const outcome = await serve(setOf(1, { maps: [A, B] }));
    expect(journal.slice(6)).to.deep.equal([
      '3: unmap 0x0-0x1000',
      '2: unmap 0x2000-0x3000',
      '2: unmap 0x0-0x1000',
      '1: unmap 0x2000-0x3000',
      '1: unmap 0x0-0x1000',
    ]);
    expect(outcomeText(outcome)).to.equal('1 failed ENOMEM');
    expect(outcome.error).to.include({ target: '3' });
    expect(String(outcome.failedAt?.range)).to.equal('0x2000-0x3000');
    expect(outcome.undone?.map(({ target, range }) => `${target} ${range.toString()}`)).to.deep.equal([
      '3 0x0-0x1000',
      '2 0x2000-0x3000',
      '2 0x0-0x1000',
      '1 0x2000-0x3000',
      '1 0x0-0x1000',
    ]);
  });

  it('maps again at each target what it had unmapped for that set', async () => {
    const { serve } = serving(fanOut(toTarget(first), toTarget(second)));
    await serve(setOf(1, { maps: [A] }));
    second.failAll('map 0x2000');
    await serve(setOf(2, { unmaps: [unmapOf('0x0-0x1000')], maps: [B] }));
    expect(texts(first.held())).to.deep.equal(['0x0-0x1000']);
    expect(texts(second.held())).to.deep.equal(['0x0-0x1000']);
  });

  it('names what could not be mapped again, and what could not be unmapped', async () => {
    const { serve } = serving(fanOut(toTarget(first), toTarget(second)));
    await serve(setOf(1, { maps: [A] }));
    first.failAll('map 0x0', 'EFAULT');
    second.failAll('map 0x2000', 'ENOMEM');
    const outcome = await serve(setOf(2, { unmaps: [unmapOf('0x0-0x1000')], maps: [B] }));
    expect(outcomeText(outcome)).to.equal('2 failed ENOMEM');
    expect(outcome.missing?.map(({ target, range }) => `${target} ${range.toString()}`)).to.deep.equal([
      '1 0x0-0x1000',
    ]);
    const again = await serve(setOf(2, { maps: [A], undo: true }));
    expect(outcomeText(again)).to.equal('2 failed EFAULT');
  });

  it('continues after a failed unmap, and names it', async () => {
    const { serve } = serving(fanOut(toTarget(first), toTarget(second), toTarget(third)));
    await serve(setOf(1, { maps: [A] }));
    second.failAll('unmap', 'EBUSY');
    const outcome = await serve(setOf(2, { unmaps: [unmapOf('0x0-0x1000')], maps: [B] }));
    expect(outcomeText(outcome)).to.equal('2 failed EBUSY');
    expect(outcome.stuck?.map(({ target }) => target)).to.deep.equal(['2']);
    expect([first, second, third].map((target) => target.held().length)).to.deep.equal([1, 2, 1]);
  });

  it('counts all unmapped mappings as stuck when a branch that failed names none', async () => {
    const vague = answers('vague', ({ unmaps }) =>
      unmaps.length > 0 ? { status: 'failed', error: new DmaError('no', { code: 'EBUSY' }) } : {},
    );
    const outcome = await serving(fanOut(vague)).serve(
      setOf(1, { unmaps: [unmapOf('0x0-0x4000', { covers: ['0x0-0x1000', '0x2000-0x3000'] })] }),
    );
    expect(outcome.stuck?.map(({ target, range }) => `${target} ${range.toString()}`)).to.deep.equal([
      'vague 0x0-0x1000',
      'vague 0x2000-0x3000',
    ]);
  });

  it('collects what was skipped in any branch', async () => {
    first.failAll('map', 'EFAULT');
    third.failAll('map', 'EPERM');
    const { serve } = serving(fanOut(toTarget(first), toTarget(second), toTarget(third)));
    const outcome = await serve(setOf(1, { maps: [{ ...A, type: 'device' }] }));
    expect(outcomeText(outcome)).to.equal('1 applied skipped EFAULT skipped EPERM');
  });

  it('works with a VA mapper in front of one of its branches only', async () => {
    const va = new FakeVaMapper();
    const byAddress = new RecordingTarget({ needsVa: true });
    const { serve } = serving(
      fanOut(toTarget(first), (changes$) => changes$.pipe(ensureMapped(va), toTarget(byAddress))),
    );
    expect(outcomeText(await serve(setOf(1, { maps: [A] })))).to.equal('1 applied');
    expect(first.requests[0]).not.to.have.property('hostVa');
    expect(byAddress.requests[0]).to.have.property('hostVa');
  });

  it('applies every set when it has no branches', () => {
    marbleTest(({ cold, expectObservable }) => {
      expectObservable(cold('a-a|', { a: setOf(1, { maps: [A] }) }).pipe(fanOut(), mapTo(outcomeText))).toBe('a-a|', {
        a: '1 applied',
      });
    });
  });

  it('fails a set when a branch has ended, and undoes it in the others', async () => {
    const { serve } = serving(fanOut(toTarget(first), (changes$) => changes$.pipe(take(1), answers('short'))));
    expect(outcomeText(await serve(setOf(1, { maps: [A] })))).to.equal('1 applied');
    expect(outcomeText(await serve(setOf(2, { maps: [B] })))).to.equal('2 failed ERR_BRANCH_ENDED');
    expect(texts(first.held())).to.deep.equal(['0x0-0x1000']);
  });

  it('ignores an outcome for which no set is open', async () => {
    const chatty: TargetBranch = (changes$) =>
      new Observable((subscriber) => {
        subscriber.next({ generation: 9, target: 'chatty', status: 'failed', skipped: [] });
        return changes$.pipe(answers('chatty')).subscribe(subscriber);
      });
    expect(outcomeText(await serving(fanOut(chatty, toTarget(first))).serve(setOf(1, { maps: [A] })))).to.equal(
      '1 applied',
    );
  });

  it('waits for a branch that does not answer, and queues later sets', async () => {
    const { serve } = serving(fanOut(toTarget(first), () => NEVER, toTarget(third)));
    let answered = false;
    void serve(setOf(1, { maps: [A] })).then(() => (answered = true));
    await nextTurn();
    expect(answered).to.equal(false);
    expect(third.calls).to.deep.equal([]);
  });

  it('ends its branches when its source completes, and when it is unsubscribed', () => {
    let ended = 0;
    const counting: TargetBranch = (changes$) => changes$.pipe(tap({ complete: () => (ended += 1) }), answers('x'));
    of(setOf(1)).pipe(fanOut(counting, counting)).subscribe();
    expect(ended).to.equal(2);
    new Subject<ChangeSet>().pipe(fanOut(counting, counting)).subscribe().unsubscribe();
    expect(ended).to.equal(4);
  });

  it('serves each of its subscriptions, one after another', () => {
    const target = new RecordingTarget();
    const outcomes$ = of(setOf(1, { maps: [A] }), setOf(2, { unmaps: [A.range] })).pipe(
      fanOut(toTarget(target), toTarget(new RecordingTarget({ name: 'other' }))),
    );
    const seen: string[] = [];
    for (let time = 0; time < 2; time++) {
      outcomes$.subscribe((outcome) => seen.push(outcomeText(outcome)));
    }
    expect(seen).to.deep.equal(['1 applied', '2 applied', '1 applied', '2 applied']);
  });

  it('throws at once when an argument is not a branch', () => {
    expect(() => fanOut('no branch' as unknown as TargetBranch)).to.throw(TypeError, 'branch');
  });

  it('throws what a branch function throws, before any branch is subscribed', () => {
    let subscribed = 0;
    const counting: TargetBranch = (changes$) =>
      changes$.pipe(tap({ subscribe: () => (subscribed += 1) }), answers('x'));
    expect(() => of(setOf(1)).pipe(fanOut(counting, () => 'no observable' as never))).to.throw(TypeError, 'Observable');
    expect(subscribed).to.equal(0);
  });
});
