import type { MapChange } from '../contracts/change-set.js';
import type { ActiveMappings, AddressOf, ManagedSet } from '../changes/managed-set.js';
import { withChanges } from '../changes/mapping.js';
import { filterInSlices, joinInSlices, mapInSlices } from '../ranges/slices.js';
import { runAtOnce, type Coroutine } from '../util/coroutine.js';
import { inSlices } from '../util/sliced-work.js';

/** What a target holds, as far as it can be told from what is active and from how far the set under way has come. */
export interface Account {
  readonly held: readonly MapChange[];
  /** What the unmaps under way have taken. */
  readonly taken: readonly MapChange[];
  /** The generation of these. */
  readonly generation: number;
}

/** Up to so many mappings are looked through at once. */
const FEW = 256;

/**
 * The account of a target that has been served nothing but the sets of its manager, all with success: it holds what is active, but for device
 * memory that it could not map. No list is kept; only how far the set under way has come.
 */
export class DerivedAccount {
  readonly #active: ActiveMappings;
  /** `arriving`: the first set, which brings what is active. `leaving`: the last one, which takes all of it. */
  #phase: 'arriving' | 'present' | 'leaving' = 'arriving';
  /** The step of each kind that is, or was last, under way, both of one generation. */
  #maps: readonly MapChange[] = [];
  #removed: readonly MapChange[] = [];
  #generation = -1;
  /** What the maps of a set have, and what is active has not. */
  #addressOf: AddressOf | undefined = undefined;
  /** Mappings that have been dealt with, from the first of the set on. */
  mapped = 0;
  unmapped = 0;
  /** Device memory that is active and could not be mapped, by the page at which it starts. */
  readonly #skipped = new Map<number, MapChange>();

  constructor(active: ActiveMappings) {
    this.#active = active;
  }

  /** Whether the account can be kept so for this set, too. */
  begin(set: ManagedSet): boolean {
    if (set.active !== this.#active || (this.#skipped.size > 0 && this.#mayTouchSkipped(set))) {
      return false;
    }
    // The two steps of a command that has not taken effect have one account; also the last set has the generation of what is active.
    if (set.generation !== this.#generation || set.generation === this.#active.generation) {
      this.#generation = set.generation;
      this.#maps = [];
      this.#removed = [];
      this.mapped = 0;
      this.unmapped = 0;
    }
    if (set.regionUnmaps.length > 0) {
      this.#removed = set.removed;
    }
    if (set.maps.length > 0) {
      this.#maps = set.maps;
    }
    this.#addressOf ??= set.addressOf;
    if (!set.snapshot) {
      this.#phase = set.generation === this.#active.generation ? 'leaving' : 'present';
    }
    return true;
  }

  /** To be called instead of counting a map that failed softly. */
  skip(mapping: MapChange): void {
    this.#skipped.set(mapping.range.startPage, mapping);
    this.mapped += 1;
  }

  /** The maps of the set under way that have been made, in order. */
  made(): Coroutine<readonly MapChange[]> {
    return this.#withoutSkipped(this.#maps.slice(0, this.mapped));
  }

  /** To be called when a set has been served to its end. Returns whether nothing is held, and no more sets come. */
  end(): boolean {
    if (this.#phase === 'arriving') {
      this.#phase = 'present';
      this.#maps = [];
    }
    return this.#phase === 'leaving';
  }

  /** What is held, ascending, or nearly so: what the set under way has mapped comes last. */
  *account(): Coroutine<Account> {
    const generation = this.#generation;
    const taken = yield* this.#addressed(this.#removed.slice(0, this.unmapped));
    if (this.#phase === 'arriving') {
      return { held: yield* this.made(), taken, generation };
    }
    if (this.#phase === 'leaving') {
      return { held: yield* this.#addressed(this.#removed.slice(this.unmapped)), taken, generation };
    }
    const before = yield* this.#addressed(yield* this.#withoutSkipped(yield* this.#active.all()));
    if (generation <= this.#active.generation) {
      return { held: before, taken: [], generation }; // The set has taken effect.
    }
    const stay = yield* without(before, taken);
    return { held: yield* joinInSlices([stay, yield* this.made()]), taken, generation };
  }

  /** The same at once, for somebody who asks. */
  accountNow(): Account {
    return runAtOnce(this.account());
  }

  /** What is held between two sets, ascending. */
  *heldBetweenSets(): Coroutine<readonly MapChange[]> {
    return this.#phase === 'present' && this.#generation <= this.#active.generation
      ? yield* this.#withoutSkipped(yield* this.#active.all())
      : (yield* this.account()).held;
  }

  *#addressed(mappings: readonly MapChange[]): Coroutine<readonly MapChange[]> {
    const addressOf = this.#addressOf;
    return addressOf === undefined
      ? mappings
      : yield* mapInSlices(mappings, (mapping) => {
          const hostVa = mapping.hostVa ?? addressOf(mapping.range);
          return hostVa === undefined ? mapping : withChanges(mapping, { hostVa });
        });
  }

  *#withoutSkipped(mappings: readonly MapChange[]): Coroutine<readonly MapChange[]> {
    return this.#skipped.size === 0
      ? mappings
      : yield* filterInSlices(mappings, ({ range }) => !this.#skipped.has(range.startPage));
  }

  /** Whether one that was skipped is leaving; also where it would take long to see. */
  #mayTouchSkipped({ removed }: ManagedSet): boolean {
    return removed.length > FEW || removed.some(({ range }) => this.#skipped.has(range.startPage));
  }
}

/** Those that do not start where one of `others` does. */
function* without(mappings: readonly MapChange[], others: readonly MapChange[]): Coroutine<readonly MapChange[]> {
  if (others.length === 0) {
    return mappings;
  }
  const starts = new Set<number>();
  yield* inSlices(others.length, (from, to) => {
    for (let index = from; index < to; index++) {
      starts.add((others[index] as MapChange).range.startPage);
    }
  });
  return yield* filterInSlices(mappings, ({ range }) => !starts.has(range.startPage));
}
