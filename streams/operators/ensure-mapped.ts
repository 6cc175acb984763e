import { map, type MonoTypeOperatorFunction } from 'rxjs';
import { checkVaMapper } from '../arguments.js';
import type { ChangeSet, MapChange } from '../change-set.js';
import { withMaps } from '../command-set.js';
import { EnsuredVas } from '../ensured-vas.js';
import { toDmaError } from '../errors.js';
import type { VaMapper } from '../va-mapper.js';

/**
 * The VA mapper as an operator: makes sure of the host virtual address of every map, and puts it on the map, before it goes on.
 *
 * ```ts
 * manager.attach((changes$) => changes$.pipe(ensureMapped(va), toTarget(target)));
 * ```
 *
 * It releases nothing: the manager that owns the mapper does, once every target has acknowledged the unmap. Two branches with
 * the same mapper share what it holds. Sets are never dropped or reordered.
 *
 * On failure: the map goes on as `refused`, so that `toTarget` reports it without calling the target.
 */
export function ensureMapped(va: VaMapper): MonoTypeOperatorFunction<ChangeSet> {
  checkVaMapper(va);
  const vas = EnsuredVas.of(va);
  return map((set) =>
    set.maps.length === 0
      ? set
      : withMaps(
          set,
          set.maps.map((change) => withVa(vas, change)),
        ),
  );
}

function withVa(vas: EnsuredVas, change: MapChange): MapChange {
  if (change.refused !== undefined) {
    return change;
  }
  try {
    return { ...change, hostVa: vas.ensure(change) };
  } catch (error) {
    return { ...change, refused: toDmaError(error, { fallbackCode: 'ERR_VA_MAPPER' }) };
  }
}
