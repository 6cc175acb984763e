import type { MapChange } from '../contracts/change-set.js';
import type { RegionEdits } from './region-edits.js';
import type { RegionEvent } from '../contracts/region.js';

type MappingKind = 'mapping-added' | 'mapping-removed';

/**
 * The edits of a transaction, in order.
 *
 * Most transactions only add mappings to one region, or only remove mappings from it. Then the `RegionEdits` of the region already have all edits
 * in order. A separate list of entries is made at the first edit of another kind or region.
 */
export class EditLog {
  #entries: (RegionEvent | MapChange | Removal)[] | undefined = undefined;
  /** Without entries: the region that all edits so far belong to, and their kind. */
  #edits: RegionEdits | undefined = undefined;
  #kind: MappingKind = 'mapping-added';

  record(event: RegionEvent): void {
    this.#write(event);
  }

  /** Records an edit of a mapping, also in the edits of its region. */
  recordMapping(edits: RegionEdits, mapping: MapChange, kind: MappingKind): void {
    const isSameRegion = this.#entries === undefined && (this.#edits === undefined || this.#edits === edits);
    if (isSameRegion && (this.#edits === undefined || this.#kind === kind)) {
      this.#edits = edits;
      this.#kind = kind;
    } else {
      this.#write(entryOf(mapping, kind));
    }
    if (kind === 'mapping-added') {
      edits.add(mapping);
    } else {
      edits.remove(mapping);
    }
  }

  *events(): Iterable<RegionEvent> {
    if (this.#entries === undefined && this.#edits !== undefined) {
      const { added, removed } = this.#edits;
      for (const mapping of this.#kind === 'mapping-added' ? added : removed) {
        yield eventOf(mapping, this.#kind);
      }
    }
    for (const entry of this.#entries ?? []) {
      if ('kind' in entry) {
        yield entry;
      } else {
        yield 'removed' in entry ? eventOf(entry.removed, 'mapping-removed') : eventOf(entry, 'mapping-added');
      }
    }
  }

  #write(entry: RegionEvent | MapChange | Removal): void {
    if (this.#entries !== undefined) {
      this.#entries.push(entry);
    } else if (this.#edits === undefined) {
      this.#entries = [entry];
    } else {
      this.#entries = [...this.#entriesSoFar(), entry];
    }
  }

  #entriesSoFar(): readonly (MapChange | Removal)[] {
    if (this.#edits === undefined) {
      return [];
    }
    const { added, removed } = this.#edits;
    return this.#kind === 'mapping-added' ? added : removed.map((mapping) => entryOf(mapping, this.#kind));
  }
}

/** The entry of a removed mapping. The entry of an added mapping is the mapping. */
interface Removal {
  readonly removed: MapChange;
}

function entryOf(mapping: MapChange, kind: MappingKind): MapChange | Removal {
  return kind === 'mapping-added' ? mapping : { removed: mapping };
}

function eventOf({ region, range, writable }: MapChange, kind: MappingKind): RegionEvent {
  return { kind, region, range, writable };
}
