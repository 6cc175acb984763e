import type { MapChange } from '../contracts/change-set.js';
import type { RegionState } from './region-state.js';
import type { MapParams } from '../contracts/region.js';
import { EMPTY_LIST } from '../util/lists.js';

/** The edits of one region in one transaction. */
export class RegionEdits {
  readonly state: RegionState;
  /** The parameters with which it was mapped before; `undefined` if it was not mapped. */
  readonly visibleBefore: MapParams | undefined;
  readonly presentBefore: boolean;
  // Most transactions either add or remove: a list is made for its first mapping.
  #added: readonly MapChange[] = EMPTY_LIST;
  #removed: readonly MapChange[] = EMPTY_LIST;

  /** Must be made before the first change of the region. */
  constructor(state: RegionState) {
    this.state = state;
    this.visibleBefore = state.visible;
    this.presentBefore = state.present;
  }

  /** The added mappings, in the order of the edits. A mapping that was added and removed again is in both lists. */
  get added(): readonly MapChange[] {
    return this.#added;
  }

  /** The removed mappings, in the order of the edits. */
  get removed(): readonly MapChange[] {
    return this.#removed;
  }

  /** Whether no mapping was added or removed. */
  get isEmpty(): boolean {
    return this.#added.length === 0 && this.#removed.length === 0;
  }

  add(mapping: MapChange): void {
    if (this.#added === EMPTY_LIST) {
      this.#added = [mapping];
    } else {
      (this.#added as MapChange[]).push(mapping);
    }
  }

  remove(mapping: MapChange): void {
    if (this.#removed === EMPTY_LIST) {
      this.#removed = [mapping];
    } else {
      (this.#removed as MapChange[]).push(mapping);
    }
  }
}
