import type { LedgerEntry, MemoryRange } from '../../streams/index.js';
import { firstFrom } from './first-from.js';
import type { WatchedTarget } from './watched.js';
import type { Holding, TargetState } from './watch-state.js';

/** How often a ledger is read again while something is stuck in it, in milliseconds: a retry tells nobody. */
const RETRIED_WITHIN = 1000;

/** What a target holds. Its ledger may be long: it is read only when it may have changed. */
export class HeldMappings {
  readonly #target: WatchedTarget;
  #ledger: readonly LedgerEntry[] = [];
  /** In ascending order. */
  stuck: readonly LedgerEntry[] = [];
  #mayHaveChanged = true;
  #readAt = -Infinity;
  #pendingSince: number | undefined;
  #stuckSince: number | undefined;

  constructor(target: WatchedTarget) {
    this.#target = target;
  }

  expectChange(): void {
    this.#mayHaveChanged = true;
  }

  look(now: number): { readonly state: TargetState; readonly hasChanged: boolean } {
    const { name, attachment } = this.#target;
    const hasChanged = this.#mayHaveChanged || (this.#stuckSince !== undefined && now - this.#readAt > RETRIED_WITHIN);
    if (hasChanged) {
      this.#mayHaveChanged = false;
      this.#readAt = now;
      this.#ledger = attachment.ledger();
      this.stuck = this.#ledger.filter(({ stuck }) => stuck);
      this.#stuckSince = this.stuck.length === 0 ? undefined : (this.#stuckSince ?? now);
    }
    this.#pendingSince = attachment.pending ? (this.#pendingSince ?? now) : undefined;
    const ledger = this.#ledger;
    return {
      hasChanged,
      state: {
        name,
        held: ledger.length - this.stuck.length,
        stuck: this.stuck.length,
        pendingSince: this.#pendingSince,
        stuckSince: this.#stuckSince,
        isGone: attachment.phase === 'gone',
        holdingOf: (range) => holdingIn(ledger, range),
      },
    };
  }
}

function holdingIn(ledger: readonly LedgerEntry[], { start, end }: MemoryRange): Holding {
  const found = ledger[firstFrom(ledger, start)];
  return found?.range.start !== start || found.range.end !== end ? 'not held' : found.stuck ? 'stuck' : 'held';
}
