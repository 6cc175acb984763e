import type { ChangeSet, MapChange, UnmapChange } from '../contracts/change-set.js';
import { DmaError } from '../contracts/errors.js';
import type { HostVa } from '../contracts/host-va.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { mapInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import { EMPTY_LIST } from '../util/lists.js';
import { done } from '../util/sliced-work.js';
import { withChanges } from './mapping.js';

/** The unmaps of a set, with the mappings that they remove. */
export interface Removals {
  /** In ascending order of their addresses, which do not overlap. */
  readonly unmaps: readonly UnmapChange[];
  /** The mappings of all unmaps, in the order of the unmaps and of their `covers`: ascending. */
  readonly removed: readonly MapChange[];
}

export const NO_REMOVALS: Removals = { unmaps: EMPTY_LIST, removed: EMPTY_LIST };

/** Removals with one unmap for each mapping. */
export function removeEach(removed: readonly MapChange[]): Coroutine<Removals> {
  return removed.length === 0 ? done(NO_REMOVALS, 1) : removeEachOf(removed);
}

function* removeEachOf(removed: readonly MapChange[]): Coroutine<Removals> {
  return { unmaps: yield* mapInSlices(removed, unmapOf), removed };
}

/** Returns the host virtual address of the mapping at exactly this range. */
export type AddressOf = (range: MemoryRange) => HostVa | undefined;

/** For each map of a set its host address, or the error with which the mapper has refused it. */
export type Addresses = readonly (HostVa | DmaError)[];

/** The active mappings, as of the last command that took effect. */
export interface ActiveMappings {
  readonly generation: number;
  /** In ascending order. */
  all(): Coroutine<readonly MapChange[]>;
}

/** The part of a managed set that only this library reads. */
export interface SetDetails {
  readonly active: ActiveMappings;
  /** The mappings that the unmaps remove: see `Removals`. */
  readonly removed: readonly MapChange[];
  /** Returns the host virtual addresses of mappings; `undefined` if the maps of the set have none. */
  readonly addressOf: AddressOf | undefined;
  /** The addresses of the maps, which the maps do not have themselves; `undefined` when the maps need none. */
  readonly addresses?: Addresses | undefined;
}

/**
 * A change set that a manager made. Its details have the active mappings, and the mappings that its unmaps remove.
 *
 * A target that received only such sets has exactly the active mappings mapped, so its ledger need not list them. What operators of users get
 * and make are plain sets: see `frozenSet`.
 */
export class ManagedSet implements ChangeSet {
  readonly generation: number;
  readonly snapshot: boolean;
  readonly unmaps: readonly UnmapChange[];
  readonly maps: readonly MapChange[];
  declare readonly undo?: true;
  readonly #details: SetDetails;

  constructor(
    details: SetDetails,
    generation: number,
    unmaps: readonly UnmapChange[],
    maps: readonly MapChange[],
    snapshot = false,
  ) {
    this.generation = generation;
    this.snapshot = snapshot;
    this.unmaps = unmaps;
    this.maps = maps;
    this.#details = details;
  }

  /** The details of a managed set; `undefined` for other sets. */
  static detailsOf(set: ChangeSet): SetDetails | undefined {
    return #details in set ? set.#details : undefined;
  }
}

/** The first step of a set: only its unmaps. */
export function unmapStep(set: ChangeSet): ChangeSet {
  return set.maps.length === 0 ? set : partOf(set, set.unmaps, EMPTY_LIST);
}

/** The second step of a set: only its maps. */
export function mapStep(set: ChangeSet): ChangeSet {
  return set.unmaps.length === 0 ? set : partOf(set, EMPTY_LIST, set.maps);
}

function partOf(set: ChangeSet, unmaps: readonly UnmapChange[], maps: readonly MapChange[]): ChangeSet {
  const details = ManagedSet.detailsOf(set);
  return details === undefined
    ? { ...set, unmaps, maps }
    : new ManagedSet(details, set.generation, unmaps, maps, set.snapshot);
}

/**
 * The same set with host addresses: beside the maps of a managed set, on the maps of a plain one.
 *
 * @param addressOf returns the address of a map again later
 */
export function withAddresses(set: ChangeSet, addresses: Addresses, addressOf: AddressOf): Coroutine<ChangeSet> {
  const { generation, snapshot, unmaps, maps } = set;
  const details = ManagedSet.detailsOf(set);
  return details === undefined
    ? withAddressesOnMaps(set, addresses)
    : done(
        new ManagedSet(
          { active: details.active, removed: details.removed, addressOf, addresses },
          generation,
          unmaps,
          maps,
          snapshot,
        ),
        1,
      );
}

function* withAddressesOnMaps(set: ChangeSet, addresses: Addresses): Coroutine<ChangeSet> {
  return withMaps(set, yield* addressedMaps(set.maps, addresses));
}

/** The same set with its host addresses on its maps, as operators outside this library see it. */
export function* withHostVas(set: ChangeSet): Coroutine<ChangeSet> {
  const details = ManagedSet.detailsOf(set);
  if (details?.addresses === undefined) {
    return set;
  }
  const maps = yield* addressedMaps(set.maps, details.addresses);
  return new ManagedSet({ ...details, addresses: undefined }, set.generation, set.unmaps, maps, set.snapshot);
}

function addressedMaps(maps: readonly MapChange[], addresses: Addresses): Coroutine<readonly MapChange[]> {
  let next = 0;
  return mapInSlices(maps, (change) => {
    const address = addresses[next++] as HostVa | DmaError;
    return address instanceof DmaError ? { ...change, refused: address } : withChanges(change, { hostVa: address });
  });
}

/** A plain set with the same unmaps and other maps. */
export function withMaps(set: ChangeSet, maps: readonly MapChange[]): ChangeSet {
  const { generation, snapshot, unmaps, undo } = set;
  return undo === undefined ? { generation, snapshot, unmaps, maps } : { generation, snapshot, unmaps, maps, undo };
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
