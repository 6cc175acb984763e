import { inspect } from 'node:util';
import { map, merge, ReplaySubject, type Observable } from 'rxjs';
import { TestScheduler, type RunHelpers } from 'rxjs/testing';
import { checkFunction } from '../streams/internal.js';
import type { ChangeSet, Outcome } from '../streams/index.js';
import { setOf, type SetContents } from './builders.js';
import { FailingFake } from './failing-fake.js';
import { Expectations, type Recorded } from './marble-expectations.js';
import { outcomeText, setText } from './texts.js';

/** What an observable of texts has to emit. */
export interface TextExpectation {
  /**
   * Says what is expected. It is compared when the test has run.
   *
   * @param marbles a marble diagram
   * @param texts the text for each letter of the diagram; or a list of texts, where the letters are the digits from 0
   * @param error what the observable errors with, where the diagram has a `#`
   * @throws Error if a letter has no text
   */
  toBe(marbles: string, texts?: Readonly<Record<string, string>> | readonly string[], error?: unknown): void;
}

/** The helpers of RxJS's `TestScheduler.run`, and those for change sets, outcomes and calls. */
export interface MarbleHelpers extends RunHelpers {
  /**
   * A cold observable of change sets. Generations are counted in the order of the diagram, from 1; an undo has the generation of the set
   * before it. A value that is a whole `ChangeSet` is emitted as it is. `values` may be a list, where the letters are the digits from 0.
   *
   * @throws Error if a letter has no value; as `MemoryRange.parse` for a text that is not a range
   */
  readonly sets: (
    marbles: string,
    values?: Readonly<Record<string, SetContents | ChangeSet>> | readonly (SetContents | ChangeSet)[],
    error?: unknown,
  ) => Observable<ChangeSet>;
  /** Expects outcomes, as texts of `outcomeText`: `'3 applied'`. */
  readonly expectOutcomes: (outcomes$: Observable<Outcome>, subscriptionMarbles?: string) => TextExpectation;
  /** Expects change sets, as texts of `setText`: `'2: map 0x4000-0x8000 rw'`. */
  readonly expectSets: (sets$: Observable<ChangeSet>, subscriptionMarbles?: string) => TextExpectation;
  /**
   * Expects the calls that fakes receive from now on: `'map 0x0-0x4000 rw'`. Calls of several fakes have the name of the fake before them:
   * `'A: map 0x0-0x4000 rw'`. This observable never completes.
   */
  readonly expectCalls: (...fakes: readonly [FailingFake, ...FailingFake[]]) => TextExpectation;
}

/**
 * Runs a test in virtual time, in which marble diagrams say when something happens: one character is one frame, which is one millisecond.
 * All timers of RxJS run in virtual time, also those of a fake that answers late: `reply: () => timer(2)`. Promises do not: a call that
 * answers with a promise does not end before the test does.
 *
 * Works in every test runner. Expectations are compared as `deepStrictEqual` of `node:assert/strict` does.
 *
 * @param work makes the expectations, with helpers that it gets; must not be `async`
 * @throws AssertionError with what was expected and received, frame by frame; Error if an expectation has no `toBe`
 *
 * @example
 * ```ts
 * import { toTarget } from 'dma-streams';
 * import { marbleTest, RecordingTarget } from 'dma-streams/testing';
 * import { timer } from 'rxjs';
 *
 * const target = new RecordingTarget({ reply: () => timer(2) });
 * marbleTest(({ sets, expectOutcomes, expectCalls }) => {
 *   const sets$ = sets('a---b|', { a: { maps: ['0x0-0x4000'] }, b: { unmaps: ['0x0-0x4000'] } });
 *   expectOutcomes(sets$.pipe(toTarget(target))).toBe('--a---(b|)', { a: '1 applied', b: '2 applied' });
 *   expectCalls(target).toBe('a---b', { a: 'map 0x0-0x4000 rw', b: 'unmap 0x0-0x4000' });
 * });
 * ```
 */
export function marbleTest(work: (helpers: MarbleHelpers) => void): void {
  checkFunction(work, 'the argument of marbleTest');
  const expectations = new Expectations(marbleTest);
  const scheduler = new TestScheduler((received: Recorded[], expected: Recorded[]) => {
    expectations.compare(received, expected);
  });
  const call: (helpers: MarbleHelpers) => unknown = work;
  scheduler.run((run) => {
    const returned = call({ ...run, ...helpersOn(run, expectations) });
    if (returned instanceof Promise) {
      returned.catch(() => undefined);
      throw new TypeError('the function given to marbleTest returned a promise: it must not be async');
    }
  });
  expectations.checkAllCompared();
}

