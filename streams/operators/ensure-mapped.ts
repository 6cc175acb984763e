import { map, type MonoTypeOperatorFunction } from 'rxjs';
import { checkVaMapper } from '../arguments.js';
import type { ChangeSet, MapChange } from '../change-set.js';
import { withAddresses } from '../command-set.js';
import { EnsuredVas } from '../ensured-vas.js';
import { DmaError } from '../errors.js';
import type { HostVa, VaMapper } from '../va-mapper.js';

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
  return map((set) => (set.maps.length === 0 ? set : withAddresses(set, withVas(vas, set.maps))));
}

function withVas(vas: EnsuredVas, changes: readonly MapChange[]): readonly MapChange[] {
  if (!changes.some(isRefused)) {
    const answers = vas.ensureAll(changes);
    return changes.map((change, index) => withAnswer(change, answers[index] as HostVa | DmaError));
  }
  const answers = vas.ensureAll(changes.filter((change) => !isRefused(change))).values();
  return changes.map((change) =>
    isRefused(change) ? change : withAnswer(change, answers.next().value as HostVa | DmaError),
  );
}

function isRefused({ refused }: MapChange): boolean {
  return refused !== undefined;
}

function withAnswer(change: MapChange, answer: HostVa | DmaError): MapChange {
  return answer instanceof DmaError ? { ...change, refused: answer } : { ...change, hostVa: answer };
}
