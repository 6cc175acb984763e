import { defer, type MonoTypeOperatorFunction } from 'rxjs';
import { append } from '../util/lists.js';
import { registerAddresses } from '../branches/branch.js';
import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import { withAddresses, type AddressOf } from '../changes/managed-set.js';
import { VaRegistry } from '../host-addresses/va-registry.js';
import { DmaError } from '../contracts/errors.js';
import { LONG_STEP, pauseIfOver } from '../util/time-slice.js';
import { withChanges } from '../changes/mapping.js';
import { checkVaMapper } from '../contracts/contract-checks.js';
import type { HostVa } from '../contracts/host-va.js';
import { run, type Coroutine } from '../util/coroutine.js';
import type { VaMapper } from '../contracts/va-mapper.js';
import { mapInOrder } from './map-in-order.js';

/** Addresses that are made together, at most: some microseconds each. */
const TOGETHER = 128;

/**
 * The VA mapper as an operator: makes sure of the host virtual address of every map, and puts it on the map, before it goes on.
 *
 * ```ts
 * manager.attach((changes$) => changes$.pipe(ensureMapped(va), toTarget(target)));
 * ```
 *
 * It releases nothing: the manager that owns the mapper does, once every target has acknowledged the unmap. Two branches with
 * the same mapper share what it holds. Sets are never dropped or reordered; a long one lets the event loop go on now and then, and those behind
 * it wait.
 *
 * On failure: the map goes on as `refused`, so that `toTarget` reports it without calling the target.
 */
export function ensureMapped(va: VaMapper): MonoTypeOperatorFunction<ChangeSet> {
  checkVaMapper(va);
  const vas = VaRegistry.of(va);
  const addressOf: AddressOf = (range) => vas.at(range);
  return (changes$) =>
    defer(() => {
      registerAddresses(vas);
      return changes$.pipe(mapInOrder((set) => (set.maps.length === 0 ? set : run(addressed(vas, addressOf, set)))));
    });
}

function* addressed(vas: VaRegistry, addressOf: AddressOf, set: ChangeSet): Coroutine<ChangeSet> {
  const { length } = set.maps;
  if (length <= TOGETHER) {
    return withAddresses(set, withVas(vas, set.maps), addressOf);
  }
  const maps: MapChange[] = [];
  for (let first = 0; first < length; first += TOGETHER) {
    append(maps, withVas(vas, set.maps.slice(first, first + TOGETHER)));
    const pause = pauseIfOver(LONG_STEP);
    if (pause !== undefined) {
      yield pause;
    }
  }
  return withAddresses(set, maps, addressOf);
}

function withVas(vas: VaRegistry, changes: readonly MapChange[]): readonly MapChange[] {
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
  return answer instanceof DmaError ? { ...change, refused: answer } : withChanges(change, { hostVa: answer });
}
