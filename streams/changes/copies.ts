import type { ChangeSet, MapChange, UnmapChange } from '../contracts/change-set.js';
import { unmapsOfSet, withMaps } from './managed-set.js';
import { withChanges } from './mapping.js';
import { mapInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';

/**
 * Copies of what a manager goes by, for those who look at it, or change it on its way to a target: whoever writes into what he was given changes
 * nothing for anybody else. Ranges, mappables and host virtual addresses are shared: they are
 * immutable by their types.
 */
export function* copyOfSet(set: ChangeSet): Coroutine<ChangeSet> {
  const unmaps = yield* mapInSlices(yield* unmapsOfSet(set), copyOfUnmap);
  return { ...withMaps(set, yield* mapInSlices(set.maps, copyOf)), unmaps };
}

/** The same for somebody who perhaps does not look: the lists are made when they are read. */
export function lazyCopyOf(set: ChangeSet): ChangeSet {
  const { generation, snapshot } = set;
  let unmaps: readonly UnmapChange[] | undefined;
  let maps: readonly MapChange[] | undefined;
  // A plain record with getters: it prints, compares and copies as what it stands for.
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
    backing: backing === 'private' ? backing : { mappable: backing.mappable, fileOffset: backing.fileOffset },
  });
}

function copyOfUnmap(unmap: UnmapChange): UnmapChange {
  return { ...unmap, covers: [...unmap.covers] };
}
