import type { ChangeSet, MapChange } from './change-set.js';
import { withMaps } from './command-set.js';
import { mapChangeLike } from './map-change.js';

/**
 * Copies of what a manager goes by, for those who look at it, or change it on its way to a target: whoever writes into what he was given changes
 * nothing for anybody else. Ranges, mappables and host virtual addresses are shared: they are
 * immutable by their types.
 */
export function copyOfSet(set: ChangeSet): ChangeSet {
  return {
    ...withMaps(set, copiesOf(set.maps)),
    unmaps: set.unmaps.map((unmap) => ({ ...unmap, covers: [...unmap.covers] })),
  };
}

export function copiesOf(changes: readonly MapChange[]): MapChange[] {
  return changes.map((change) => {
    const { backing } = change;
    return mapChangeLike(change, {
      backing: backing === 'private' ? backing : { mappable: backing.mappable, fileOffset: backing.fileOffset },
    });
  });
}
