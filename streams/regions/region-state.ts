import type { MappingType } from '../contracts/backing.js';
import type { MapChange } from '../contracts/change-set.js';
import type { MapParams, Region, RegionParams } from '../contracts/region.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap, type Ranged } from '../ranges/range-map.js';
import { eachInSlices, filterInSlices, overlappingInSlices } from '../ranges/slices.js';
import { hasRange } from '../ranges/sorted-list.js';
import type { Coroutine } from '../util/coroutine.js';
import { EMPTY_LIST } from '../util/lists.js';
import { done } from '../util/sliced-work.js';

/** A mapping of a region, in guest physical addresses. `writable` is that of the mapping, without that of the region. */
export interface RegionMapping extends MapChange {
  /** In pages; absent if the mapping is one piece. */
  readonly granule?: number;
}

/** What a transaction changes of the addresses at which a region shows. The parts of each list are in ascending order and do not touch. */
export interface ShownChange {
  readonly state: RegionState;
  readonly removed: readonly Ranged[];
  readonly added: readonly Ranged[];
}

/** Changes many regions at the same moment: each region refers to it, and changes when it is applied. */
export class PendingChanges {
  isApplied = false;

  apply(): void {
    this.isApplied = true;
  }
}

/**
 * The state of one region in its manager. Each edit changes `visible`, `present` and `mappings` immediately; which addresses show changes when a
 * transaction takes effect.
 */
export class RegionState {
  readonly name: string;
  readonly range: MemoryRange;
  readonly priority: number;
  readonly type: MappingType;
  /** Whether it covers other regions only where it has mappings. */
  readonly isTransparent: boolean;
  /** Number of the region in its manager. Of regions with the same priority, the one with the lowest number shows. */
  readonly sequence: number;
  /** The `RegionContext` of the manager that the region belongs to. */
  readonly owner: object;
  /** The parameters with which it is mapped; `undefined` while it is not mapped. */
  visible: MapParams | undefined = undefined;
  /** Whether it is in the table: added, and not removed. */
  present = false;
  /** The object that users have of it. */
  declare handle: Region;
  /** Whether a mapping with a granule has been added to it. */
  hasGranules = false;
  readonly mappings = new RangeMap<RegionMapping>();
  #active = false;
  /** The parts that show, if it is active and they are not the whole region. */
  #parts: RangeMap<Ranged> | undefined = undefined;
  #pending:
    | { readonly group: PendingChanges; readonly isActive: boolean; readonly parts: RangeMap<Ranged> | undefined }
    | undefined = undefined;

  constructor(params: RegionParams & { readonly priority: number; readonly sequence: number; readonly owner: object }) {
    this.name = params.name;
    this.range = params.range;
    this.priority = params.priority;
    this.type = params.type;
    this.isTransparent = params.holes === 'transparent';
    this.sequence = params.sequence;
    this.owner = params.owner;
  }

  /** Whether it shows at one address at least, as of the last transaction that took effect. */
  get active(): boolean {
    if (this.#pending?.group.isApplied === true) {
      this.#settle();
    }
    return this.#active;
  }

  /** Whether it shows at all of its addresses. */
  get isWhole(): boolean {
    return this.active && this.#parts === undefined;
  }

  /** Whether its mappings are what targets have of it while it is active: none is divided. Other regions do not depend on its mappings. */
  get isPlain(): boolean {
    return this.#parts === undefined && !this.hasGranules && !this.isTransparent && this.#pending === undefined;
  }

  /** Number of the parts that show. */
  get partCount(): number {
    return this.active ? (this.#parts?.size ?? 1) : 0;
  }

  /** The parts that show and share a page with `range`, in ascending order; they do not touch. */
  partsOverlapping(range: MemoryRange): readonly Ranged[] {
    if (!this.active) {
      return EMPTY_LIST;
    }
    return this.#parts?.overlapping(range) ?? (this.range.overlaps(range) ? [this] : EMPTY_LIST);
  }

  /** The same, with pauses for the event loop. */
  partsInSlices(range = this.range): Coroutine<readonly Ranged[]> {
    return this.active && this.#parts !== undefined
      ? overlappingInSlices(this.#parts, range)
      : done(this.partsOverlapping(range), 1);
  }

  /** Changes which addresses show, now. */
  show(change: ShownChange): void {
    if (this.#pending?.group.isApplied === true) {
      this.#settle();
    }
    this.#pending = undefined;
    this.#apply(change);
  }

  /** Prepares to change which addresses show, when `group` is applied. */
  *prepare(group: PendingChanges, { removed, added }: ShownChange): Coroutine<void> {
    if (this.#pending?.group.isApplied === true) {
      this.#settle();
    }
    if (this.#parts === undefined && isAllOrNothing(added, this.range)) {
      this.#pending = { group, isActive: added.length > 0, parts: undefined };
      return;
    }
    const parts = new RangeMap<Ranged>();
    const before = yield* this.partsInSlices();
    const kept = yield* filterInSlices(before, ({ range }) => !hasRange(removed, range));
    for (const list of [kept, added]) {
      yield* eachInSlices(list, ({ range }) => {
        parts.insert({ range });
      });
    }
    this.#pending = { group, isActive: parts.size > 0, parts: this.#isDivided(parts) ? parts : undefined };
  }

  #settle(): void {
    if (this.#pending !== undefined) {
      this.#active = this.#pending.isActive;
      this.#parts = this.#pending.parts;
      this.#pending = undefined;
    }
  }

  #apply({ removed, added }: ShownChange): void {
    if (this.#parts === undefined && isAllOrNothing(added, this.range)) {
      this.#active = added.length > 0;
      return;
    }
    const parts = (this.#parts ??= this.#wholeAsParts());
    for (const { range } of removed) {
      parts.remove(range);
    }
    for (const part of added) {
      parts.insert({ range: part.range });
    }
    this.#active = parts.size > 0;
    this.#parts = this.#isDivided(parts) ? parts : undefined;
  }

  /** Whether these parts are neither none nor the whole region. */
  #isDivided(parts: RangeMap<Ranged>): boolean {
    return parts.size > 0 && parts.startingAt(this.range.startPage)?.range.equals(this.range) !== true;
  }

  #wholeAsParts(): RangeMap<Ranged> {
    const parts = new RangeMap<Ranged>();
    if (this.#active) {
      parts.insert({ range: this.range });
    }
    return parts;
  }
}

function isAllOrNothing(parts: readonly Ranged[], range: MemoryRange): boolean {
  return parts.length === 0 || (parts.length === 1 && parts[0]?.range.equals(range) === true);
}
