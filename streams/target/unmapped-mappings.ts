import type { MapChange } from '../contracts/change-set.js';
import { eachInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';

/**
 * The mappings that the forward unmaps of one generation have taken out of a ledger. An inverse set of this generation
 * restores them.
 */
export class UnmappedMappings {
  #generation = -1;
  #list: MapChange[] = [];
  /** The same by start. Made when something is undone. */
  #byStart: Map<number, MapChange> | undefined = undefined;

  /** To be called before a set is served: forgets those of another generation. */
  begin(generation: number): void {
    if (generation !== this.#generation) {
      if (this.#list.length > 0) {
        this.#list = [];
      }
      this.#byStart = undefined;
      this.#generation = generation;
    }
  }

  /** Replaces all of them. */
  reset(mappings: readonly MapChange[], generation: number): void {
    this.#list = [...mappings];
    this.#byStart = undefined;
    this.#generation = generation;
  }

  /** Adds a mapping that a set has unmapped, unless the set is an inverse one. */
  add(mapping: MapChange, isUndo: boolean): void {
    if (!isUndo) {
      this.#list.push(mapping);
      this.#byStart?.set(mapping.range.startPage, mapping);
    }
  }

  /** Whether one starts at this page. To be called after `index`. */
  startsAt(page: number): boolean {
    return this.#byStart?.has(page) === true;
  }

  /** Removes the one that starts at this page, if `index` has been called. */
  removeAt(page: number): void {
    this.#byStart?.delete(page);
  }

  /** All of them, by start. */
  *index(): Coroutine<ReadonlyMap<number, MapChange>> {
    let byStart = this.#byStart;
    if (byStart === undefined) {
      const index = new Map<number, MapChange>();
      yield* eachInSlices(this.#list, (mapping) => {
        index.set(mapping.range.startPage, mapping);
      });
      this.#byStart = byStart = index;
    }
    return byStart;
  }
}
