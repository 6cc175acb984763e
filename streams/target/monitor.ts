import type { MapChange } from '../contracts/change-set.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { Coroutine } from '../util/coroutine.js';
import { inSlices } from '../util/sliced-work.js';

/** Observes, and may abort, the sets that a target is served. */
export interface Monitor {
  readonly signal: AbortSignal | undefined;
  /** Called before the maps of a set are served, with the number of their pages. */
  readonly onBegin?: (pages: number) => void;
  /** Called after each map that was served or skipped, with the number of its pages. */
  readonly onServed?: (pages: number) => void;
}

export function* pagesOfAll(maps: readonly MapChange[]): Coroutine<number> {
  let pages = 0;
  yield* inSlices(maps.length, (from, to) => {
    for (let index = from; index < to; index++) {
      pages += pagesOf((maps[index] as MapChange).range);
    }
  });
  return pages;
}

export function pagesOf({ startPage, endPage }: MemoryRange): number {
  return endPage - startPage;
}
