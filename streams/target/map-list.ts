import { ManagedSet, type Addresses } from '../changes/managed-set.js';
import { withChanges } from '../changes/mapping.js';
import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import type { DmaMapRequest } from '../contracts/dma-target.js';
import { DmaError } from '../contracts/errors.js';
import type { HostVa } from '../contracts/host-va.js';
import type { Coroutine } from '../util/coroutine.js';
import { inSlices, ITEMS_AT_ONCE_MAX } from '../util/sliced-work.js';

/** The maps of a set, and their requests. */
export class MapList {
  readonly set: ChangeSet;
  readonly maps: readonly MapChange[];
  /** Parallel to the maps: the addresses of a managed set. `undefined` when the maps have them, or there are none. */
  readonly addresses: Addresses | undefined;
  /** Those of all maps, and those of the maps that have not been refused. Made for `checkMaps`, used for the calls. */
  #all: DmaMapRequest[] | undefined = undefined;
  #allowed: DmaMapRequest[] = [];

  /** @param maps all maps of the set, or some of them if the set has no addresses */
  constructor(set: ChangeSet, maps: readonly MapChange[]) {
    this.set = set;
    this.maps = maps;
    this.addresses = ManagedSet.detailsOf(set)?.addresses;
  }

  /** The host address of a map, or the error with which a mapper or an operator has refused it. */
  addressAt(index: number): HostVa | DmaError | undefined {
    const { refused, hostVa } = this.maps[index] as MapChange;
    return refused ?? (this.addresses === undefined ? hostVa : this.addresses[index]);
  }

  /** The map with its address. */
  mappingAt(index: number): MapChange {
    const change = this.maps[index] as MapChange;
    const hostVa = this.addressAt(index);
    return hostVa === undefined || hostVa === change.hostVa || hostVa instanceof DmaError
      ? change
      : withChanges(change, { hostVa });
  }

  /** Makes all requests. Returns a coroutine when there are many. */
  makeAll(): Coroutine<void> | undefined {
    const { length } = this.maps;
    this.#all = this.#allowed = [];
    if (length > ITEMS_AT_ONCE_MAX) {
      return inSlices(length, (from, to) => {
        this.#append(from, to);
      });
    }
    this.#append(0, length);
    return undefined;
  }

  /** The requests of the maps that have not been refused. To be called after `makeAll`. */
  get allowed(): readonly DmaMapRequest[] {
    return this.#allowed;
  }

  requestAt(index: number, address = this.addressAt(index)): DmaMapRequest {
    return this.#all?.[index] ?? requestOf(this.maps[index] as MapChange, address);
  }

  /** The requests of the maps from index `from` up to, but not including, `to`. */
  requestsBetween(from: number, to: number): readonly DmaMapRequest[] {
    const all = this.#all;
    if (all !== undefined) {
      return to - from === all.length ? all : all.slice(from, to);
    }
    const requests: DmaMapRequest[] = [];
    for (let index = from; index < to; index++) {
      requests.push(this.requestAt(index));
    }
    return requests;
  }

  #append(from: number, to: number): void {
    const all = this.#all as DmaMapRequest[];
    for (let index = from; index < to; index++) {
      const address = this.addressAt(index);
      const isRefused = address instanceof DmaError;
      if (isRefused && this.#allowed === all) {
        this.#allowed = all.slice();
      }
      const request = requestOf(this.maps[index] as MapChange, address);
      all.push(request);
      if (this.#allowed !== all && !isRefused) {
        this.#allowed.push(request);
      }
    }
  }
}

/** The request for a map. This is the only place where a host address is put on. */
export function requestOf(
  { range, region, type, writable, backing }: MapChange,
  address: HostVa | DmaError | undefined,
): DmaMapRequest {
  const hostVa = address instanceof DmaError ? undefined : address;
  if (typeof backing === 'string') {
    return hostVa === undefined
      ? { range, region, type, writable, fileOffset: 0n }
      : { range, region, type, writable, fileOffset: 0n, hostVa };
  }
  const { mappable, fileOffset } = backing;
  return hostVa === undefined
    ? { range, region, type, writable, mappable, fileOffset }
    : { range, region, type, writable, mappable, fileOffset, hostVa };
}
