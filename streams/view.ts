import type { MapChange, MemoryMapSnapshot, ShareableRegion } from './change-set.js';
import { mappingsBefore, seen, type Difference } from './difference.js';
import type { RegionEdits } from './draft.js';
import type { MemoryRange } from './memory-range.js';
import type { RegionState } from './region-state.js';
import type { RegionTable } from './region-table.js';

/** A change of the view, and the one that came after it. */
interface Version {
  change: Difference | undefined;
  next: Version | undefined;
}

/**
 * What the guest sees: the mappings of the active regions, as of the last command that took effect.
 *
 * It keeps no mappings of its own: it reads them off the regions, and looks past the edits of a transaction that is under way. Older
 * versions are found by going back over the changes since; those are remembered only as long as somebody has a snapshot that old.
 */
export class View {
  #generation = 0;
  #latest: Version = { change: undefined, next: undefined };
  readonly #table: RegionTable;
  /** The edits that have been done to regions and have not taken effect. */
  #pending: readonly RegionEdits[] = [];

  constructor(table: RegionTable) {
    this.#table = table;
  }

  /** Counts the commands that changed it. */
  get generation(): number {
    return this.#generation;
  }

  /** A transaction begins: its edits, as they come, do not show until they are applied. */
  begin(edits: readonly RegionEdits[]): void {
    this.#pending = edits;
  }

  /** A transaction ends without effect: its edits have been taken back. */
  abandon(): void {
    this.#pending = [];
  }

  /** A transaction takes effect. Only one that changes a mapping counts. */
  apply(change: Difference): void {
    this.#pending = [];
    for (const region of change.toggled) {
      region.active = !region.active;
    }
    if (change.unmaps.length > 0 || change.maps.length > 0) {
      this.#generation += 1;
      const next: Version = { change, next: undefined };
      this.#latest.next = next;
      this.#latest = next;
    }
  }

  /** The active mapping at exactly this range. */
  at(range: MemoryRange): MapChange | undefined {
    const mapping = this.firstOverlap(range);
    return mapping?.range.equals(range) === true ? mapping : undefined;
  }

  /** The first active mapping that shares a page with `range`. */
  firstOverlap(range: MemoryRange): MapChange | undefined {
    for (const state of byAddress(this.#activeAmong(this.#table.overlapping(range)))) {
      const edit = this.#editOf(state);
      const mapping =
        edit === undefined
          ? state.mappings.firstOverlap(range)
          : byAddress(mappingsBefore(state, edit)).find((one) => one.range.overlaps(range));
      if (mapping !== undefined) {
        return seen([mapping], writableOf(state, edit))[0];
      }
    }
    return undefined;
  }

  /** All active mappings, ascending. */
  all(): MapChange[] {
    const mappings: MapChange[] = [];
    for (const state of byAddress(this.#activeAmong(this.#table.all()))) {
      const edit = this.#editOf(state);
      const own = edit === undefined ? state.mappings : byAddress(mappingsBefore(state, edit));
      const regionWritable = writableOf(state, edit);
      for (const mapping of own) {
        mappings.push(regionWritable || !mapping.writable ? mapping : { ...mapping, writable: false });
      }
    }
    return mappings;
  }

  /** Stays true to its generation. Costs nothing until its mappings are read. */
  snapshot(): MemoryMapSnapshot {
    return new Snapshot(this.#generation, this.#latest, () => this.all());
  }

  shareable(): ShareableRegion[] {
    const shareable: ShareableRegion[] = [];
    for (const { type, backing, range, writable } of this.all()) {
      if (type === 'ram' && backing !== 'private') {
        shareable.push({ range, writable, mappable: backing.mappable, fileOffset: backing.fileOffset });
      }
    }
    return shareable;
  }

  #editOf(state: RegionState): RegionEdits | undefined {
    return this.#pending.find((edit) => edit.state === state);
  }

  /** Those that are active, and the active ones that the pending edits have already taken from the table. */
  #activeAmong(states: readonly RegionState[]): RegionState[] {
    const removed = this.#pending.filter((edit) => edit.presentBefore && !edit.state.present).map((edit) => edit.state);
    return [...states, ...removed].filter((state) => state.active);
  }
}

class Snapshot implements MemoryMapSnapshot {
  readonly generation: number;
  #version: Version | undefined;
  #mappings: readonly MapChange[] | undefined = undefined;
  readonly #latest: () => MapChange[];

  constructor(generation: number, version: Version, latest: () => MapChange[]) {
    this.generation = generation;
    this.#version = version;
    this.#latest = latest;
    // Enumerable and its own, so that a snapshot prints, compares and copies as the plain record that it stands for.
    Object.defineProperty(this, 'mappings', { get: () => this.#read(), enumerable: true });
  }

  declare readonly mappings: readonly MapChange[];

  #read(): readonly MapChange[] {
    if (this.#mappings === undefined) {
      this.#mappings = rewind(this.#latest(), this.#version);
      this.#version = undefined;
    }
    return this.#mappings;
  }
}

/** The mappings as they were at a version, from those of now. */
function rewind(mappings: MapChange[], version: Version | undefined): MapChange[] {
  const since: Difference[] = [];
  for (let newer = version?.next; newer !== undefined; newer = newer.next) {
    if (newer.change !== undefined) {
      since.push(newer.change);
    }
  }
  if (since.length === 0) {
    return mappings;
  }
  const byStart = new Map(mappings.map((mapping) => [mapping.range.startPage, mapping]));
  for (const { maps, leaving } of since.toReversed()) {
    for (const mapping of maps) {
      byStart.delete(mapping.range.startPage);
    }
    for (const mapping of leaving) {
      byStart.set(mapping.range.startPage, mapping);
    }
  }
  return byAddress([...byStart.values()]);
}

function writableOf(state: RegionState, edit: RegionEdits | undefined): boolean {
  return (edit === undefined ? state.visible : edit.visibleBefore)?.writable === true;
}

function byAddress<T extends { readonly range: MemoryRange }>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => a.range.startPage - b.range.startPage);
}
