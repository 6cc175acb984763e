import { DmaUnmapError, MemoryRange, type Region, type RegionEdit, type RegionManager } from '../../streams/index.js';
import { RangeMap } from '../../streams/internal.js';
import type { MemoryFiles } from '../../sources/memory-files.js';
import { isWritable, mappingType } from '../../sources/section-kind.js';
import { isMapped, type PlacedSection } from '../trace/section.js';
import type { TraceCommit } from '../trace/trace.js';
import { findCovered, type Layers } from './layers.js';

export interface Placement {
  /** Also true when only an unmap failed. */
  readonly tookEffect: boolean;
  readonly error?: Error;
}

/**
 * Turns the sections of a trace into regions of a manager: a commit is one transaction, a section one region, with one mapping if it is
 * memory. Where only a part of the region is mapped, the rest is an opaque hole.
 *
 * When a commit fails it is undone, and the trace goes on without it: a section that could not come has nothing to remove
 * later, and one that could not go stays until another needs its place.
 */
export class SectionPlacer {
  readonly #manager: RegionManager;
  readonly #blocks: MemoryFiles;
  readonly #placed = new Map<PlacedSection, Region>();
  readonly #leftBehind = new LeftBehind();

  constructor(manager: RegionManager, blocks: MemoryFiles) {
    this.#manager = manager;
    this.#blocks = blocks;
  }

  /** What is covered now, and the windows that cover. */
  layers(): Layers {
    return findCovered(this.#placed);
  }

  /**
   * Never rejects because of a target.
   *
   * @throws DmaError when there is no memory for a section; then nothing was changed
   */
  async apply(commit: TraceCommit): Promise<Placement> {
    const inTheWay = new Set(commit.adds.flatMap(({ covers }) => this.#leftBehind.overlapping(covers)));
    const removes = [...commit.removes.filter((section) => this.#placed.has(section)), ...inTheWay];
    for (const { name } of commit.adds.filter(isMapped)) {
      this.#blocks.fileOf(name);
    }
    const added = new Map<PlacedSection, Region>();
    try {
      await this.#manager.transaction((edit) => {
        for (const section of removes) {
          const region = this.#placed.get(section);
          if (region !== undefined) {
            edit.removeRegion(region);
          }
        }
        for (const section of commit.adds) {
          added.set(section, this.#add(edit, section));
        }
      });
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      if (!(error instanceof DmaUnmapError)) {
        this.#leaveBehind(commit);
        return { tookEffect: false, error };
      }
      // What is stuck keeps its memory: the memfds of this commit stay open.
      this.#forget(removes);
      this.#remember(added);
      return { tookEffect: true, error };
    }
    this.#forget(removes);
    this.#remember(added);
    for (const { name } of removes.filter(isMapped)) {
      this.#blocks.done(name);
    }
    return { tookEffect: true };
  }

  #add(edit: RegionEdit, section: PlacedSection): Region {
    const { name, kind, covers, priority = 0 } = section;
    const writable = isWritable(kind);
    const region = edit.addRegion({ name, range: covers, priority, type: mappingType(kind) });
    if (isMapped(section)) {
      const { range, fileOffset } = section;
      edit.addMapping(region, {
        rangeInRegion: MemoryRange.ofLength(range.start - covers.start, range.length),
        backing: { mappable: this.#blocks.fileOf(name), fileOffset },
        writable,
      });
    }
    edit.map(region, { writable });
    return region;
  }

  #remember(added: ReadonlyMap<PlacedSection, Region>): void {
    for (const [section, region] of added) {
      this.#placed.set(section, region);
    }
  }

  #forget(removed: readonly PlacedSection[]): void {
    for (const section of removed) {
      this.#placed.delete(section);
      this.#leftBehind.delete(section);
    }
  }

  #leaveBehind(commit: TraceCommit): void {
    for (const section of commit.removes) {
      if (this.#placed.has(section)) {
        this.#leftBehind.add(section);
      }
    }
    for (const { name } of commit.adds.filter(isMapped)) {
      this.#blocks.done(name);
    }
  }
}

/** Sections that the trace has removed, and that are still placed. */
class LeftBehind {
  /** Without a priority: they do not overlap. */
  readonly #flat = new RangeMap<{ readonly range: MemoryRange; readonly section: PlacedSection }>();
  /** With a priority. */
  readonly #layers = new Set<PlacedSection>();

  add(section: PlacedSection): void {
    if (section.priority === undefined) {
      this.#flat.insert({ range: section.covers, section });
    } else {
      this.#layers.add(section);
    }
  }

  delete(section: PlacedSection): void {
    if (!this.#layers.delete(section) && this.#flat.startingAt(section.covers.startPage)?.section === section) {
      this.#flat.remove(section.covers);
    }
  }

  overlapping(range: MemoryRange): readonly PlacedSection[] {
    const flat = this.#flat.overlapping(range).map(({ section }) => section);
    return this.#layers.size === 0
      ? flat
      : [...flat, ...[...this.#layers].filter(({ covers }) => covers.overlaps(range))];
  }
}
