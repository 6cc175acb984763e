import type { Branch } from '../branches/branch.js';
import { forward, ManagedSet, removeEach, unmapOf, type ActiveMappings } from '../changes/managed-set.js';
import { mappingOf } from '../changes/mapping.js';
import { uniqueByStart, uniqueInSlices } from '../changes/unique.js';
import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import type { TargetRange } from '../contracts/errors.js';
import type { LedgerEntry } from '../contracts/ledger-entry.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { eachInSlices, entriesInSlices, joinInSlices, mapInSlices, sortedInSlices } from '../ranges/slices.js';
import { sortByAddress } from '../ranges/sort-by-address.js';
import type { Ledger } from '../target/ledger.js';
import type { Coroutine } from '../util/coroutine.js';

/** The ledgers of one attachment: one for each target of its branch, or the assumed ledger of the whole branch. */
export class AttachmentLedgers {
  /** In order of the targets. */
  readonly list: readonly Ledger[];
  readonly #branch: Branch;

  /** @param assumed the ledger of a branch whose targets are not known */
  constructor(branch: Branch, assumed: Ledger | undefined) {
    this.#branch = branch;
    this.list = assumed === undefined ? branch.ports.map((port) => port.ledger) : [assumed];
  }

  /** All that is held, `stuck` where an unmap failed. Ascending. */
  entries(): readonly LedgerEntry[] {
    return sortByAddress(
      this.list.flatMap((ledger) => [
        ...ledger.held().map((mapping) => entryOf(mapping, false)),
        ...ledger.stuck.list().map((mapping) => entryOf(mapping, true)),
      ]),
    );
  }

  /** How much is held, including what is stuck; stuck; and missing. */
  counts(): { readonly held: number; readonly stuck: number; readonly missing: number } {
    const stuck = this.list.reduce((sum, ledger) => sum + ledger.stuck.size, 0);
    const held = this.list.reduce((sum, ledger) => sum + ledger.held().length, stuck);
    return { held, stuck, missing: this.missing().length };
  }

  /** All that the targets should hold and do not, ascending, each start once. */
  missing(): readonly MemoryRange[] {
    return uniqueByStart(this.list.flatMap((ledger) => ledger.missing())).map(({ range }) => range);
  }

  /** As `missing`, in slices. */
  *missingInSlices(): Coroutine<readonly MemoryRange[]> {
    const missing: (readonly MapChange[])[] = [];
    for (const ledger of this.list) {
      missing.push(yield* entriesInSlices(ledger.missingByAddress));
    }
    return yield* mapInSlices(yield* uniqueInSlices(missing), ({ range }) => range);
  }

  /** All that is stuck, or what of it shares a page with `over`, ascending for each target. */
  stuck(over?: MemoryRange): Coroutine<readonly TargetRange[]> {
    return this.#ofEachTarget((ledger) => ledger.stuck.entries(over === undefined ? undefined : [over]));
  }

  /** All that is held, including what is stuck, ascending for each target. */
  held(): Coroutine<readonly TargetRange[]> {
    return this.#ofEachTarget(function* (ledger) {
      const lists = [yield* ledger.heldInSlices(), yield* mapInSlices(yield* ledger.stuck.entries(), mappingOf)];
      return yield* sortedInSlices(yield* joinInSlices(lists));
    });
  }

  /** Whether nothing is held, and nothing is stuck. */
  *isEmpty(): Coroutine<boolean> {
    for (const ledger of this.list) {
      const { derived } = ledger;
      const held = derived === undefined ? ledger.listed() : yield* derived.heldBetweenSets();
      if (ledger.stuck.size > 0 || held[Symbol.iterator]().next().done !== true) {
        return false;
      }
    }
    return true;
  }

  /** The unmaps of all that is held, including what is stuck. Ascending. */
  *unmapsOfAll(): Coroutine<ChangeSet['unmaps']> {
    const held: (readonly MapChange[])[] = [];
    for (const ledger of this.list) {
      held.push(yield* ledger.heldInSlices(), yield* mapInSlices(yield* ledger.stuck.entries(), mappingOf));
    }
    return yield* mapInSlices(yield* uniqueInSlices(held), unmapOf);
  }

  /** The set that unmaps all that is held. */
  *unmapAllSet(active: ActiveMappings): Coroutine<ChangeSet> {
    const derived = this.list.length === 1 ? this.list[0]?.derived : undefined;
    if (derived === undefined) {
      return forward(active.generation, yield* this.unmapsOfAll(), []);
    }
    const { unmaps, removed } = yield* removeEach(yield* derived.heldBetweenSets());
    return new ManagedSet({ active, removed, addressOf: undefined }, active.generation, unmaps, []);
  }

  /** Makes every ledger list what it holds, independently of the active mappings. */
  *materialize(): Coroutine<void> {
    for (const ledger of this.list) {
      yield* ledger.materialize();
    }
  }

  /** The attachment has ended: the ledgers no longer follow the active mappings. */
  end(): void {
    for (const ledger of this.list) {
      ledger.end();
    }
  }

  *#ofEachTarget(
    select: (ledger: Ledger) => Coroutine<readonly { readonly range: MemoryRange }[]>,
  ): Coroutine<readonly TargetRange[]> {
    const found: TargetRange[] = [];
    for (const [index, ledger] of this.list.entries()) {
      const target = this.#branch.ports[index]?.name ?? this.#branch.name;
      yield* eachInSlices(yield* select(ledger), ({ range }) => {
        found.push({ target, range });
      });
    }
    return found;
  }
}

function entryOf({ range, region, writable }: MapChange, stuck: boolean): LedgerEntry {
  return { range, region, writable, stuck };
}
