import type { MapChange } from '../contracts/change-set.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import type { MapParams, MappingType } from '../contracts/region.js';

/** Toggles many regions at the same moment: each region refers to it, and changes when it is applied. */
export class PendingToggle {
  isApplied = false;

  apply(): void {
    this.isApplied = true;
  }
}

/**
 * The state of one region in its manager. Each edit changes `visible`, `present` and `mappings` immediately; `active` changes when a transaction
 * takes effect.
 */
export class RegionState {
  readonly name: string;
  readonly range: MemoryRange;
  readonly priority: number;
  readonly type: MappingType;
  /** Number of the region in its manager. Of regions with the same priority and range, the one with the lowest number is active. */
  readonly sequence: number;
  /** The `RegionContext` of the manager that the region belongs to. */
  readonly owner: object;
  /** The parameters with which it is mapped; `undefined` while it is not mapped. */
  visible: MapParams | undefined = undefined;
  /** Whether it is in the table: added, and not removed. */
  present = false;
  #active = false;
  #pendingToggle: PendingToggle | undefined = undefined;
  /** By guest physical address. `writable` is that of the mapping, without that of the region. */
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

  /** Whether it is active, as of the last transaction that took effect. */
  get active(): boolean {
    return this.#pendingToggle?.isApplied === true ? !this.#active : this.#active;
  }

  /** Changes `active` now. */
  toggle(): void {
    this.#active = !this.active;
    this.#pendingToggle = undefined;
  }

  /** Changes `active` when `toggle` is applied. */
  toggleWith(toggle: PendingToggle): void {
    this.#active = this.active;
    this.#pendingToggle = toggle;
  }
}
