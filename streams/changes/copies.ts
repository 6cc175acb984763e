import type { ChangeSet, MapChange, UnmapChange } from '../contracts/change-set.js';
import { withChanges } from './mapping.js';

/**
 * A copy of a set for an observer, who may write into it without an effect on the manager or on others. Each list is copied when it is first
 * read. Ranges, mappables and host virtual addresses are shared, because their types are immutable.
 */
export function lazyCopyOf(set: ChangeSet): ChangeSet {
  const { generation, snapshot } = set;
  let unmaps: readonly UnmapChange[] | undefined;
  let maps: readonly MapChange[] | undefined;
  // A plain object with getters: printing, comparing and copying it work as for plain data.
  return {
    generation,
    snapshot,
    get unmaps() {
      return (unmaps ??= set.unmaps.map(copyOfUnmap));
    },
    get maps() {
      return (maps ??= copiesOf(set.maps));
    },
  };
}

export function copiesOf(changes: readonly MapChange[]): MapChange[] {
  return changes.map(copyOf);
}

function copyOf(change: MapChange): MapChange {
  const { backing } = change;
  return withChanges(change, {
    backing: backing === 'private' ? backing : copyOfObject(backing),
  });
}

function copyOfUnmap(unmap: UnmapChange): UnmapChange {
  return { ...unmap, covers: [...unmap.covers] };
}

/** A copy with the same methods. */
function copyOfObject<T extends object>(object: T): T {
  return Object.assign(Object.create(Object.getPrototypeOf(object) as object) as T, object);
}
