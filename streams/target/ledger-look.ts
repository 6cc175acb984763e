import type { MapChange } from '../contracts/change-set.js';
import type { Ledger } from './ledger.js';

/** What one who looks on reads of a ledger, mapping by mapping, so that it need not be listed. */

/** Whether the target holds this active mapping, and it is not stuck. */
export function holdsActive(ledger: Ledger, mapping: MapChange): boolean {
  return ledger.derived?.holds(mapping) ?? ledger.holds(mapping);
}

/** All mappings that are held and might not be active, without what is stuck. In no order. It may change while it is read. */
export function heldAtAll(ledger: Ledger): Iterable<MapChange> {
  return ledger.derived?.mappedUnderWay() ?? ledger.listed();
}
