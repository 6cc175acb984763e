import type { MapChange } from '../contracts/change-set.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import type { MapParams, MappingType } from '../contracts/region.js';

/** When a transaction takes effect: for all regions that it switches at the same moment, however many they are. */
export class PendingToggle {
  isTaken = false;

  take(): void {
    this.isTaken = true;
  }
}

/**
 * What a manager knows of one region. `visible`, `present` and `mappings` follow each edit at once; `active` is what took
 * effect.
 */
export class RegionState {
  readonly name: string;
  readonly range: MemoryRange;
  readonly priority: number;
  readonly type: MappingType;
  /** Counts the regions of a manager: of equals, the first added wins. */
  readonly sequence: number;
  /** Whose it is: what a manager's drafts work on. */
  readonly owner: object;
  /** How it is mapped; `undefined` while it is hidden. */
  visible: MapParams | undefined = undefined;
  /** Whether it has been added and not been removed. */
  present = false;
  #active = false;
  #switchedWith: PendingToggle | undefined = undefined;
  /** By guest physical address, each with the mapping's own `writable`. */
  readonly mappings = new RangeMap<MapChange>();

  constructor(params: {
    readonly name: string;
    readonly range: MemoryRange;
    readonly priority: number;
    readonly type: MappingType;
    readonly sequence: number;
    readonly owner: object;
  }) {
    this.name = params.name;
    this.range = params.range;
    this.priority = params.priority;
    this.type = params.type;
    this.sequence = params.sequence;
    this.owner = params.owner;
  }

  /** What took effect. */
  get active(): boolean {
    return this.#switchedWith?.isTaken === true ? !this.#active : this.#active;
  }

  /** It is active if it was not, and the other way round. */
  toggle(): void {
    this.#active = !this.active;
    this.#switchedWith = undefined;
  }

  /** From when that is taken on, it is active if it was not, and the other way round. */
  toggleWith(activity: PendingToggle): void {
    this.#active = this.active;
    this.#switchedWith = activity;
  }
}
