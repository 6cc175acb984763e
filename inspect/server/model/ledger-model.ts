import type { MapChange, MemoryRange } from '../../../streams/index.js';
import { holdsActive, type Ledger } from '../../../streams/internal.js';
import type { ExceptionKind, WireException } from '../../wire/messages.js';
import { pageCount } from './wire.js';

/** Number and size of the active mappings. */
export interface ActiveTotals {
  readonly count: number;
  readonly pages: number;
}

/** Exceptions that are looked up among what the ledger has, not among what is active. */
export type HeldKind = Exclude<ExceptionKind, 'absent'>;

/** By first page. */
export type Exceptions = ReadonlyMap<number, WireException>;

const NONE: Exceptions = new Map();

/** What is known of one ledger, as the difference to the active mappings: those that are not absent are held. */
export class LedgerModel {
  readonly ledger: Ledger;
  /** The sizes of the active mappings that it does not hold, by first page. */
  readonly #absent = new Map<number, number>();
  #absentPages = 0;
  #others: Readonly<Record<HeldKind, Exceptions>> = { extra: NONE, stuck: NONE, missing: NONE };
  readonly #otherPages: Record<HeldKind, number> = { extra: 0, stuck: 0, missing: 0 };

  constructor(ledger: Ledger) {
    this.ledger = ledger;
  }

  /** Looks whether an active mapping is absent. */
  look(mapping: MapChange): boolean {
    const isAbsent = !holdsActive(this.ledger, mapping);
    this.forget(mapping.range);
    if (isAbsent) {
      const pages = pageCount(mapping.range);
      this.#absent.set(mapping.range.startPage, pages);
      this.#absentPages += pages;
    }
    return isAbsent;
  }

  /** Whether the active mapping at this range was absent when it was looked at. */
  lacks({ startPage }: MemoryRange): boolean {
    return this.#absent.size > 0 && this.#absent.has(startPage);
  }

  /** A mapping is no longer active. */
  forget({ startPage }: MemoryRange): void {
    if (this.#absent.size > 0) {
      this.#absentPages -= this.#absent.get(startPage) ?? 0;
      this.#absent.delete(startPage);
    }
  }

  others(kind: HeldKind): Exceptions {
    return this.#others[kind];
  }

  /** @param pages their size */
  setOthers(kind: HeldKind, exceptions: Exceptions, pages: number): void {
    this.#others = { ...this.#others, [kind]: exceptions };
    this.#otherPages[kind] = pages;
  }

  /** Whether more or less is stuck or missing than when it was looked at. */
  hasNews(isAttached: boolean): boolean {
    const { stuck, missingByAddress } = this.ledger;
    const missing = isAttached ? missingByAddress.size : 0;
    return stuck.size !== this.#others.stuck.size || missing !== this.#others.missing.size;
  }

  /** Number of mappings that it holds, those that are stuck included. */
  held({ count }: ActiveTotals): number {
    return count - this.#absent.size + this.#others.extra.size + this.#others.stuck.size;
  }

  heldPages({ pages }: ActiveTotals): number {
    return pages - this.#absentPages + this.#otherPages.extra + this.#otherPages.stuck;
  }
}
