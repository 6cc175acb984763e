import type { Branch } from '../branches/branch.js';
import type { MapChange } from '../contracts/change-set.js';
import type { VaUser } from '../host-addresses/va-errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { eachInSlices } from '../ranges/slices.js';
import type { Ledger } from '../target/ledger.js';
import type { Coroutine } from '../util/coroutine.js';

/** Which host addresses the targets of one attachment may use, of mappings that are no longer active. */
export class VaUse {
  readonly #branch: Branch;
  readonly #assumed: Ledger | undefined;
  /** By start, the maps of the set that was not answered when the attachment began to leave: some may still be made. */
  #unanswered: ReadonlyMap<number, MemoryRange> | undefined = undefined;

  /** @param assumed the ledger of a branch whose targets are not known */
  constructor(branch: Branch, assumed: Ledger | undefined) {
    this.#branch = branch;
    this.#assumed = assumed;
  }

  /** The addresses of these maps, which may still be made, count as used. */
  *keep(unanswered: readonly MapChange[]): Coroutine<void> {
    const byStart = new Map<number, MemoryRange>();
    this.#unanswered = byStart;
    yield* eachInSlices(unanswered, ({ range }) => {
      byStart.set(range.startPage, range);
    });
  }

  forgetUnanswered(): void {
    this.#unanswered = undefined;
  }

  /** Whether a target may use the host address of the mapping at exactly this range. */
  uses(range: MemoryRange): boolean {
    return (
      this.#unanswered?.get(range.startPage)?.equals(range) === true ||
      (this.#assumed === undefined
        ? this.#branch.ports.some((port) => port.usesVa(range))
        : this.#assumed.at(range) !== undefined)
    );
  }

  /** The targets for which `uses` holds. */
  usersOf(range: MemoryRange): readonly VaUser[] {
    if (!this.uses(range)) {
      return [];
    }
    const ports = this.#branch.ports.filter((port) => port.usesVa(range));
    return ports.length === 0
      ? [{ target: this.#branch.name, range, stuck: this.#assumed?.stuck.at(range) !== undefined }]
      : ports.map(({ name, ledger }) => ({ target: name, range, stuck: ledger.stuck.at(range) !== undefined }));
  }
}
