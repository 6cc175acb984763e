import type { ChangeSet, MapChange, UnmapChange } from './change-set.js';
import type { CommandSet, Departure } from './command-set.js';
import { DmaUnmapError, type DmaError } from './errors.js';
import { Turn } from './event-loop.js';
import type { Following } from './following.js';
import type { Ledger } from './ledger.js';
import type { MemoryRange } from './memory-range.js';
import type { Report } from './set-report.js';
import type { Steps } from './steps.js';
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
  /** Of the whole set. */
  readonly turn: Turn;
}

const NO_CALLS: readonly UnmapCall[] = [];

/** The unmaps of one target. They are served to the end, past failures; one that fails leaves its maps stuck. */
export class TargetUnmaps {
  readonly #calls: TargetCalls;
  readonly #ledger: Ledger;

  constructor(calls: TargetCalls, ledger: Ledger) {
    this.#calls = calls;
    this.#ledger = ledger;
  }

  *serve(set: ChangeSet, report: Report): Steps<void> {
    yield* this.#serveListed(set.unmaps, set, report);
  }

  /**
   * Begins with a set that is followed, and makes the calls that answer at once. Returns where it came to a halt, for `goOn`; `undefined`
   * when all is done.
   */
  begin(set: CommandSet, following: Following): UnmapHalt | undefined {
    const items = this.#leavingOf(set);
    return this.#target.unmapDmaBatch === undefined || items.length === 1
      ? this.#unmapAtOnce(items, 0, following, new Turn())
      : { items, next: 0, answer: undefined, turn: new Turn() };
  }

  /** Serves the rest of a set that is followed; from the first failure on, it is not. */
  *goOn(halt: UnmapHalt, set: CommandSet, following: Following, report: Report): Steps<void> {
    const { items } = halt;
    const interruption = yield* this.#target.unmapDmaBatch === undefined || items.length === 1
      ? this.#followOneByOne(halt, following)
      : this.#followTogether(items, following);
    if (interruption !== undefined) {
      const { item, error, rest } = interruption;
      this.#ledger.settle();
      this.#note(callOf(item), error, set, report);
      yield* this.#serveListed(rest.map(changeOf), set, report);
    }
  }

