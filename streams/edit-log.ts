import type { MapChange } from './change-set.js';
import type { RegionEdits } from './region-edits.js';
import type { RegionEvent } from './region.js';

type MappingKind = 'mapping-added' | 'mapping-removed';

/**
 * What a transaction did, in the order of its edits.
 *
 * Most do one kind of thing to mappings of one region: then the edits of the region are the log. It is written from the first edit of
 * another kind on.
 */
export class EditLog {
  /** An event, or the mapping that it is about, and the kinds of both. */
  #entries: (RegionEvent | MapChange)[] | undefined = undefined;
  #kinds: RegionEvent['kind'][] = [];
  /** Whose mappings all of it is about so far, and what was done to them. */
  #edits: RegionEdits | undefined = undefined;
  #kind: MappingKind = 'mapping-added';

  note(event: RegionEvent): void {
    this.#write().push(event);
    this.#kinds.push(event.kind);
  }

  /** Notes a mapping, with the edits of its region. */
  noteMapping(edits: RegionEdits, mapping: MapChange, kind: MappingKind): void {
    if (this.#entries === undefined && (this.#edits === undefined || (this.#edits === edits && this.#kind === kind))) {
      this.#edits = edits;
      this.#kind = kind;
    } else {
      this.#write().push(mapping);
      this.#kinds.push(kind);
    }
    if (kind === 'mapping-added') {
      edits.add(mapping);
    } else {
      edits.remove(mapping);
    }
  }

  events(): RegionEvent[] {
    return (this.#entries ?? this.#soFar()).map((entry, index) =>
      'kind' in entry ? entry : eventOf(entry, (this.#kinds[index] ?? this.#kind) as MappingKind),
    );
  }

  #write(): (RegionEvent | MapChange)[] {
    if (this.#entries === undefined) {
      this.#entries = [...this.#soFar()];
      this.#kinds = this.#entries.map(() => this.#kind);
    }
    return this.#entries;
  }

  #soFar(): readonly MapChange[] {
    if (this.#edits === undefined) {
      return [];
    }
    return this.#kind === 'mapping-added' ? this.#edits.added : this.#edits.removed;
  }
}

function eventOf({ region, range, writable }: MapChange, kind: MappingKind): RegionEvent {
  return { kind, region, range, writable };
}
