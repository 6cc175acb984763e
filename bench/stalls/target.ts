import { DmaError, type DmaMapRequest, type DmaTarget, type MemoryRange } from '../../streams/index.js';
import type { Meter } from './scene.js';

interface Options {
  readonly name?: string;
  readonly needsVa?: boolean;
  readonly unmapShape?: 'exact' | 'superset';
  /** Takes whole sets, and looks at them before. */
  readonly batch?: boolean;
  /** Cannot list what it holds, but count it. */
  readonly counts?: boolean;
}

/** A target that remembers what it holds, loses it, or refuses, on demand. */
export class StallTarget implements DmaTarget {
  readonly name: string;
  readonly needsVa: boolean;
  readonly unmapShape: 'exact' | 'superset';
  declare readonly mapDmaBatch?: NonNullable<DmaTarget['mapDmaBatch']>;
  declare readonly unmapDmaBatch?: NonNullable<DmaTarget['unmapDmaBatch']>;
  declare readonly checkMaps?: NonNullable<DmaTarget['checkMaps']>;
  declare readonly mappedRanges?: NonNullable<DmaTarget['mappedRanges']>;
  declare readonly mappedCount?: NonNullable<DmaTarget['mappedCount']>;
  /** Refuses the map that starts at this page. */
  refusesMapAt: number | undefined = undefined;
  refusesUnmaps = false;
  readonly #held = new Map<number, MemoryRange>();
  readonly #meter: Meter;

  constructor(meter: Meter, options: Options = {}) {
    const { name = 'idle', needsVa = false, unmapShape = 'exact', batch = false, counts = false } = options;
    this.#meter = meter;
    this.name = name;
    this.needsVa = needsVa;
    this.unmapShape = unmapShape;
    if (counts) {
      this.mappedCount = () => this.#held.size;
    } else {
      this.mappedRanges = () => meter.own(() => [...this.#held.values()]);
    }
    if (batch) {
      this.checkMaps = () => undefined;
      this.mapDmaBatch = (requests) =>
        together(requests, (request) => {
          this.mapDma(request);
        });
      this.unmapDmaBatch = (ranges) =>
        together(ranges, (range) => {
          this.unmapDma(range);
        });
    }
  }

  mapDma({ range }: DmaMapRequest): void {
    if (range.startPage === this.refusesMapAt) {
      throw new DmaError('refused', { code: 'ENOSPC' });
    }
    this.#held.set(range.startPage, range);
  }

  unmapDma(range: MemoryRange): void {
    if (this.refusesUnmaps) {
      throw new DmaError('refused', { code: 'EIO' });
    }
    if (!this.#held.delete(range.startPage) || this.unmapShape === 'superset') {
      this.#meter.own(() => {
        for (const [page, held] of this.#held) {
          if (range.contains(held)) {
            this.#held.delete(page);
          }
        }
      });
    }
  }

  /** Loses all mappings without a notification. */
  lose(): void {
    this.#held.clear();
  }

  /** Holds mappings that the manager has not requested. */
  gain(ranges: readonly MemoryRange[]): void {
    for (const range of ranges) {
      this.#held.set(range.startPage, range);
    }
  }
}

function together<T>(
  items: readonly T[],
  call: (item: T) => void,
): { readonly done: number; readonly error: unknown } | undefined {
  for (const [done, item] of items.entries()) {
    try {
      call(item);
    } catch (error) {
      return { done, error };
    }
  }
  return undefined;
}
