import type { MapChange } from '../contracts/change-set.js';
import type { RegionEdits } from './region-edits.js';
import type { RegionEvent } from '../contracts/region.js';

type MappingKind = 'mapping-added' | 'mapping-removed';

/**
 * What a transaction did, in the order of its edits.
 *
 * Most do one kind of thing to mappings of one region: then the edits of the region are the log. It is written from the first edit of
 * another kind on.
 */
export class EditLog {
  #entries: (RegionEvent | MapChange | Removal)[] | undefined = undefined;
  /** Whose mappings all of it is about so far, and what was done to them. */
  #edits: RegionEdits | undefined = undefined;
  #kind: MappingKind = 'mapping-added';

  record(event: RegionEvent): void {
    this.#write(event);
  }

  /** Notes a mapping, with the edits of its region. */
  recordMapping(edits: RegionEdits, mapping: MapChange, kind: MappingKind): void {
    const isLogged = this.#entries === undefined && (this.#edits === undefined || this.#edits === edits);
    if (isLogged && (this.#edits === undefined || this.#kind === kind)) {
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
      this.#entries = [...this.#soFar(), entry];
    }
  }

  #soFar(): readonly (MapChange | Removal)[] {
    if (this.#edits === undefined) {
      return [];
    }
    const { added, removed } = this.#edits;
    return this.#kind === 'mapping-added' ? added : removed.map((mapping) => entryOf(mapping, this.#kind));
  }
}

/** A mapping that was removed; one that was added stands for itself. */
interface Removal {
  readonly removed: MapChange;
}

function entryOf(mapping: MapChange, kind: MappingKind): MapChange | Removal {
  return kind === 'mapping-added' ? mapping : { removed: mapping };
}

function eventOf({ region, range, writable }: MapChange, kind: MappingKind): RegionEvent {
  return { kind, region, range, writable };
}
