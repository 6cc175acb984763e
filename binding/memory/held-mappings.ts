import type { HostVa, MapChange, Mappable, MemoryRange } from '../../streams/index.js';
import { issueHostVa, moveHostVa, revokeHostVa, type HostVaOrigin } from './host-va.js';
import type { SpaceAccess } from './space-access.js';

/** A mapping, as it was asked for; and where it is, for whoever has the address. */
export class HeldMapping implements HostVaOrigin {
  readonly space: SpaceAccess;
  readonly range: MemoryRange;
  /** None: private memory. */
  readonly mappable: Mappable | undefined;
  readonly fileOffset: bigint;
  readonly writable: boolean;
  readonly hostVa: HostVa;
  /** It is being released, or was in vain: nobody's any longer. */
  #revoked = false;

  constructor(space: SpaceAccess, base: number, { range, backing, writable }: MapChange) {
    this.space = space;
    this.range = range;
    this.mappable = backing === 'private' ? undefined : backing.mappable;
    this.fileOffset = backing === 'private' ? 0n : backing.fileOffset;
    this.writable = writable;
    this.hostVa = issueHostVa(base, this);
  }

  /** Whether the other one, that is wanted, is this one. */
  is({ range, mappable, fileOffset, writable }: HeldMapping): boolean {
    return (
      !this.#revoked &&
      this.range.equals(range) &&
      this.mappable === mappable &&
      this.fileOffset === fileOffset &&
      this.writable === writable
    );
  }

  revoke(): void {
    this.#revoked = true;
    revokeHostVa(this.hostVa);
  }
}

/** The books of an address space: which mapping has which address. */
export class HeldMappings {
  readonly #space: SpaceAccess;
  readonly #base: number;
  /** By first page. */
  readonly #byStart = new Map<number, HeldMapping>();
  /** What the kernel did not release: nobody's any longer, and to be tried again before anything comes to be there. */
  readonly #unreleased = new Set<HeldMapping>();

  /** What is being released on another thread. */
  readonly #leaving = new Set<MemoryRange>();

  /** @param base the host address of GPA 0 */
  constructor(space: SpaceAccess, base: number) {
    this.#space = space;
    this.#base = base;
  }

  /** A mapping that is to be made, and added once it is. */
  describe(change: MapChange): HeldMapping {
    return new HeldMapping(this.#space, this.#base, change);
  }

  /** The address of exactly this mapping, where there is one. */
  find(wanted: HeldMapping): HostVa | undefined {
    const held = this.#byStart.get(wanted.range.startPage);
    return held?.is(wanted) === true ? held.hostVa : undefined;
  }

  rangeAt(startPage: number): MemoryRange | undefined {
    return this.#byStart.get(startPage)?.range;
  }

  /** Those that share a page with the range. */
  overlapping(range: MemoryRange): readonly HeldMapping[] {
    return [...this.#byStart.values()].filter((held) => held.range.overlaps(range));
  }

  /** @param displacedTo its host address, when that is not base + GPA */
  add(made: HeldMapping, displacedTo?: number): HostVa {
    if (displacedTo !== undefined) {
      moveHostVa(made.hostVa, displacedTo);
    }
    this.#byStart.set(made.range.startPage, made);
    return made.hostVa;
  }

  /** Everything inside the range is gone. */
  forget(range: MemoryRange): void {
    const held = this.#byStart.get(range.startPage);
    if (held?.range.equals(range) === true) {
      this.#forget(held);
      return;
    }
    for (const other of this.#inside(range)) {
      this.#forget(other);
    }
  }

  /** The range was released in vain: what is still there, in whole, is nobody's any longer. */
  markUnreleased(range: MemoryRange, isThere: (range: MemoryRange) => boolean): void {
    for (const held of this.#inside(range)) {
      if (isThere(held.range)) {
        held.revoke();
        this.#unreleased.add(held);
      } else {
        this.#forget(held);
      }
    }
  }

  get hasUnreleased(): boolean {
    return this.#unreleased.size > 0;
  }

  /** What was released in vain and shares a page with the range. */
  unreleasedIn(range: MemoryRange): MemoryRange[] {
    return Array.from(this.#unreleased, (held) => held.range).filter((other) => other.overlaps(range));
  }

  /** The range is being released: nobody can use an address inside any longer. */
  beginRelease(range: MemoryRange): void {
    for (const held of this.#inside(range)) {
      held.revoke();
    }
    this.#leaving.add(range);
  }

  /** The release has come to an end, this way or that. */
  endRelease(range: MemoryRange): void {
    this.#leaving.delete(range);
  }

  /** Whether something in the range is being released. */
  isLeaving(range: MemoryRange): boolean {
    for (const leaving of this.#leaving) {
      if (leaving.overlaps(range)) {
        return true;
      }
    }
    return false;
  }

  /** Everything is gone. */
  clear(): void {
    for (const held of this.#byStart.values()) {
      held.revoke();
    }
    this.#byStart.clear();
    this.#unreleased.clear();
  }

  #inside(range: MemoryRange): HeldMapping[] {
    const held = this.#byStart.get(range.startPage);
    return held?.range.equals(range) === true
      ? [held]
      : [...this.#byStart.values()].filter((other) => range.contains(other.range));
  }

  #forget(held: HeldMapping): void {
    held.revoke();
    this.#byStart.delete(held.range.startPage);
    this.#unreleased.delete(held);
  }
}
