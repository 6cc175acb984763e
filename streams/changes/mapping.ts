import type { MapChange } from '../contracts/change-set.js';
import type { HostVa } from '../contracts/host-va.js';

/**
 * A copy of the mapping with some properties replaced. Several times as fast as a spread, and its properties can be read several times as fast as
 * those of an object that a spread made.
 */
export function withChanges(
  change: MapChange,
  replaced: { readonly writable?: boolean; readonly backing?: MapChange['backing']; readonly hostVa?: HostVa },
): MapChange {
  const { range, region, type, refused } = change;
  const { writable = change.writable, backing = change.backing, hostVa = change.hostVa } = replaced;
  if (refused !== undefined) {
    return { ...change, ...replaced };
  }
  return hostVa === undefined
    ? { range, region, type, writable, backing }
    : { range, region, type, writable, backing, hostVa };
}

/**
 * Whether the mappings are the same for a target: same range, same mappable object, same file offset, same `writable`, same type. The region may
 * differ.
 */
export function sameMapping(a: MapChange, b: MapChange): boolean {
  return a.writable === b.writable && a.type === b.type && sameMemory(a, b);
}

/** Whether both have the same memory at the same addresses. */
export function sameMemory(a: MapChange, b: MapChange): boolean {
  if (!a.range.equals(b.range)) {
    return false;
  }
  if (a.backing === 'private' || b.backing === 'private') {
    return a.backing === b.backing;
  }
  return a.backing.mappable === b.backing.mappable && a.backing.fileOffset === b.backing.fileOffset;
}

/** The mapping that an entry is of. */
export function mappingOf({ mapping }: { readonly mapping: MapChange }): MapChange {
  return mapping;
}

/** Whether an operator has refused the map: it must not reach the target. */
export function isRefused({ refused }: MapChange): boolean {
  return refused !== undefined;
}
