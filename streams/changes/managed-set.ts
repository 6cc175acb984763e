import type { ChangeSet, MapChange, UnmapChange } from '../contracts/change-set.js';
import type { HostVa } from '../contracts/host-va.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { MappingType } from '../contracts/region.js';
import { joinInSlices, mapInSlices } from '../ranges/slices.js';
import { runAtOnce, type Coroutine } from '../util/coroutine.js';

/** A region as its unmap names it. */
export interface UnmappedRegion {
  readonly name: string;
  readonly range: MemoryRange;
  readonly type: MappingType;
}

/** What one region, or a target, gives up. */
export interface RegionUnmap {
  /** The region, when all that it had goes and one call over its whole range ends it; else each mapping goes by itself. */
  readonly asOneCall: UnmappedRegion | undefined;
  /** Ascending, not empty. */
  readonly mappings: readonly MapChange[];
}

/** All that goes in one set. */
export interface Removals {
  /** In order of their addresses, which they do not share. */
  readonly regionUnmaps: readonly RegionUnmap[];
  /** The mappings of all of them, ascending. */
  readonly removed: readonly MapChange[];
}

const NO_REMOVALS: Removals = { regionUnmaps: [], removed: [] };

/** What is held goes, each mapping by itself. */
export function removeEach(removed: readonly MapChange[]): Removals {
  return removed.length === 0 ? NO_REMOVALS : { regionUnmaps: [{ asOneCall: undefined, mappings: removed }], removed };
}

/** Of the mapping at exactly this range. */
export type AddressOf = (range: MemoryRange) => HostVa | undefined;

/** What is active, as of the last command that took effect. */
export interface ActiveMappings {
  readonly generation: number;
  /** Ascending. */
  all(): Coroutine<readonly MapChange[]>;
}

/**
 * A change set as its manager makes it, which knows of what is active and of the mappings behind its unmaps.
 *
 * A target that is served nothing else holds what is active, and need not keep a list of it. The unmaps, as others see them, are
 * made when somebody looks. A copy with something changed is a plain set.
 */
export class ManagedSet implements ChangeSet {
  readonly generation: number;
  readonly snapshot: boolean;
  readonly maps: readonly MapChange[];
  /** In order of their addresses, which they do not share. */
  readonly regionUnmaps: readonly RegionUnmap[];
  /** All that goes with them, ascending. */
  readonly removed: readonly MapChange[];
  readonly active: ActiveMappings;
  /** The host virtual address of a mapping, where its maps have one. */
  readonly addressOf: AddressOf | undefined;
  declare readonly undo?: true;
  #unmaps: readonly UnmapChange[] | undefined = undefined;

  constructor(
    active: ActiveMappings,
    generation: number,
    { regionUnmaps, removed }: Removals,
    maps: readonly MapChange[],
    snapshot = false,
    addressOf?: AddressOf,
  ) {
    this.generation = generation;
    this.snapshot = snapshot;
    this.maps = maps;
    this.regionUnmaps = regionUnmaps;
    this.removed = removed;
    this.active = active;
    this.addressOf = addressOf;
  }

  get unmaps(): readonly UnmapChange[] {
    return (this.#unmaps ??= runAtOnce(unmapsOf(this.regionUnmaps)));
  }

  /** Makes the unmaps without holding up the event loop. */
  *listUnmaps(): Coroutine<readonly UnmapChange[]> {
    return (this.#unmaps ??= yield* unmapsOf(this.regionUnmaps));
  }
}

/** The unmaps of a set that may be long. */
export function* unmapsOfSet(set: ChangeSet): Coroutine<readonly UnmapChange[]> {
  return set instanceof ManagedSet ? yield* set.listUnmaps() : set.unmaps;
}

/** Whether a set unmaps something. */
export function hasUnmaps(set: ChangeSet): boolean {
  return set instanceof ManagedSet ? set.regionUnmaps.length > 0 : set.unmaps.length > 0;
}

/** The first step of a set: its unmaps alone. */
export function unmapStep(set: ChangeSet): ChangeSet {
  if (set.maps.length === 0) {
    return set;
  }
  return set instanceof ManagedSet
    ? new ManagedSet(set.active, set.generation, set, [], set.snapshot, set.addressOf)
    : { ...set, maps: [] };
}

/** The second step: its maps alone. */
export function mapStep(set: ChangeSet): ChangeSet {
  if (!hasUnmaps(set)) {
    return set;
  }
  return set instanceof ManagedSet
    ? new ManagedSet(set.active, set.generation, NO_REMOVALS, set.maps, set.snapshot, set.addressOf)
    : { ...set, unmaps: [] };
}

/** The same set, with host virtual addresses on its maps. */
export function withAddresses(set: ChangeSet, maps: readonly MapChange[], addressOf: AddressOf): ChangeSet {
  return set instanceof ManagedSet
    ? new ManagedSet(set.active, set.generation, set, maps, set.snapshot, addressOf)
    : withMaps(set, maps);
}

/** A plain set like this one, with other maps. */
export function withMaps(set: ChangeSet, maps: readonly MapChange[]): ChangeSet {
  const { generation, snapshot, unmaps, undo } = set;
  return undo === undefined ? { generation, snapshot, unmaps, maps } : { generation, snapshot, unmaps, maps, undo };
}

/** The same as unmaps, ascending. */
export function* unmapsOf(regionUnmaps: readonly RegionUnmap[]): Coroutine<readonly UnmapChange[]> {
  const unmaps: (readonly UnmapChange[])[] = [];
  for (const { asOneCall, mappings } of regionUnmaps) {
    if (asOneCall === undefined) {
      unmaps.push(yield* mapInSlices(mappings, unmapOf));
    } else {
      const { range, name: region, type } = asOneCall;
      unmaps.push([{ range, region, type, covers: yield* mapInSlices(mappings, rangeOf) }]);
    }
  }
  return yield* joinInSlices(unmaps);
}

function rangeOf({ range }: MapChange): MemoryRange {
  return range;
}

/** The unmap that ends exactly this mapping. */
export function unmapOf({ range, region, type }: MapChange): UnmapChange {
  return { range, region, type, covers: [range] };
}
