import type { ChangeSet, MapChange, UnmapChange } from '../contracts/change-set.js';
import { unmapsOfSet, type ManagedSet, type RegionUnmap } from '../changes/managed-set.js';
import { DmaUnmapError, type DmaError } from '../contracts/errors.js';
import { LONG_STEP, pauseIfOver } from '../util/time-slice.js';
import type { DerivedAccount } from './derived-account.js';
import type { Ledger } from './ledger.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { SetResult } from '../changes/set-result.js';
import { eachInSlices, joinInSlices, mapInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import type { Answer, TargetCalls } from './target-calls.js';

/** A call of the target, and the maps that it ends. */
interface UnmapCall {
  readonly range: MemoryRange;
  readonly ends: readonly MapChange[];
}

/** A call that failed, and what is to be unmapped after it. */
interface FailedUnmap {
  readonly item: UnmapItem;
  readonly error: DmaError;
  readonly rest: readonly UnmapItem[];
}

/** Where a set stopped: a call that did not answer at once, or with an error; or a pause after it. */
export interface UnmapPause {
  readonly items: readonly UnmapItem[];
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

  *serve(set: ChangeSet, result: SetResult): Coroutine<void> {
    yield* this.#serveListed(yield* unmapsOfSet(set), set, result);
  }

  /**
   * Begins with a set of which a derived account is kept, and makes the calls that answer at once. Returns where it stopped, for `resume`; `undefined`
   * when all is done.
   */
  begin(set: ManagedSet, derived: DerivedAccount): UnmapPause | undefined {
    const { regionUnmaps } = set;
    const [only] = regionUnmaps;
    if (regionUnmaps.length > FEW) {
      return { items: NOT_YET, next: 0, answer: undefined };
    }
    const items =
      regionUnmaps.length === 1 && only !== undefined
        ? this.#callsOfOne(only)
        : regionUnmaps.flatMap((departure) => this.#callsOfOne(departure));
    return this.#target.unmapDmaBatch === undefined || items.length === 1
      ? this.#unmapAtOnce(items, 0, derived)
      : { items, next: 0, answer: undefined };
  }

  /** Serves the rest of such a set. From the first failure on, the ledger lists what is held. */
  *resume(stopped: UnmapPause, set: ManagedSet, derived: DerivedAccount, result: SetResult): Coroutine<void> {
    const isNew = stopped.items === NOT_YET;
    const items = isNew
      ? yield* joinInSlices(yield* mapInSlices(set.regionUnmaps, (departure) => this.#callsOfOne(departure)))
      : stopped.items;
    const interruption = yield* this.#target.unmapDmaBatch === undefined || items.length === 1
      ? this.#derivedOneByOne(isNew ? this.#unmapAtOnce(items, 0, derived) : stopped, derived)
      : this.#derivedTogether(items, derived);
    if (interruption !== undefined) {
      const { item, error, rest } = interruption;
      yield* this.#ledger.materialize();
      yield* this.#note(callOf(item), error, set, result);
      yield* this.#serveListed(yield* changesOf(rest), set, result);
    }
  }

  /** Unmaps each of these ranges, past failures, together where the target takes them so. Tells of each, in order. */
  *endEach<T extends { readonly range: MemoryRange }>(
    items: readonly T[],
    tell: (item: T, error: DmaError | undefined) => Coroutine<void> | undefined,
  ): Coroutine<void> {
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
  *unmapStuck(mapping: MapChange, generation: number): Coroutine<DmaError | undefined> {
    const error = yield* this.#calls.settled(this.#calls.unmap(mapping.range), { range: mapping.range });
    if (error === undefined) {
      this.#ledger.clearStuck(mapping.range);
    } else {
      this.#ledger.markStillStuck(mapping, generation);
    }
    return error;
  }

  get #target(): TargetCalls['target'] {
    return this.#calls.target;
  }

  *#serveListed(unmaps: readonly UnmapChange[], set: ChangeSet, result: SetResult): Coroutine<void> {
    yield* this.#target.unmapDmaBatch !== undefined && unmaps.length > 1
      ? this.#unmapTogether(unmaps, set, result)
      : this.#unmapOneByOne(unmaps, set, result);
  }

  *#unmapOneByOne(unmaps: readonly UnmapChange[], set: ChangeSet, result: SetResult): Coroutine<void> {
    for (const unmap of unmaps) {
      for (const call of yield* this.#callsOf(unmap, set)) {
        const answer = this.#calls.unmap(call.range);
        const error = answer === undefined ? undefined : yield* this.#calls.settled(answer, call);
        yield* this.#note(call, error, set, result);
      }
    }
  }

  *#unmapTogether(unmaps: readonly UnmapChange[], set: ChangeSet, result: SetResult): Coroutine<void> {
    const calls: (readonly UnmapCall[])[] = [];
    for (const unmap of unmaps) {
      calls.push(yield* this.#callsOf(unmap, set));
    }
    yield* this.endEach(yield* joinInSlices(calls), (call, error) => this.#note(call, error, set, result));
  }

  /** The calls that end what the target holds of the maps that the change covers; none where it holds none. */
  *#callsOf(unmap: UnmapChange, set: ChangeSet): Coroutine<readonly UnmapCall[]> {
    const held: MapChange[] = [];
    yield* eachInSlices(unmap.covers, (range) => {
      const taken = this.#ledger.takeForUnmap(range, set);
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
  *#note({ ends }: UnmapCall, error: DmaError | undefined, set: ChangeSet, result: SetResult): Coroutine<void> {
    result.error ??= error;
    const isStillHeld = error === undefined ? never : yield* stillHeld(error, ends.length);
    yield* eachInSlices(ends, (change) => {
      const at = { target: this.#target.name, range: change.range };
      if (isStillHeld(change)) {
        this.#ledger.markStuck(change, set.generation);
        result.add('stuck', at);
        return;
      }
      this.#ledger.clearRetried(change.range);
      if (set.undo) {
        result.add('undone', at);
      }
    });
  }

  #unmapAtOnce(items: readonly UnmapItem[], from: number, derived: DerivedAccount): UnmapPause | undefined {
    for (let next = from; next < items.length; next++) {
      const item = items[next] as UnmapItem;
      derived.unmapped += countOf(item);
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
  *#derivedOneByOne(first: UnmapPause | undefined, derived: DerivedAccount): Coroutine<FailedUnmap | undefined> {
    for (let stopped = first; stopped !== undefined;) {
      const { items, next, answer }: UnmapPause = stopped;
      const item = items[next] as UnmapItem;
      const error: DmaError | undefined = yield* this.#calls.settled(answer, { range: item.range });
      if (error !== undefined) {
        return { item, error, rest: items.slice(next + 1) };
      }
      const pause = pauseIfOver();
      if (pause !== undefined) {
        yield pause;
      }
      stopped = this.#unmapAtOnce(items, next + 1, derived);
    }
    return undefined;
  }

  /** As `#derivedOneByOne`, as many together as the target takes. */
  *#derivedTogether(items: readonly UnmapItem[], derived: DerivedAccount): Coroutine<FailedUnmap | undefined> {
    for (let next = 0; next < items.length;) {
      const count = this.#calls.together(items, next);
      const slice = count === items.length ? items : items.slice(next, next + count);
      const { done, error } = yield* this.#calls.unmapTogether(slice);
      const end = next + done + (error === undefined ? 0 : 1);
      for (; next < end; next++) {
        derived.unmapped += countOf(items[next] as UnmapItem);
      }
      if (error !== undefined) {
        return { item: items[end - 1] as UnmapItem, error, rest: items.slice(end) };
      }
      const pause = next < items.length ? pauseIfOver(LONG_STEP) : undefined;
      if (pause !== undefined) {
        yield pause;
      }
    }
    return undefined;
  }

  /** The calls that end what one region gives up, in order. */
  #callsOfOne({ asOneCall, mappings }: RegionUnmap): readonly UnmapItem[] {
    return asOneCall === undefined || this.#target.unmapShape === 'exact'
      ? mappings
      : [{ range: asOneCall.range, ends: mappings }];
  }
}

/** A mapping that is unmapped by itself, or a call that ends several. */
type UnmapItem = MapChange | UnmapCall;

/** The calls of a set that are still to be worked out. */
const NOT_YET: readonly UnmapItem[] = [];

/** How many mappings it ends. */
function countOf(item: UnmapItem): number {
  return 'ends' in item ? item.ends.length : 1;
}

function callOf(item: UnmapItem): UnmapCall {
  return 'ends' in item ? item : { range: item.range, ends: [item] };
}

/** What has not been called yet, as unmaps. */
function* changesOf(items: readonly UnmapItem[]): Coroutine<readonly UnmapChange[]> {
  const changes: UnmapChange[] = [];
  for (const item of items) {
    const { range, ends } = callOf(item);
    const [{ region, type }] = ends as readonly [MapChange];
    changes.push({ range, region, type, covers: yield* mapInSlices(ends, (mapping) => mapping.range) });
  }
  return changes;
}

/** Which maps an unmap that failed has left in place: a target that knows which of several it could not unmap says so. */
function* stillHeld(error: DmaError, ends: number): Coroutine<(change: MapChange) => boolean> {
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
