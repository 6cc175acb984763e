import { defer, type MonoTypeOperatorFunction } from 'rxjs';
import { partsOf, SetStream, sharedSets } from '../branches/branch-stream.js';
import { withHostVas, withMaps } from '../changes/managed-set.js';
import type { ChangeSet, MapChange, UnmapChange } from '../contracts/change-set.js';
import { toDmaError } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { eachInSlices } from '../ranges/slices.js';
import { checkFunction } from '../util/checks.js';
import { run, type Coroutine } from '../util/coroutine.js';
import { mapInOrder } from '../util/map-in-order.js';

/**
 * Operator that removes the maps for which `predicate` returns a false value from their sets, and later their unmaps.
 *
 * Order: each set that comes in is emitted once, in order, also when nothing is left in it, so that each is answered; a
 * plain `filter` of RxJS would swallow it. A long set yields to the event loop; later sets wait for it.
 *
 * On failure: a map for which the predicate throws is emitted with this error as `refused`, so that `toTarget` fails it.
 *
 * @param predicate called once for each map of a set, also when a map is made again by an undo or by `heal()`. It should
 * depend on nothing but the map
 * @throws TypeError when `predicate` is not a function
 *
 * @example
 * ```ts
 * import { filterMaps, MemoryRange, RegionManager, toTarget } from 'dma-streams';
 * import { LoggingTarget } from 'dma-streams/targets';
 *
 * await using manager = new RegionManager();
 * const low = MemoryRange.of(0x0, 0x1_0000_0000); // all that a device with 32 address bits can access
 * const target = new LoggingTarget({ name: 'below 4 GiB' });
 * await manager.attach((changes$) =>
 *   changes$.pipe(
 *     filterMaps(({ range }) => low.contains(range)),
 *     toTarget(target),
 *   ),
 * );
 * ```
 */
export function filterMaps(predicate: (map: MapChange) => boolean): MonoTypeOperatorFunction<ChangeSet> {
  checkFunction(predicate, 'the predicate of filterMaps');
  return (changes$) =>
    new SetStream(
      partsOf(changes$),
      defer(() => {
        const filter = new MapFilter(predicate);
        return sharedSets(changes$).pipe(mapInOrder((set) => run(filter.apply(set))));
      }),
    );
}

/** Filters the sets of one branch. It remembers what it has removed, because an unmap does not say what it was. */
class MapFilter {
  readonly #predicate: (map: MapChange) => boolean;
  /** By start page, the ranges of the maps that were removed, and not unmapped. */
  readonly #removed = new Map<number, MemoryRange>();

  constructor(predicate: (map: MapChange) => boolean) {
    this.#predicate = predicate;
  }

  *apply(set: ChangeSet): Coroutine<ChangeSet> {
    const unmaps = this.#removed.size === 0 ? set.unmaps : yield* this.#filterUnmaps(set.unmaps);
    const addressed = yield* withHostVas(set); // The predicate sees a map as other operators do.
    const maps = yield* this.#filterMaps(addressed.maps);
    return unmaps === set.unmaps && maps === addressed.maps ? set : { ...withMaps(set, maps), unmaps };
  }

  *#filterMaps(maps: readonly MapChange[]): Coroutine<readonly MapChange[]> {
    let unchanged = 0;
    const kept: MapChange[] = [];
    yield* eachInSlices(maps, (map) => {
      const { range } = map;
      const result = this.#test(map);
      if (result === undefined) {
        this.#removed.set(range.startPage, range);
      } else {
        this.#removed.delete(range.startPage);
        kept.push(result);
      }
      unchanged += result === map ? 1 : 0;
    });
    return unchanged === maps.length ? maps : kept;
  }

  /** The map as it goes on; `undefined` if it does not. */
  #test(map: MapChange): MapChange | undefined {
    try {
      return this.#predicate(map) ? map : undefined;
    } catch (thrown) {
      const { region, range } = map;
      return { ...map, refused: toDmaError(thrown, { fallbackCode: 'ERR_TARGET_FAILED', region, range }) };
    }
  }

  *#filterUnmaps(unmaps: readonly UnmapChange[]): Coroutine<readonly UnmapChange[]> {
    let isSame = true;
    const kept: UnmapChange[] = [];
    for (const unmap of unmaps) {
      const covers: MemoryRange[] = [];
      yield* eachInSlices(unmap.covers, (range) => {
        if (this.#removed.get(range.startPage)?.equals(range) === true) {
          this.#removed.delete(range.startPage);
        } else {
          covers.push(range);
        }
      });
      if (covers.length === unmap.covers.length) {
        kept.push(unmap);
      } else {
        isSame = false;
        if (covers.length > 0) {
          kept.push({ ...unmap, covers });
        }
      }
    }
    return isSame ? unmaps : kept;
  }
}
