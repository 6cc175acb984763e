import type { MapChange } from '../contracts/change-set.js';
import type { HostVa } from '../contracts/host-va.js';

/**
 * The same mapping with some of its properties replaced. What a spread does in several times the time, and of what a spread makes each property
 * takes several times as long to read.
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
 * Whether a target would see no difference: same range, same mappable object, same file offset, same `writable`, same type. The
 * name of the region does not count.
 */
export function sameMapping(a: MapChange, b: MapChange): boolean {
  return a.writable === b.writable && a.type === b.type && sameMemory(a, b);
}

/** Whether both are the same bytes at the same addresses. */
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
