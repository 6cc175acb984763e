import type { ChangeSet, MapChange, UnmapChange } from '../contracts/change-set.js';
import type { HostVa } from '../contracts/host-va.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { MappingType } from '../contracts/region.js';
import { joinInSlices, mapInSlices } from '../ranges/slices.js';
import { runAtOnce, type Steps } from '../util/coroutine.js';

/** A region as its unmap names it. */
export interface DepartingRegion {
  readonly name: string;
  readonly range: MemoryRange;
  readonly type: MappingType;
}

/** What one region, or a target, gives up. */
export interface Departure {
  /** The region, when all that it had goes and one call over its whole range ends it; else each mapping goes by itself. */
  readonly whole: DepartingRegion | undefined;
  /** Ascending, not empty. */
  readonly leaving: readonly MapChange[];
}

/** All that goes in one set. */
export interface Leave {
  /** In order of their addresses, which they do not share. */
  readonly departures: readonly Departure[];
  /** The mappings of all of them, ascending. */
  readonly leaving: readonly MapChange[];
}

const NOTHING_LEAVES: Leave = { departures: [], leaving: [] };

/** What is held goes, each mapping by itself. */
export function leaveEach(leaving: readonly MapChange[]): Leave {
  return leaving.length === 0 ? NOTHING_LEAVES : { departures: [{ whole: undefined, leaving }], leaving };
}

/** Of the mapping at exactly this range. */
export type AddressOf = (range: MemoryRange) => HostVa | undefined;

/** What is active, as of the last command that took effect. */
export interface ActiveMappings {
  readonly generation: number;
  /** Ascending. */
  all(): Steps<readonly MapChange[]>;
}

/**
 * A change set as its manager makes it, which knows of what is active and of the mappings behind its unmaps.
 *
 * A target that is served nothing else holds what is active, and need not keep a list of it. The unmaps, as others see them, are
 * made when somebody looks. A copy with something changed is a plain set.
 */
export class CommandSet implements ChangeSet {
  readonly generation: number;
  readonly snapshot: boolean;
  readonly maps: readonly MapChange[];
  /** In order of their addresses, which they do not share. */
  readonly departures: readonly Departure[];
  /** All that goes with them, ascending. */
  readonly leaving: readonly MapChange[];
  readonly active: ActiveMappings;
  /** The host virtual address of a mapping, where its maps have one. */
  readonly addressOf: AddressOf | undefined;
  declare readonly undo?: true;
  #unmaps: readonly UnmapChange[] | undefined = undefined;

  constructor(
    active: ActiveMappings,
    generation: number,
    { departures, leaving }: Leave,
    maps: readonly MapChange[],
    snapshot = false,
    addressOf?: AddressOf,
  ) {
    this.generation = generation;
    this.snapshot = snapshot;
    this.maps = maps;
    this.departures = departures;
    this.leaving = leaving;
    this.active = active;
    this.addressOf = addressOf;
  }

  get unmaps(): readonly UnmapChange[] {
    return (this.#unmaps ??= runAtOnce(unmapsOf(this.departures)));
  }

  /** Makes the unmaps without holding up the event loop. */
  *listUnmaps(): Steps<readonly UnmapChange[]> {
    return (this.#unmaps ??= yield* unmapsOf(this.departures));
  }
}

/** The unmaps of a set that may be long. */
export function* unmapsOfSet(set: ChangeSet): Steps<readonly UnmapChange[]> {
  return set instanceof CommandSet ? yield* set.listUnmaps() : set.unmaps;
}

/** Whether a set unmaps something. */
export function hasUnmaps(set: ChangeSet): boolean {
  return set instanceof CommandSet ? set.departures.length > 0 : set.unmaps.length > 0;
}

/** The first step of a set: its unmaps alone. */
export function unmapStep(set: ChangeSet): ChangeSet {
  if (set.maps.length === 0) {
    return set;
  }
  return set instanceof CommandSet
    ? new CommandSet(set.active, set.generation, set, [], set.snapshot, set.addressOf)
    : { ...set, maps: [] };
}

/** The second step: its maps alone. */
export function mapStep(set: ChangeSet): ChangeSet {
  if (!hasUnmaps(set)) {
    return set;
  }
  return set instanceof CommandSet
    ? new CommandSet(set.active, set.generation, NOTHING_LEAVES, set.maps, set.snapshot, set.addressOf)
    : { ...set, unmaps: [] };
}

/** The same set, with host virtual addresses on its maps. */
export function withAddresses(set: ChangeSet, maps: readonly MapChange[], addressOf: AddressOf): ChangeSet {
  return set instanceof CommandSet
    ? new CommandSet(set.active, set.generation, set, maps, set.snapshot, addressOf)
    : withMaps(set, maps);
}

/** A plain set like this one, with other maps. */
export function withMaps(set: ChangeSet, maps: readonly MapChange[]): ChangeSet {
  const { generation, snapshot, unmaps, undo } = set;
  return undo === undefined ? { generation, snapshot, unmaps, maps } : { generation, snapshot, unmaps, maps, undo };
}

/** The same as unmaps, ascending. */
export function* unmapsOf(departures: readonly Departure[]): Steps<readonly UnmapChange[]> {
  const unmaps: (readonly UnmapChange[])[] = [];
  for (const { whole, leaving } of departures) {
    if (whole === undefined) {
      unmaps.push(yield* mapInSlices(leaving, unmapOf));
    } else {
      const { range, name: region, type } = whole;
      unmaps.push([{ range, region, type, covers: yield* mapInSlices(leaving, rangeOf) }]);
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
