import type { ChangeSet, MapChange, UnmapChange } from '../contracts/change-set.js';
import { unmapsOfSet, type CommandSet, type Departure } from '../changes/managed-set.js';
import { DmaUnmapError, type DmaError } from '../contracts/errors.js';
import { LONG_STEP, pauseIfOver } from '../util/time-slice.js';
import type { Following } from './derived-account.js';
import type { Ledger } from './ledger.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { Report } from '../changes/set-report.js';
import { eachInSlices, joinInSlices, mapInSlices } from '../ranges/slices.js';
import type { Steps } from '../util/coroutine.js';
import type { Answer, TargetCalls } from './target-calls.js';

/** A call of the target, and the maps that it ends. */
interface UnmapCall {
  readonly range: MemoryRange;
  readonly ends: readonly MapChange[];
}

/** A call that failed, and what is to be unmapped after it. */
interface Interruption {
  readonly item: Leaving;
  readonly error: DmaError;
  readonly rest: readonly Leaving[];
}

/** Where a set came to a halt: a call that did not answer at once, or with an error; or a pause after it. */
export interface UnmapHalt {
  readonly items: readonly Leaving[];
  readonly next: number;
  readonly answer: Answer;
}

/** Of so many regions at most the calls are worked out at once. */
const FEW = 64;

/** The unmaps of one target. They are served to the end, past failures; one that fails leaves its maps stuck. */
export class TargetUnmaps {
  readonly #calls: TargetCalls;
  readonly #ledger: Ledger;

  constructor(calls: TargetCalls, ledger: Ledger) {
    this.#calls = calls;
    this.#ledger = ledger;
  }

  *serve(set: ChangeSet, report: Report): Steps<void> {
    yield* this.#serveListed(yield* unmapsOfSet(set), set, report);
  }

  /**
   * Begins with a set that is followed, and makes the calls that answer at once. Returns where it came to a halt, for `goOn`; `undefined`
   * when all is done.
   */
  begin(set: CommandSet, following: Following): UnmapHalt | undefined {
    const { departures } = set;
    const [only] = departures;
    if (departures.length > FEW) {
      return { items: NOT_YET, next: 0, answer: undefined };
    }
    const items =
      departures.length === 1 && only !== undefined
        ? this.#callsOfOne(only)
        : departures.flatMap((departure) => this.#callsOfOne(departure));
    return this.#target.unmapDmaBatch === undefined || items.length === 1
      ? this.#unmapAtOnce(items, 0, following)
      : { items, next: 0, answer: undefined };
  }

  /** Serves the rest of a set that is followed; from the first failure on, it is not. */
  *goOn(halt: UnmapHalt, set: CommandSet, following: Following, report: Report): Steps<void> {
    const isNew = halt.items === NOT_YET;
    const items = isNew
      ? yield* joinInSlices(yield* mapInSlices(set.departures, (departure) => this.#callsOfOne(departure)))
      : halt.items;
    const interruption = yield* this.#target.unmapDmaBatch === undefined || items.length === 1
      ? this.#followOneByOne(isNew ? this.#unmapAtOnce(items, 0, following) : halt, following)
      : this.#followTogether(items, following);
    if (interruption !== undefined) {
      const { item, error, rest } = interruption;
      yield* this.#ledger.settle();
      yield* this.#note(callOf(item), error, set, report);
      yield* this.#serveListed(yield* changesOf(rest), set, report);
    }
  }

  /** Unmaps each of these ranges, past failures, together where the target takes them so. Tells of each, in order. */
  *endEach<T extends { readonly range: MemoryRange }>(
    items: readonly T[],
    tell: (item: T, error: DmaError | undefined) => Steps<void> | undefined,
  ): Steps<void> {
    for (let next = 0; next < items.length;) {
      const count = this.#target.unmapDmaBatch === undefined ? 1 : this.#calls.together(items, next);
      const { done, error } = yield* this.#calls.unmapTogether(items.slice(next, next + count));
      const end = next + done + (error === undefined ? 0 : 1);
      for (const failed = next + done; next < end; next++) {
        const telling = tell(items[next] as T, next === failed ? error : undefined);
        if (telling !== undefined) {
          yield* telling;
        }
        const pause = pauseIfOver();
        if (pause !== undefined) {
          yield pause;
        }
      }
    }
  }

  /** Tries again to unmap one mapping that is stuck. Returns why it is stuck still. */
  *unmapStuck(mapping: MapChange, generation: number): Steps<DmaError | undefined> {
    const error = yield* this.#calls.settled(this.#calls.unmap(mapping.range), { range: mapping.range });
    if (error === undefined) {
      this.#ledger.forgetStuck(mapping.range);
    } else {
      this.#ledger.stickAgain(mapping, generation);
    }
    return error;
  }

  get #target(): TargetCalls['target'] {
    return this.#calls.target;
  }

  *#serveListed(unmaps: readonly UnmapChange[], set: ChangeSet, report: Report): Steps<void> {
    yield* this.#target.unmapDmaBatch !== undefined && unmaps.length > 1
      ? this.#unmapTogether(unmaps, set, report)
      : this.#unmapOneByOne(unmaps, set, report);
  }

  *#unmapOneByOne(unmaps: readonly UnmapChange[], set: ChangeSet, report: Report): Steps<void> {
    for (const unmap of unmaps) {
      for (const call of yield* this.#callsOf(unmap, set)) {
        const answer = this.#calls.unmap(call.range);
        const error = answer === undefined ? undefined : yield* this.#calls.settled(answer, call);
        yield* this.#note(call, error, set, report);
      }
    }
  }

