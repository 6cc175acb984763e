import {
  concatMap,
  firstValueFrom,
  from,
  ignoreElements,
  lastValueFrom,
  map,
  share,
  Subject,
  takeUntil,
  type Observable,
} from 'rxjs';
import {
  DmaError,
  DmaUnmapError,
  MemoryRange,
  type Region,
  type RegionEdit,
  type RegionManager,
} from '../streams/index.js';
import { checkManager } from '../streams/internal.js';
import { MemoryFiles } from './memory-files.js';
import { isWritable, mappingType } from './section-kind.js';
import { differenceOf, sectionKey, type Section } from './section.js';
import { wholePages, type WholePages } from './whole-pages.js';

/** A manager that follows a source. */
export interface Following extends AsyncDisposable {
  /**
   * Resolves when the source has ended, or after `close()`. Rejects with the first error of the source or of a transaction: following has ended
   * then, and the regions are those of the last transaction that took effect.
   */
  readonly ended: Promise<void>;
  /**
   * Ends the following: removes its regions in one transaction, and closes their files. Calling it again has no effect.
   *
   * @throws DmaError of the transaction. After `DmaUnmapError` the regions are removed; after other errors they are still there, and it can be
   * called again.
   */
  close(): Promise<void>;
}

interface Placed {
  readonly name: string;
  readonly region: Region;
}

/** See `QemuSource.follow`. Resolves when the first state is in the manager. */
export async function followSections(
  sections$: Observable<readonly Section[]>,
  manager: RegionManager,
): Promise<Following> {
  checkManager(manager, 'QemuSource.follow');
  const followed = new FollowedSections(manager);
  const changes$ = sections$.pipe(
    concatMap((sections) => from(followed.become(sections))),
    share(),
  );
  const closed$ = new Subject<void>();
  const ended = lastValueFrom(changes$.pipe(ignoreElements(), takeUntil(closed$)), { defaultValue: undefined });
  // Whoever does not look at it is not told.
  ended.catch(() => undefined);
  const close = async (): Promise<void> => {
    closed$.next();
    await followed.close();
  };
  try {
    if (!(await firstValueFrom(changes$.pipe(map(() => true)), { defaultValue: false }))) {
      throw new DmaError('QEMU has ended before its memory map was read', {
        code: 'ECONNRESET',
        hint: 'Look at its output and its exit status.',
      });
    }
  } catch (error) {
    // The first error says what went wrong; what another one leaves is still in the manager.
    await close().catch(() => undefined);
    throw error;
  }
  return { ended, close, [Symbol.asyncDispose]: close };
}

/** The regions of a list of sections, in a manager. */
class FollowedSections {
  readonly #manager: RegionManager;
  readonly #files = new MemoryFiles();
  /** Of memory, by `sectionKey`. */
  readonly #placed = new Map<string, Placed>();
  #sections: readonly Section[] = [];
  /** The transaction that is in progress. */
  #working: Promise<unknown> = Promise.resolve();

  constructor(manager: RegionManager) {
    this.#manager = manager;
  }

  become(sections: readonly Section[]): Promise<void> {
    const work = this.#become(sections);
    this.#working = work.catch(() => undefined);
    return work;
  }

  async close(): Promise<void> {
    await this.#working;
    await this.become([]);
    this.#files[Symbol.dispose]();
  }

  async #become(sections: readonly Section[]): Promise<void> {
    const { removed, added } = differenceOf(this.#sections, sections);
    const gone = removed.map(sectionKey).filter((key) => this.#placed.has(key));
    const memory = added.flatMap((section): [Section, WholePages][] => {
      const pages = wholePages(section);
      return pages === undefined ? [] : [[section, pages]];
    });
    if (gone.length + memory.length > 0) {
      await this.#change(gone, memory, sections);
    }
    this.#sections = sections;
  }

  async #change(
    gone: readonly string[],
    memory: readonly (readonly [Section, WholePages])[],
    sections: readonly Section[],
  ): Promise<void> {
    const added = new Map<string, Placed>();
    for (const [{ name }, { range, fileOffset }] of memory) {
      this.#files.expect(name, fileOffset + range.length);
    }
    try {
      await this.#manager.transaction((edit) => {
        for (const key of gone) {
          const placed = this.#placed.get(key);
          if (placed !== undefined) {
            edit.removeRegion(placed.region);
          }
        }
        for (const [section, pages] of memory) {
          added.set(sectionKey(section), { name: section.name, region: this.#add(edit, section, pages) });
        }
      });
    } catch (error) {
      if (error instanceof DmaUnmapError) {
        // It took effect. What is stuck keeps its file open.
        this.#replace(gone, added);
        this.#sections = sections;
      } else {
        for (const [{ name }] of memory) {
          this.#files.done(name);
        }
      }
      throw error;
    }
    for (const { name } of this.#replace(gone, added)) {
      this.#files.done(name);
    }
  }

  #add(edit: RegionEdit, { name, kind }: Section, { range, fileOffset }: WholePages): Region {
    const writable = isWritable(kind);
    const region = edit.addRegion({ name, range, type: mappingType(kind) });
    edit.addMapping(region, {
      rangeInRegion: MemoryRange.ofLength(0n, range.length),
      backing: { mappable: this.#files.fileOf(name), fileOffset },
      writable,
    });
    edit.map(region, { writable });
    return region;
  }

  /** Returns what is gone. */
  #replace(gone: readonly string[], added: ReadonlyMap<string, Placed>): Placed[] {
    const removed = gone.flatMap((key) => this.#placed.get(key) ?? []);
    for (const key of gone) {
      this.#placed.delete(key);
    }
    for (const [key, placed] of added) {
      this.#placed.set(key, placed);
    }
    return removed;
  }
}
