import type { MapChange } from './change-set.js';
import { leavingOf, type ActiveMappings, type AddressOf, type CommandSet } from './command-set.js';
import { mapChangeLike } from './map-change.js';
import type { Steps } from './steps.js';

/** What a target holds, as far as it can be told from what is active and from how far the set under way has come. */
export interface Account {
  readonly held: readonly MapChange[];
  /** What the unmaps under way have taken. */
  readonly taken: readonly MapChange[];
  /** The generation of these. */
  readonly generation: number;
}

/**
 * The account of a target that has been served nothing but the sets of its manager, all with success: it holds what is active, but for device
 * memory that it could not map. No list is kept; only how far the set under way has come.
 */
export class Following {
  readonly #active: ActiveMappings;
  /** `arriving`: the first set, which brings what is active. `leaving`: the last one, which takes all of it. */
  #phase: 'arriving' | 'present' | 'leaving' = 'arriving';
  /** The step of each kind that is, or was last, under way, both of one generation. */
  #maps: readonly MapChange[] = [];
  #unmaps: CommandSet | undefined = undefined;
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
  begin(set: CommandSet): boolean {
    if (set.active !== this.#active || (this.#skipped.size > 0 && this.#touchesSkipped(set))) {
      return false;
    }
    // The two steps of a command that has not taken effect have one account; also the last set has the generation of what is active.
    if (set.generation !== this.#generation || set.generation === this.#active.generation) {
      this.#generation = set.generation;
      this.#maps = [];
      this.#unmaps = undefined;
      this.mapped = 0;
      this.unmapped = 0;
    }
    if (set.departures.length > 0) {
      this.#unmaps = set;
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
  made(): MapChange[] {
    return this.#held(this.#maps.slice(0, this.mapped));
  }

  /** To be called when a set has been served to its end. Returns whether nothing is held, and nothing more to be followed. */
  end(): boolean {
    if (this.#phase === 'arriving') {
      this.#phase = 'present';
      this.#maps = [];
    }
    return this.#phase === 'leaving';
  }

  /** What is held, ascending, or nearly so: what the set under way has mapped comes last. */
  account(): Account {
    const generation = this.#generation;
    const taken = this.#addressed(this.#leaving().slice(0, this.unmapped));
    if (this.#phase === 'arriving') {
      return { held: this.made(), taken, generation };
    }
    if (this.#phase === 'leaving') {
      return { held: this.#addressed(this.#leaving().slice(this.unmapped)), taken, generation };
    }
    const before = this.#addressed(this.#held(this.#active.all()));
    if (generation <= this.#active.generation) {
      return { held: before, taken: [], generation }; // The set has taken effect.
    }
    const gone = new Set(taken.map(({ range }) => range.startPage));
    const stay = gone.size === 0 ? before : before.filter(({ range }) => !gone.has(range.startPage));
    return { held: [...stay, ...this.made()], taken, generation };
  }

  /** What is held between two sets, ascending, letting the event loop go on now and then. */
  *heldInTurns(): Steps<readonly MapChange[]> {
    return this.#phase === 'present' && this.#generation <= this.#active.generation
      ? this.#held(yield* this.#active.allInTurns())
      : this.account().held;
  }

  #leaving(): readonly MapChange[] {
    return this.#unmaps === undefined ? [] : leavingOf(this.#unmaps.departures);
  }

  #addressed(mappings: MapChange[]): MapChange[] {
    const addressOf = this.#addressOf;
    return addressOf === undefined
      ? mappings
      : mappings.map((mapping) => {
          const hostVa = mapping.hostVa ?? addressOf(mapping.range);
          return hostVa === undefined ? mapping : mapChangeLike(mapping, { hostVa });
        });
  }

  #held(mappings: MapChange[]): MapChange[] {
    return this.#skipped.size === 0 ? mappings : mappings.filter(({ range }) => !this.#skipped.has(range.startPage));
  }

  #touchesSkipped({ departures }: CommandSet): boolean {
    return leavingOf(departures).some(({ range }) => this.#skipped.has(range.startPage));
  }
}