  /** Unmaps each of these ranges, past failures, together where the target takes them so. Tells of each, in order. */
  *endEach<T extends { readonly range: MemoryRange }>(
    items: readonly T[],
    tell: (item: T, error: DmaError | undefined) => void,
  ): Steps<void> {
    const turn = new Turn(this.#target.unmapDmaBatch === undefined ? undefined : 1);
    for (let next = 0; next < items.length;) {
      const count = this.#target.unmapDmaBatch === undefined ? 1 : this.#calls.together(items, next);
      const { done, error } = yield* this.#calls.unmapTogether(items.slice(next, next + count));
      for (let index = 0; index < done; index++) {
        tell(items[next + index] as T, undefined);
      }
      next += done;
      if (error !== undefined) {
        tell(items[next] as T, error);
        next += 1;
      }
      const pause = turn.pause();
      if (pause !== undefined) {
        yield pause;
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
    const turn = new Turn();
    for (const unmap of unmaps) {
      for (const call of this.#callsOf(unmap, set)) {
        const answer = this.#calls.unmap(call.range);
        this.#note(call, answer === undefined ? undefined : yield* this.#calls.settled(answer, call), set, report);
      }
      const pause = turn.pause();
      if (pause !== undefined) {
        yield pause;
      }
    }
  }

  *#unmapTogether(unmaps: readonly UnmapChange[], set: ChangeSet, report: Report): Steps<void> {
    const calls = unmaps.flatMap((unmap) => this.#callsOf(unmap, set));
    yield* this.endEach(calls, (call, error) => {
      this.#note(call, error, set, report);
    });
  }

  /** The calls that end what the target holds of the maps that the change covers; none where it holds none. */
  #callsOf(unmap: UnmapChange, set: ChangeSet): readonly UnmapCall[] {
    const held = this.#ledger.take(unmap.covers, set);
    if (held.length === 0) {
      return NO_CALLS;
    }
    // One call over the whole range could cut what is stuck, or bring it down by accident.
    const whole = this.#target.unmapShape !== 'exact' && !this.#ledger.stuckIn(unmap.range);
    return whole
      ? [{ range: unmap.range, ends: held }]
      : held.map((change) => ({ range: change.range, ends: [change] }));
  }

  #note({ ends }: UnmapCall, error: DmaError | undefined, set: ChangeSet, report: Report): void {
    for (const change of ends) {
      if (error === undefined || !this.#stick(change, error, set, report)) {
        this.#ledger.unstuck(change.range);
        if (set.undo) {
          report.add('undone', { target: this.#target.name, range: change.range });
        }
      }
    }
  }

  /** Notes that an unmap failed, and whether it left this mapping in place. */
  #stick(change: MapChange, error: DmaError, set: ChangeSet, report: Report): boolean {
    report.error ??= error;
    if (!isStillHeld(change, error)) {
      return false;
    }
    this.#ledger.stick(change, set.generation);
    report.add('stuck', { target: this.#target.name, range: change.range });
    return true;
  }

  #unmapAtOnce(items: readonly Leaving[], from: number, following: Following, turn: Turn): UnmapHalt | undefined {
    for (let next = from; next < items.length; next++) {
      const item = items[next] as Leaving;
      following.unmapped += countOf(item);
      const answer = this.#calls.unmap(item.range);
      if (answer !== undefined) {
        return { items, next, answer, turn };
      }
      const pause = turn.pause();
      if (pause !== undefined) {
        return { items, next, answer: pause, turn };
      }
    }
    return undefined;
  }

  /** Until one fails. */
  *#followOneByOne(first: UnmapHalt, following: Following): Steps<Interruption | undefined> {
    for (let halt: UnmapHalt | undefined = first; halt !== undefined;) {
      const { items, next, answer, turn }: UnmapHalt = halt;
      const item = items[next] as Leaving;
      const error: DmaError | undefined = yield* this.#calls.settled(answer, { range: item.range });
      if (error !== undefined) {
        return { item, error, rest: items.slice(next + 1) };
      }
      const pause = turn.pause();
      if (pause !== undefined) {
        yield pause;
      }
      halt = this.#unmapAtOnce(items, next + 1, following, turn);
    }
    return undefined;
  }

  /** As `#followOneByOne`, as many together as the target takes. */
  *#followTogether(items: readonly Leaving[], following: Following): Steps<Interruption | undefined> {
    const turn = new Turn(1);
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
      const pause = next < items.length ? turn.pause() : undefined;
      if (pause !== undefined) {
        yield pause;
      }
    }
    return undefined;
  }

  /** The calls that serve a set, in order. */
  #leavingOf({ departures }: CommandSet): readonly Leaving[] {
    const [only] = departures;
    return departures.length === 1 && only !== undefined
      ? this.#callsOfOne(only)
      : departures.flatMap((departure) => this.#callsOfOne(departure));
  }

  #callsOfOne({ whole, leaving }: Departure): readonly Leaving[] {
    return whole === undefined || this.#target.unmapShape === 'exact'
      ? leaving
      : [{ range: whole.range, ends: leaving }];
  }
}

/** A mapping that is unmapped by itself, or a call that ends several. */
type Leaving = MapChange | UnmapCall;

/** How many mappings it ends. */
function countOf(item: Leaving): number {
  return 'ends' in item ? item.ends.length : 1;
}

function callOf(item: Leaving): UnmapCall {
  return 'ends' in item ? item : { range: item.range, ends: [item] };
}

function changeOf(item: Leaving): UnmapChange {
  const { range, ends } = callOf(item);
  const [{ region, type }] = ends as readonly [MapChange];
  return { range, region, type, covers: ends.map((mapping) => mapping.range) };
}

/** A target that knows which of several maps it could not unmap says so. */
function isStillHeld({ range }: MapChange, error: DmaError): boolean {
  return !(error instanceof DmaUnmapError) || error.stuck.some((one) => one.range.equals(range));
}
