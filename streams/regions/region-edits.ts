import type { MapChange } from '../contracts/change-set.js';
import type { RegionState } from './region-state.js';
import type { MapParams } from '../contracts/region.js';

/** What a list is until there is something in it: most transactions add or remove, and do not both. */
const NONE: MapChange[] = [];

/** What one transaction did to one region. */
export class RegionEdits {
  readonly state: RegionState;
  /** How it was mapped before; `undefined` when it was hidden. */
  readonly visibleBefore: MapParams | undefined;
  readonly presentBefore: boolean;
  #added: MapChange[] = NONE;
  #removed: MapChange[] = NONE;

  /** To be made before the first change of the region. */
  constructor(state: RegionState) {
    this.state = state;
    this.visibleBefore = state.visible;
    this.presentBefore = state.present;
  }

  /** In the order of the edits. A mapping that was added and removed again is in both. */
  get added(): readonly MapChange[] {
    return this.#added;
  }

  get removed(): readonly MapChange[] {
    return this.#removed;
  }

  /** Whether no mapping was added or removed. */
  get isEmpty(): boolean {
    return this.#added.length === 0 && this.#removed.length === 0;
  }

  add(mapping: MapChange): void {
    if (this.#added === NONE) {
      this.#added = [mapping];
    } else {
      this.#added.push(mapping);
    }
  }

  remove(mapping: MapChange): void {
    if (this.#removed === NONE) {
      this.#removed = [mapping];
    } else {
      this.#removed.push(mapping);
    }
  }
}
