import { expect } from 'chai';
import fc from 'fast-check';
import { Subject, timer } from 'rxjs';
import {
  fanOut,
  filterMaps,
  MemoryRange,
  retryMaps,
  toTarget,
  withTimeout,
  type ChangeSet,
  type Outcome,
  type TargetBranch,
} from '../../../streams/index.js';
import { marbleTest, RecordingTarget, setOf } from '../../../testing/index.js';
import { nextTurn } from '../support/phrases.js';
import { tickingClock } from '../support/ticking-clock.js';

const RUNS = Number(process.env['DMA_STREAMS_MODEL_RUNS'] ?? 1000) / 4;

/** What a call of a target does: when it ends, in frames, and whether it fails. */
interface Call {
  readonly frames: number;
  readonly fails: boolean;
}

interface Run {
  readonly calls: readonly Call[];
  /** For each set, the frame after the one before it in which it comes, and the pages that it maps or unmaps. */
  readonly sets: readonly { readonly after: number; readonly pages: readonly number[] }[];
  readonly wrap: number;
}

const call: fc.Arbitrary<Call> = fc.record({
  frames: fc.constantFrom(0, 0, 1, 3, 9, 40),
  fails: fc.boolean(),
});

const runs: fc.Arbitrary<Run> = fc.record({
  calls: fc.array(call, { minLength: 1, maxLength: 40 }),
  sets: fc.array(fc.record({ after: fc.nat(12), pages: fc.uniqueArray(fc.nat(5), { minLength: 0, maxLength: 4 }) }), {
    minLength: 1,
    maxLength: 12,
  }),
  wrap: fc.nat(branches().length - 1),
});

/** The branches, around two targets. */
function branches(): readonly ((one: TargetBranch, other: TargetBranch) => TargetBranch)[] {
  const retry = { count: 2, delay: 2 };
  return [
    (one) => withTimeout(5, one),
    (one) => retryMaps(retry, one),
    (one, other) => withTimeout(6, retryMaps(retry, fanOut(one, other))),
    (one, other) => fanOut(withTimeout(4, one), retryMaps(retry, withTimeout(7, other))),
    (one, other) => retryMaps(retry, fanOut(withTimeout(4, one), withTimeout(4, other))),
    (one) => (changes$) =>
      changes$.pipe(
        filterMaps(({ range }) => range.start < 0x3000n),
        withTimeout(5, retryMaps(retry, one)),
      ),
  ];
}

/** Makes change sets as a manager does: steps with unmaps or maps, of which a failed map leaves all as it was. */
class Source {
  readonly #mapped = new Set<number>();
  #generation = 0;

  next(pages: readonly number[]): ChangeSet {
    this.#generation += 1;
    const sorted = [...pages].sort((a, b) => a - b);
    const held = sorted.filter((page) => this.#mapped.has(page));
    const ranges = (list: readonly number[]): MemoryRange[] => list.map((page) => MemoryRange.ofPages(page, page + 1));
    return held.length > 0
      ? setOf(this.#generation, { unmaps: ranges(held) })
      : setOf(this.#generation, { maps: ranges(sorted) });
  }

  note({ unmaps, maps }: ChangeSet, { status }: Outcome): void {
    for (const { range } of unmaps) {
      this.#mapped.delete(range.startPage);
    }
    for (const { range } of status === 'applied' ? maps : []) {
      this.#mapped.add(range.startPage);
    }
  }
}

function targetOf(name: string, calls: readonly Call[], batches: boolean): RecordingTarget {
  let next = 0;
  const planned = new Map<number, Call>();
  return new RecordingTarget({
    name,
    batches,
    reply: ({ number }) => {
      const frames = planned.get(number)?.frames ?? 0;
      return frames === 0 ? undefined : timer(frames);
    },
  }).failWhen(({ number }) => {
    const one = calls[next++ % calls.length] as Call;
    planned.set(number, one);
    return one.fails ? 'EIO' : undefined;
  });
}

describe('branches that time out and try again, with any failures and delays', () => {
  let restoreClock: () => void;

  // On a clock that stands still nothing pauses for the event loop, which virtual time does not wait for.
  before(() => {
    restoreClock = tickingClock(0);
  });

  after(() => {
    restoreClock();
  });

  it('answer each set exactly once, in order, and keep the contract of their targets', async function () {
    this.timeout(60_000);
    await fc.assert(
      fc.asyncProperty(runs, async (run) => {
        await nextTurn();
        const targets = [targetOf('one', run.calls, false), targetOf('other', [...run.calls].reverse(), true)] as const;
        const wrap = branches()[run.wrap];
        const answers: number[] = [];
        marbleTest(({ flush }) => {
          const source = new Source();
          const sets$ = new Subject<ChangeSet>();
          const emit = (): void => {
            const next = run.sets[answers.length];
            if (next === undefined) {
              sets$.complete();
              return;
            }
            timer(next.after).subscribe(() => {
              set = source.next(next.pages);
              sets$.next(set);
            });
          };
          let set: ChangeSet | undefined;
          sets$
            .pipe(wrap?.(toTarget(targets[0]), toTarget(targets[1])) ?? toTarget(targets[0]))
            .subscribe((outcome) => {
              if (set !== undefined) {
                source.note(set, outcome);
              }
              answers.push(outcome.generation);
              emit();
            });
          emit();
          flush();
        });
        expect(answers).to.deep.equal(run.sets.map((_, index) => index + 1));
        for (const target of targets) {
          expect(target.violations.join('; ') || 'none', target.calls.join(', ')).to.equal('none');
        }
      }),
      { numRuns: RUNS },
    );
  });
});