  *#unmapTogether(unmaps: readonly UnmapChange[], set: ChangeSet, report: Report): Steps<void> {
    const calls: (readonly UnmapCall[])[] = [];
    for (const unmap of unmaps) {
      calls.push(yield* this.#callsOf(unmap, set));
    }
    yield* this.endEach(yield* joinInSlices(calls), (call, error) => this.#note(call, error, set, report));
  }

  /** The calls that end what the target holds of the maps that the change covers; none where it holds none. */
  *#callsOf(unmap: UnmapChange, set: ChangeSet): Steps<readonly UnmapCall[]> {
    const held: MapChange[] = [];
    yield* eachInSlices(unmap.covers, (range) => {
      const taken = this.#ledger.take(range, set);
      if (taken !== undefined) {
        held.push(taken);
      }
    });
    if (held.length === 0) {
      return [];
    }
    // One call over the whole range could cut what is stuck, or bring it down by accident.
    const whole = this.#target.unmapShape !== 'exact' && !this.#ledger.stuckIn(unmap.range);
    return whole
      ? [{ range: unmap.range, ends: held }]
      : yield* mapInSlices(held, (change) => ({ range: change.range, ends: [change] }));
  }

  /** Notes what became of a call, for each mapping that it was to end. */
  *#note({ ends }: UnmapCall, error: DmaError | undefined, set: ChangeSet, report: Report): Steps<void> {
    report.error ??= error;
    const isStillHeld = error === undefined ? never : yield* stillHeld(error, ends.length);
    yield* eachInSlices(ends, (change) => {
      const at = { target: this.#target.name, range: change.range };
      if (isStillHeld(change)) {
        this.#ledger.stick(change, set.generation);
        report.add('stuck', at);
        return;
      }
      this.#ledger.unstuck(change.range);
      if (set.undo) {
        report.add('undone', at);
      }
    });
  }

  #unmapAtOnce(items: readonly Leaving[], from: number, following: Following): UnmapHalt | undefined {
    for (let next = from; next < items.length; next++) {
      const item = items[next] as Leaving;
      following.unmapped += countOf(item);
      const answer = this.#calls.unmap(item.range);
      if (answer !== undefined) {
        return { items, next, answer };
      }
      const pause = pauseIfOver();
      if (pause !== undefined) {
        return { items, next, answer: pause };
      }
    }
    return undefined;
  }

  /** Until one fails. */
  *#followOneByOne(first: UnmapHalt | undefined, following: Following): Steps<Interruption | undefined> {
    for (let halt = first; halt !== undefined;) {
      const { items, next, answer }: UnmapHalt = halt;
      const item = items[next] as Leaving;
      const error: DmaError | undefined = yield* this.#calls.settled(answer, { range: item.range });
      if (error !== undefined) {
        return { item, error, rest: items.slice(next + 1) };
      }
      const pause = pauseIfOver();
      if (pause !== undefined) {
        yield pause;
      }
      halt = this.#unmapAtOnce(items, next + 1, following);
    }
    return undefined;
  }

  /** As `#followOneByOne`, as many together as the target takes. */
  *#followTogether(items: readonly Leaving[], following: Following): Steps<Interruption | undefined> {
    for (let next = 0; next < items.length;) {
      const count = this.#calls.together(items, next);
      const slice = count === items.length ? items : items.slice(next, next + count);
      const { done, error } = yield* this.#calls.unmapTogether(slice);
      const end = next + done + (error === undefined ? 0 : 1);
      for (; next < end; next++) {
        following.unmapped += countOf(items[next] as Leaving);
      }
      if (error !== undefined) {
        return { item: items[end - 1] as Leaving, error, rest: items.slice(end) };
      }
      const pause = next < items.length ? pauseIfOver(LONG_STEP) : undefined;
      if (pause !== undefined) {
        yield pause;
      }
    }
    return undefined;
  }

  /** The calls that end what one region gives up, in order. */
  #callsOfOne({ whole, leaving }: Departure): readonly Leaving[] {
    return whole === undefined || this.#target.unmapShape === 'exact'
      ? leaving
      : [{ range: whole.range, ends: leaving }];
  }
}

/** A mapping that is unmapped by itself, or a call that ends several. */
type Leaving = MapChange | UnmapCall;

/** The calls of a set that are still to be worked out. */
const NOT_YET: readonly Leaving[] = [];

/** How many mappings it ends. */
function countOf(item: Leaving): number {
  return 'ends' in item ? item.ends.length : 1;
}

function callOf(item: Leaving): UnmapCall {
  return 'ends' in item ? item : { range: item.range, ends: [item] };
}

/** What has not been called yet, as unmaps. */
function* changesOf(items: readonly Leaving[]): Steps<readonly UnmapChange[]> {
  const changes: UnmapChange[] = [];
  for (const item of items) {
    const { range, ends } = callOf(item);
    const [{ region, type }] = ends as readonly [MapChange];
    changes.push({ range, region, type, covers: yield* mapInSlices(ends, (mapping) => mapping.range) });
  }
  return changes;
}

/** Which maps an unmap that failed has left in place: a target that knows which of several it could not unmap says so. */
function* stillHeld(error: DmaError, ends: number): Steps<(change: MapChange) => boolean> {
  if (!(error instanceof DmaUnmapError)) {
    return always;
  }
  const { stuck } = error;
  if (ends === 1) {
    return ({ range }) => stuck.some((one) => one.range.equals(range));
  }
  const byStart = new Map<number, MemoryRange>();
  yield* eachInSlices(stuck, ({ range }) => {
    byStart.set(range.startPage, range);
  });
  return ({ range }) => byStart.get(range.startPage)?.equals(range) === true;
}

function always(): boolean {
  return true;
}

function never(): boolean {
  return false;
}
