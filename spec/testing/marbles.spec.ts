import { expect } from 'chai';
import { AssertionError } from 'node:assert/strict';
import { concatMap, delay, NEVER, of, throwError, timer } from 'rxjs';
import { fanOut, RegionManager, toTarget } from '../../streams/index.js';
import {
  addRam,
  FakeVaMapper,
  mapOf,
  marbleTest,
  RecordingTarget,
  setOf,
  type MarbleHelpers,
} from '../../testing/index.js';

const ONE = '0x1000-0x2000';
const TWO = '0x2000-0x3000';

/** The error of a marble test, which has to fail. */
function failureOf(work: (helpers: MarbleHelpers) => void): Error {
  try {
    marbleTest(work);
  } catch (error) {
    return error as Error;
  }
  throw new Error('the marble test passed');
}

describe('marbleTest', () => {
  describe('sets', () => {
    it('emits change sets in the frames of the diagram, with generations from 1 in the order of the diagram', () => {
      marbleTest(({ sets, expectObservable }) => {
        const sets$ = sets('b--a-b|', { a: { maps: [ONE] }, b: { unmaps: [ONE], maps: [TWO] } });
        expectObservable(sets$).toBe('p--q-r|', {
          p: setOf(1, { unmaps: [ONE], maps: [TWO] }),
          q: setOf(2, { maps: [ONE] }),
          r: setOf(3, { unmaps: [ONE], maps: [TWO] }),
        });
        expectObservable(sets$, '--^').toBe('--p--q-r|', {
          p: setOf(1, { unmaps: [ONE], maps: [TWO] }),
          q: setOf(2, { maps: [ONE] }),
          r: setOf(3, { unmaps: [ONE], maps: [TWO] }),
        });
      });
    });

    it('gives an undo the generation of the set before it, and emits a whole change set as it is', () => {
      const whole = setOf(7, { maps: [TWO], snapshot: true });
      marbleTest(({ sets, expectSets }) => {
        const values = { a: { maps: [ONE] }, u: { unmaps: [ONE], undo: true as const }, w: whole };
        expectSets(sets('auwa|', values)).toBe('auwb|', {
          a: `1: map ${ONE} rw`,
          u: `1 undo: unmap ${ONE}`,
          w: `7 snapshot: map ${TWO} rw`,
          b: `3: map ${ONE} rw`,
        });
      });
    });

    it('takes map changes, and time progression in the diagram', () => {
      const rom = mapOf(ONE, { writable: false });
      marbleTest(({ sets, expectSets }) => {
        expectSets(sets('a 1s b|', { a: { maps: [rom] }, b: {} })).toBe('a 1000ms b|', {
          a: `1: map ${ONE} ro`,
          b: '2',
        });
      });
    });

    it('takes a list of values for digits, as expectations do', () => {
      marbleTest(({ sets, expectSets }) => {
        expectSets(sets('01-0|', [{}, { maps: [ONE] }])).toBe('01-2|', ['1', `2: map ${ONE} rw`, '3']);
      });
      expect(failureOf(({ sets }) => void sets('02', [{}, {}])).message).to.contain('values are given for: 0, 1');
    });

    it('errors where the diagram has a #', () => {
      marbleTest(({ sets, expectSets }) => {
        const boom = new Error('boom');
        expectSets(sets('-#', {}, boom)).toBe('-#', {}, boom);
        expectSets(sets('-#')).toBe('-#');
      });
    });

    it('refuses a letter without a value, and a text that is not a range, at once', () => {
      expect(failureOf(({ sets }) => void sets('a--x|', { a: {}, b: {} })).message).to.equal(
        "'x' in the diagram 'a--x|' has no value; values are given for: a, b",
      );
      expect(failureOf(({ sets }) => void sets('a|')).message).to.contain('values are given for: nothing');
      expect(failureOf(({ sets }) => void sets('a|', { a: { maps: ['0x1-0x2'] } }))).to.be.instanceOf(RangeError);
      expect(failureOf(({ sets }) => void sets('a!', { a: {} })).message).to.contain('unsubscription marker');
    });
  });

  describe('expectCalls', () => {
    it('expects the calls of a fake, in the frames in which they are made', () => {
      const target = new RecordingTarget({ name: 'A' }).failRange(TWO, 'ENOSPC');
      marbleTest(({ sets, expectOutcomes, expectCalls }) => {
        const sets$ = sets('a--b|', { a: { maps: [ONE] }, b: { unmaps: [ONE], maps: [TWO] } });
        expectOutcomes(sets$.pipe(toTarget(target))).toBe('a--b|', { a: '1 applied', b: '2 failed ENOSPC' });
        expectCalls(target).toBe('a--(bcd)', {
          a: `map ${ONE} rw`,
          b: `unmap ${ONE}`,
          c: `map ${TWO} rw -> ENOSPC`,
          d: `map ${ONE} rw`,
        });
      });
    });

    it('expects the calls of several fakes in one order, with their names', () => {
      const va = new FakeVaMapper();
      const [a, b] = [new RecordingTarget({ name: 'A', needsVa: true }), new RecordingTarget({ name: 'B' })];
      marbleTest(({ cold, expectCalls }) => {
        const manager = new RegionManager({ vaMapper: va });
        void manager.attach(a);
        void manager.attach(b);
        cold('--x').subscribe(() => void addRam(manager, ONE));
        expectCalls(a, va, b).toBe('--(xyz)', {
          x: `va: ensure ${ONE}`,
          y: `A: map ${ONE} rw`,
          z: `B: map ${ONE} rw`,
        });
      });
    });

    it('counts calls before virtual time begins as of frame 0, and calls before it not at all', () => {
      const target = new RecordingTarget();
      marbleTest(({ expectCalls }) => {
        void target.mapDma(mapOf(ONE) as never);
        const calls = expectCalls(target);
        const { range } = mapOf(TWO);
        void target.mapDma(mapOf(TWO) as never);
        void target.unmapDma(range);
        calls.toBe('(ab)', { a: `map ${TWO} rw`, b: `unmap ${TWO}` });
      });
    });
  });

  describe('in virtual time', () => {
    it('waits for targets that answer late by an observable, one call after another', () => {
      const slow = new RecordingTarget({ name: 'slow', reply: ({ kind }) => timer(kind === 'map' ? 30 : 10) });
      const fast = new RecordingTarget({ name: 'fast' });
      marbleTest(({ sets, expectOutcomes, expectCalls }) => {
        const sets$ = sets('ab|', { a: { maps: [ONE] }, b: { unmaps: [ONE], maps: [TWO] } });
        expectOutcomes(sets$.pipe(fanOut(toTarget(slow), toTarget(fast)))).toBe('30ms a 39ms (b|)', {
          a: '1 applied',
          b: '2 applied',
        });
        expectCalls(slow, fast).toBe('a 29ms (bcd) 5ms e 29ms f', {
          a: `slow: map ${ONE} rw`,
          b: `fast: map ${ONE} rw`,
          c: `fast: unmap ${ONE}`,
          d: `slow: unmap ${ONE}`,
          e: `slow: map ${TWO} rw`,
          f: `fast: map ${TWO} rw`,
        });
      });
    });

    it('delays sets by operators in front of a target', () => {
      const target = new RecordingTarget();
      marbleTest(({ sets, expectOutcomes }) => {
        const sets$ = sets('a-----b-----|', { a: { maps: [ONE] }, b: { maps: [TWO] } });
        const delayed$ = sets$.pipe(concatMap((set) => of(set).pipe(delay(2))));
        expectOutcomes(delayed$.pipe(toTarget(target))).toBe('--a-----b---|', { a: '1 applied', b: '2 applied' });
      });
    });

    it('runs the commands of a manager', () => {
      marbleTest(({ cold, expectSets }) => {
        const manager = new RegionManager();
        cold('-a-b').subscribe((name) => void addRam(manager, name === 'a' ? ONE : TWO, { region: name }));
        expectSets(manager.changes()).toBe('01-2', {
          0: '0 snapshot',
          1: `1: map ${ONE} rw`,
          2: `2: map ${TWO} rw`,
        });
        expectSets(manager.changes(), '--^').toBe('--ab', { a: `1 snapshot: map ${ONE} rw`, b: `2: map ${TWO} rw` });
      });
    });
  });

  describe('says what differs', () => {
    const target = (): RecordingTarget => new RecordingTarget({ name: 'A' }).failCall(1, 'ENOSPC');

    it('of outcomes: frame by frame, with the differing lines marked', () => {
      const error = failureOf(({ sets, expectOutcomes }) => {
        const sets$ = sets('a--b|', { a: { maps: [ONE] }, b: { maps: [TWO] } });
        expectOutcomes(sets$.pipe(toTarget(target()))).toBe('a-b-|', { a: '1 applied', b: '2 applied' });
      });
      expect(error).to.be.instanceOf(AssertionError);
      expect(error.message.split('\n')).to.deep.equal([
        "the outcomes differ from 'a-b-|'",
        'expected:',
        "  frame 0: '1 applied'",
        "- frame 2: '2 applied'",
        '  frame 4: complete',
        'received:',
        "  frame 0: '1 applied'",
        "+ frame 3: '2 failed ENOSPC'",
        '  frame 4: complete',
      ]);
    });

    it('of calls, with the names of the fakes, also when nothing is called', () => {
      const error = failureOf(({ expectCalls }) => {
        expectCalls(target(), new RecordingTarget({ name: 'B' })).toBe('a', { a: `A: map ${ONE} rw` });
      });
      expect(error.message).to.match(/^the calls of A and B differ from 'a'\n.*received:\n {2}nothing/s);
    });

    it('of the right expectation, where several are made', () => {
      const error = failureOf(({ sets, cold, expectSets, expectObservable, expectSubscriptions }) => {
        const source = cold('-a|');
        expectObservable(source).toBe('-a|');
        expectSubscriptions(source.subscriptions).toBe('^-!');
        expectSets(sets('a|', { a: {} })).toBe('b|', { b: '2' });
        expectObservable(NEVER).toBe('');
      });
      expect(error.message).to.contain("the change sets differ from 'b|'");
      const flushed = failureOf(({ sets, expectSets, expectOutcomes, flush }) => {
        expectOutcomes(NEVER);
        expectSets(sets('a|', { a: {} })).toBe('b|', { b: '2' });
        flush();
      });
      expect(flushed.message).to.contain("the change sets differ from 'b|'");
    });

    it('of errors, subscriptions and values of other kinds', () => {
      const failing = throwError(() => new Error('boom'));
      expect(failureOf(({ expectOutcomes }) => expectOutcomes(failing).toBe('|')).message).to.contain(
        '+ frame 0: error Error: boom',
      );
      const values = failureOf(({ cold, expectObservable }) => {
        expectObservable(cold('a', { a: { at: ONE } })).toBe('a', { a: { at: TWO } });
      });
      expect(values.message).to.contain(`- frame 0: { at: '${TWO}' }`).and.to.contain(`+ frame 0: { at: '${ONE}' }`);
      const subscriptions = failureOf(({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('----|');
        expectObservable(source).toBe('----|');
        expectSubscriptions(source.subscriptions).toBe('^');
      });
      expect(subscriptions.message).to.contain('- subscribed in frame 0, never unsubscribed');
      expect(subscriptions.message).to.contain('+ subscribed in frame 0, unsubscribed in frame 4');
      const other = failureOf(({ cold, expectObservable }) => expectObservable(cold('a|')).toEqual(cold('-a|')));
      expect(other.message).to.contain('the values of the observable differ from the other observable');
    });

    it('of values that look alike', () => {
      const error = failureOf(({ cold, expectObservable }) => {
        expectObservable(cold('a', { a: { call: () => 1 } })).toBe('a', { a: { call: () => 1 } });
      });
      expect(error.message)
        .to.contain('received:\n  frame 0: { call: [Function: call] }\n')
        .and.to.contain('not reference-equal');
    });

    it('and why nothing came, where a target answers with a promise', () => {
      const error = failureOf(({ sets, expectOutcomes }) => {
        const asynchronous = new RecordingTarget({ reply: 'async' });
        expectOutcomes(sets('a|', { a: { maps: [ONE] } }).pipe(toTarget(asynchronous))).toBe('(a|)', {
          a: '1 applied',
        });
      });
      expect(error.message).to.contain('received:\n  nothing\n').and.to.contain('A call that answers with a promise');
    });
  });

  describe('fails', () => {
    it('when change sets are given as outcomes, or another target as a fake', () => {
      expect(() => {
        marbleTest(({ sets, expectOutcomes }) => {
          expectOutcomes(sets('a|', { a: { maps: [] } }) as never).toBe('a|', { a: '1 applied' });
        });
      }).to.throw(/put toTarget\(target\) before it/);
      expect(() => {
        marbleTest(({ expectCalls }) => {
          expectCalls({ name: 'T', mapDma: () => undefined, unmapDma: () => undefined } as never).toBe('-');
        });
      }).to.throw(TypeError, /expectCalls takes fakes of this kit/);
    });

    it('when an expectation has no toBe', () => {
      for (const forget of ['expectOutcomes', 'expectSets', 'expectObservable'] as const) {
        const error = failureOf((helpers) => {
          helpers.expectObservable(of(1)).toBe('(1|)', { 1: 1 });
          helpers[forget](NEVER);
          helpers.flush();
        });
        expect(error.message, forget).to.match(/^an expectation of the .* was not compared: add \.toBe/);
      }
    });

    it('when a letter of an expectation has no text', () => {
      expect(failureOf(({ expectSets }) => expectSets(NEVER).toBe('ab', { a: '1' })).message).to.equal(
        "'b' in the diagram 'ab' has no value; values are given for: a",
      );
    });

    it('when its function is async, which would end after the test', () => {
      const work = (() => Promise.reject(new Error('never seen'))) as () => void;
      expect(failureOf(work).message).to.contain('must not be async');
    });

    it('when it is given no function', () => {
      expect(failureOf(undefined as never).message).to.equal(
        'the argument of marbleTest must be a function, not undefined',
      );
    });

    it('with what its function throws, and with what a subscriber throws in virtual time', () => {
      const boom = new Error('boom');
      const fail = (): never => {
        throw boom;
      };
      expect(failureOf(fail)).to.equal(boom);
      expect(failureOf(({ cold }) => void cold('--a').subscribe(fail))).to.equal(boom);
      marbleTest(({ cold, expectObservable }) => {
        expectObservable(cold('a').pipe(delay(1))).toBe('-a');
      });
    });

    it('with a stack that begins where it was called', () => {
      const error = failureOf(({ expectSets }) => expectSets(NEVER).toBe('|'));
      expect(error.stack?.split('\n').find((line) => line.startsWith('    at '))).to.contain('marbles.spec');
    });
  });
});
