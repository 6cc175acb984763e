import type { MapChange } from '../contracts/change-set.js';
import { eachInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import { stopOf } from './batch-calls.js';
import type { Ledger } from './ledger.js';
import type { LateAnswer } from './open-call.js';

/** A map or unmap of a call that timed out, with its mappings. */
type Item = MapChange | { readonly ends: readonly MapChange[] };

/**
 * The stuck mappings of a call that timed out: whether the target holds them is not known until the call has ended.
 *
 * @param items the maps, or the unmaps, of the call, in order; their mappings are stuck in the ledger
 */
export function* markUnderWay(
  ledger: Ledger,
  items: readonly Item[],
  kind: 'map' | 'unmap',
  late: Promise<LateAnswer>,
): Coroutine<void> {
  const { stuck } = ledger;
  yield* eachInSlices(items, (item) => {
    for (const { range } of mappingsOf(item)) {
      stuck.markUnderWay(range);
    }
  });
  void late.then((answer) => {
    const done = countDone(answer, items.length);
    for (const [index, item] of items.entries()) {
      for (const { range } of mappingsOf(item)) {
        stuck.endUnderWay(range, index < done === (kind === 'map'));
      }
    }
  });
}

function mappingsOf(item: Item): readonly MapChange[] {
  return 'ends' in item ? item.ends : [item];
}

/** How many of the maps or unmaps of a call took effect. */
function countDone(answer: LateAnswer, length: number): number {
  return 'thrown' in answer ? 0 : length === 1 ? 1 : (stopOf(answer.value, length, '')?.done ?? length);
}

/** Marks maps of which it is not known whether the target makes them: they are stuck, as what it should not hold. */
export function* markMapsUnderWay(
  ledger: Ledger,
  maps: readonly MapChange[],
  generation: number,
  late: Promise<LateAnswer>,
): Coroutine<void> {
  yield* ledger.materialize();
  yield* eachInSlices(maps, (change) => {
    ledger.markStuck(change, generation);
  });
  yield* markUnderWay(ledger, maps, 'map', late);
}