function helpersOn(
  run: RunHelpers,
  expectations: Expectations,
): Omit<MarbleHelpers, 'cold' | 'hot' | 'flush' | 'time' | 'animate'> {
  const expectTexts = (what: string, texts$: Observable<string>, subscriptionMarbles?: string): TextExpectation => {
    const made = run.expectObservable(texts$, subscriptionMarbles);
    const compareWith = expectations.add(what);
    return {
      toBe: (marbles, texts = {}, error) => {
        checkLetters(marbles, texts);
        compareWith(`'${marbles}'`);
        made.toBe(marbles, texts, error);
      },
    };
  };
  return {
    expectObservable: (observable$, subscriptionMarbles) => {
      const made = run.expectObservable(observable$, subscriptionMarbles);
      const compareWith = expectations.add('the values of the observable');
      return {
        toBe: (marbles, values, error) => {
          compareWith(`'${marbles}'`);
          made.toBe(marbles, values, error);
        },
        toEqual: (other$) => {
          compareWith('the other observable');
          made.toEqual(other$);
        },
      };
    },
    expectSubscriptions: (logs) => {
      const made = run.expectSubscriptions(logs);
      const compareWith = expectations.add('the subscriptions');
      return {
        toBe: (marbles) => {
          compareWith(inspect(marbles));
          made.toBe(marbles);
        },
      };
    },
    sets: (marbles, values = {}, error) => {
      const emitted = numbered(checkLetters(marbles, values));
      return run.cold(marbles, undefined, error).pipe(map((_, index) => emitted[index] as ChangeSet));
    },
    expectOutcomes: (outcomes$, subscriptionMarbles) =>
      expectTexts('the outcomes', outcomes$.pipe(map(checkedOutcomeText)), subscriptionMarbles),
    expectSets: (sets$, subscriptionMarbles) =>
      expectTexts('the change sets', sets$.pipe(map(setText)), subscriptionMarbles),
    expectCalls: (...fakes) => {
      for (const fake of fakes as readonly unknown[]) {
        if (!(fake instanceof FailingFake)) {
          throw new TypeError(
            'expectCalls takes fakes of this kit, such as a RecordingTarget: only they record their calls',
          );
        }
      }
      // What is called before virtual time begins belongs to frame 0, in which an expectation subscribes.
      const calls$ = new ReplaySubject<string>(Infinity);
      const prefixed = ({ name, calls$: own$ }: FailingFake): Observable<string> =>
        fakes.length === 1 ? own$ : own$.pipe(map((text) => `${name}: ${text}`));
      merge(...fakes.map(prefixed)).subscribe(calls$);
      return expectTexts(`the calls of ${fakes.map(({ name }) => name).join(' and ')}`, calls$);
    },
  };
}

function checkedOutcomeText(outcome: Outcome): string {
  if ('maps' in outcome && 'unmaps' in outcome && Array.isArray(outcome.maps)) {
    throw new TypeError(
      'expectOutcomes received a change set: put toTarget(target) before it, which answers with outcomes',
    );
  }
  return outcomeText(outcome);
}

/** Returns the values of a diagram in the order of its letters. */
function checkLetters<T>(marbles: string, list: Readonly<Record<string, T>> | readonly T[]): T[] {
  const values = Object.fromEntries(Object.entries<T>(list));
  return TestScheduler.parseMarbles(marbles, undefined, undefined, false, true).flatMap(({ notification }) => {
    if (notification.kind !== 'N') {
      return [];
    }
    const letter = notification.value as string;
    if (!Object.hasOwn(values, letter)) {
      const given = Object.keys(values).join(', ');
      throw new Error(
        `'${letter}' in the diagram '${marbles}' has no value; values are given for: ${given || 'nothing'}`,
      );
    }
    return [values[letter] as T];
  });
}

function numbered(values: readonly (SetContents | ChangeSet)[]): ChangeSet[] {
  let generation = 0;
  return values.map((value) => {
    generation += value.undo === true ? 0 : 1;
    return 'generation' in value ? value : setOf(generation, value);
  });
}
