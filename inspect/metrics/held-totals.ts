import type { Attachment } from '../../streams/index.js';
import type { BoundedNames } from './bounded-names.js';

/** What the attachments with one name hold. */
export interface HeldTotal {
  entries: number;
  bytes: number;
  stuck: number;
  missing: number;
  pending: number;
}

/** Adds up what attachments hold, by the name of their target. */
export class HeldTotals {
  readonly #names: BoundedNames;
  /** The names that were given before. */
  readonly #given = new Set<string>();

  constructor(names: BoundedNames) {
    this.#names = names;
  }

  /**
   * What these attachments hold now. A name that was given before is in it, with zeros, also when its attachments are gone: the SDK repeats
   * the last value of whatever is not observed any more.
   */
  of(attachments: readonly Attachment[]): ReadonlyMap<string, HeldTotal> {
    const totals = new Map<string, HeldTotal>();
    for (const name of this.#given) {
      totals.set(name, zero());
    }
    for (const attachment of attachments) {
      const name = this.#names.of(attachment.target);
      this.#given.add(name);
      const total = totals.get(name) ?? zero();
      totals.set(name, total);
      for (const { range, stuck } of attachment.ledger()) {
        total.entries += 1;
        total.bytes += Number(range.length);
        total.stuck += stuck ? 1 : 0;
      }
      total.missing += attachment.missing().length;
      total.pending += attachment.pending ? 1 : 0;
    }
    return totals;
  }
}

function zero(): HeldTotal {
  return { entries: 0, bytes: 0, stuck: 0, missing: 0, pending: 0 };
}
