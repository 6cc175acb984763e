import type { ChangeSet, MapChange, UnmapChange } from '../contracts/change-set.js';
import type { HostVa } from '../contracts/host-va.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { MappingType } from '../contracts/region.js';
import { joinInSlices, mapInSlices } from '../ranges/slices.js';
import { EMPTY_LIST } from '../util/lists.js';
import { runAtOnce, type Coroutine } from '../util/coroutine.js';

/** The properties of a region that its unmap has. */
export interface UnmappedRegion {
  readonly name: string;
  readonly range: MemoryRange;
  readonly type: MappingType;
}

/** The removed mappings of one region, or of one target. */
export interface RegionUnmap {
  /** The region, if one unmap of its whole range removes all of its mappings; `undefined` if each mapping needs an unmap. */
  readonly asOneCall: UnmappedRegion | undefined;
  /** In ascending order, not empty. */
  readonly mappings: readonly MapChange[];
}

/** All removed mappings of a set. */
export interface Removals {
  /** In ascending order of their addresses, which do not overlap. */
  readonly regionUnmaps: readonly RegionUnmap[];
  /** The mappings of all region unmaps, in ascending order. */
  readonly removed: readonly MapChange[];
}

const NO_REMOVALS: Removals = { regionUnmaps: EMPTY_LIST, removed: EMPTY_LIST };

/** Removals with one unmap for each mapping. */
export function removeEach(removed: readonly MapChange[]): Removals {
  return removed.length === 0 ? NO_REMOVALS : { regionUnmaps: [{ asOneCall: undefined, mappings: removed }], removed };
}

/** Returns the host virtual address of the mapping at exactly this range. */
export type AddressOf = (range: MemoryRange) => HostVa | undefined;

/** The active mappings, as of the last command that took effect. */
export interface ActiveMappings {
  readonly generation: number;
  /** In ascending order. */
  all(): Coroutine<readonly MapChange[]>;
}

/**
 * A change set that a manager made. It also has the active mappings, and the mappings that its unmaps remove.
 *
 * A target that received only such sets has exactly the active mappings mapped, so its ledger need not list them. `unmaps` is made when it is
 * first read. A changed copy, as operators make it, is a plain `ChangeSet`.
 */
export class ManagedSet implements ChangeSet {
  readonly generation: number;
  readonly snapshot: boolean;
  readonly maps: readonly MapChange[];
  /** In ascending order of their addresses, which do not overlap. */
  readonly regionUnmaps: readonly RegionUnmap[];
  /** The mappings of all region unmaps, in ascending order. */
  readonly removed: readonly MapChange[];
  readonly active: ActiveMappings;
  /** Returns the host virtual addresses of mappings; `undefined` if the maps of the set have none. */
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

  /** Like `unmaps`, with pauses for the event loop. */
  *listUnmaps(): Coroutine<readonly UnmapChange[]> {
    return (this.#unmaps ??= yield* unmapsOf(this.regionUnmaps));
  }
}

/** The unmaps of a set. Pauses for the event loop if the list has to be made. */
export function* unmapsOfSet(set: ChangeSet): Coroutine<readonly UnmapChange[]> {
  return set instanceof ManagedSet ? yield* set.listUnmaps() : set.unmaps;
}

/** Whether a set has unmaps. Does not make the list. */
export function hasUnmaps(set: ChangeSet): boolean {
  return set instanceof ManagedSet ? set.regionUnmaps.length > 0 : set.unmaps.length > 0;
}

/** The first step of a set: only its unmaps. */
export function unmapStep(set: ChangeSet): ChangeSet {
  if (set.maps.length === 0) {
    return set;
  }
  return set instanceof ManagedSet
    ? new ManagedSet(set.active, set.generation, set, [], set.snapshot, set.addressOf)
    : { ...set, maps: [] };
}

/** The second step of a set: only its maps. */
export function mapStep(set: ChangeSet): ChangeSet {
  if (!hasUnmaps(set)) {
    return set;
  }
  return set instanceof ManagedSet
    ? new ManagedSet(set.active, set.generation, NO_REMOVALS, set.maps, set.snapshot, set.addressOf)
    : { ...set, unmaps: [] };
}

/** The same set with other maps: those that have host virtual addresses. */
export function withAddresses(set: ChangeSet, maps: readonly MapChange[], addressOf: AddressOf): ChangeSet {
  return set instanceof ManagedSet
    ? new ManagedSet(set.active, set.generation, set, maps, set.snapshot, addressOf)
    : withMaps(set, maps);
}

/** A plain set with the same unmaps and other maps. */
export function withMaps(set: ChangeSet, maps: readonly MapChange[]): ChangeSet {
  const { generation, snapshot, unmaps, undo } = set;
  return undo === undefined ? { generation, snapshot, unmaps, maps } : { generation, snapshot, unmaps, maps, undo };
}

/** The unmaps that remove these mappings, in ascending order. */
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

/** The unmap that removes exactly this mapping. */
export function unmapOf({ range, region, type }: MapChange): UnmapChange {
  return { range, region, type, covers: [range] };
}

/** A plain forward set: its first failed map stops it and undoes it. */
export function forward(generation: number, unmaps: ChangeSet['unmaps'], maps: readonly MapChange[]): ChangeSet {
  return { generation, snapshot: false, unmaps, maps };
}

/** An inverse set, which undoes or repairs: it is served to its end, past failures. */
export function inverse(generation: number, unmaps: ChangeSet['unmaps'], maps: readonly MapChange[]): ChangeSet {
  return { ...forward(generation, unmaps, maps), undo: true };
}
