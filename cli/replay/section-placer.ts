import { DmaUnmapError, MemoryRange, type Region, type RegionManager } from '../../streams/index.js';
import { RangeMap } from '../../streams/internal.js';
import { isWritable, mappingType, type Section } from '../trace/section.js';
import type { TraceCommit } from '../trace/trace.js';
import type { MemoryBlocks } from './memory-blocks.js';

export interface Placement {
  /** Also true when only an unmap failed. */
  readonly tookEffect: boolean;
  readonly error?: Error;
}

/**
 * Turns the sections of a trace into regions of a manager: a commit is one transaction, a section one region with one mapping.
 *
 * When a commit fails it is undone, and the trace goes on without it: a section that could not come has nothing to remove
 * later, and one that could not go stays until another needs its place.
 */
export class SectionPlacer {
  readonly #manager: RegionManager;
  readonly #blocks: MemoryBlocks;
  readonly #placed = new Map<Section, Region>();
  /** Sections that the trace has removed, and that are still placed. */
  readonly #leftBehind = new RangeMap<Section>();

  constructor(manager: RegionManager, blocks: MemoryBlocks) {
    this.#manager = manager;
    this.#blocks = blocks;
  }

  /**
   * Never rejects because of a target.
   *
   * @throws DmaError when there is no memory for a section; then nothing was changed
   */
  async apply(commit: TraceCommit): Promise<Placement> {
    const inTheWay = new Set(commit.adds.flatMap(({ range }) => this.#leftBehind.overlapping(range)));
    const removes = [...commit.removes.filter((section) => this.#placed.has(section)), ...inTheWay];
    const memory = new Map(commit.adds.map(({ name }) => [name, this.#blocks.memfdOf(name)]));
    const added = new Map<Section, Region>();
    try {
      await this.#manager.transaction((edit) => {
        for (const section of removes) {
          const region = this.#placed.get(section);
          if (region !== undefined) {
            edit.removeRegion(region);
          }
        }
        for (const section of commit.adds) {
          const { name, range, kind, fileOffset } = section;
          const mappable = memory.get(name);
          if (mappable === undefined) {
            continue;
          }
          const writable = isWritable(kind);
          const region = edit.addRegion({ name, range, type: mappingType(kind) });
          edit.addMapping(region, {
            rangeInRegion: MemoryRange.ofLength(0n, range.length),
            backing: { mappable, fileOffset },
            writable,
          });
          edit.map(region, { writable });
          added.set(section, region);
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
    for (const { name } of removes) {
      this.#blocks.done(name);
    }
    return { tookEffect: true };
  }

  #remember(added: ReadonlyMap<Section, Region>): void {
    for (const [section, region] of added) {
      this.#placed.set(section, region);
    }
  }

  #forget(removed: readonly Section[]): void {
    for (const section of removed) {
      this.#placed.delete(section);
      if (this.#leftBehind.startingAt(section.range.startPage) === section) {
        this.#leftBehind.remove(section.range);
      }
    }
  }

  #leaveBehind(commit: TraceCommit): void {
    for (const section of commit.removes) {
      if (this.#placed.has(section)) {
        this.#leftBehind.insert(section);
      }
    }
    for (const { name } of commit.adds) {
      this.#blocks.done(name);
    }
  }
}
