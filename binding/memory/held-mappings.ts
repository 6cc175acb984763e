import type { HostVa, MapChange, Mappable, MemoryRange } from '../../streams/index.js';
import { issueHostVa, placeHostVa, revokeHostVa, type HostVaOrigin } from './host-va.js';
import { PageMap } from './page-map.js';
import type { SpaceAccess } from './space-access.js';

/** A mapping as requested. It is also the origin of its host virtual address. */
export class HeldMapping implements HostVaOrigin {
  readonly space: SpaceAccess;
  readonly range: MemoryRange;
  /** `undefined` for private memory. */
  readonly mappable: Mappable | undefined;
  readonly fileOffset: bigint;
  readonly writable: boolean;
  readonly hostVa: HostVa;
  /** Whether it is being released, or its release failed. Its address is then invalid. */
  #revoked = false;

  constructor(space: SpaceAccess, { range, backing, writable }: MapChange) {
    this.space = space;
    this.range = range;
    this.mappable = backing === 'private' ? undefined : backing.mappable;
    this.fileOffset = backing === 'private' ? 0n : backing.fileOffset;
    this.writable = writable;
    this.hostVa = issueHostVa(this);
  }

  /** Whether the requested mapping is identical to this one. */
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

/** The current mappings of guest memory and their host virtual addresses. */
export class HeldMappings {
  readonly #space: SpaceAccess;
  /** By first page. */
  readonly #byStart = new PageMap<HeldMapping>();
  /** Mappings that the kernel did not release. Their addresses are invalid. The release is retried before a new mapping is made there. */
  readonly #unreleased = new Set<HeldMapping>();

  /** Ranges that are being released on another thread. */
  readonly #leaving = new Set<MemoryRange>();

  constructor(space: SpaceAccess) {
    this.#space = space;
  }

  /** Describes a mapping before it is made. `add` records it afterwards. */
  describe(change: MapChange): HeldMapping {
    return new HeldMapping(this.#space, change);
  }

  /** The address of an identical mapping, if there is one. */
  find(wanted: HeldMapping): HostVa | undefined {
    const held = this.#byStart.get(wanted.range.startPage);
    return held?.is(wanted) === true ? held.hostVa : undefined;
  }

  rangeAt(startPage: number): MemoryRange | undefined {
    return this.#byStart.get(startPage)?.range;
  }

  /** The mappings that overlap the range. */
  overlapping(range: MemoryRange): readonly HeldMapping[] {
    return [...this.#byStart.values()].filter((held) => held.range.overlaps(range));
  }

  /** Records a mapping that was made at this host address. */
  add(made: HeldMapping, address: number): HostVa {
    placeHostVa(made.hostVa, address);
    this.#byStart.set(made.range.startPage, made);
    return made.hostVa;
  }

  /** Removes all mappings inside the range, after they were unmapped. */
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

  /** Records that the release of the range failed: the whole mappings that still exist in it become invalid. */
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

  /** The mappings whose release failed and that overlap the range. */
  unreleasedIn(range: MemoryRange): MemoryRange[] {
    return Array.from(this.#unreleased, (held) => held.range).filter((other) => other.overlaps(range));
  }

  /** Records that the release of the range has started. The addresses inside become invalid. */
  beginRelease(range: MemoryRange): void {
    for (const held of this.#inside(range)) {
      held.revoke();
    }
    this.#leaving.add(range);
  }

  /** Records that the release has ended, with success or failure. */
  endRelease(range: MemoryRange): void {
    this.#leaving.delete(range);
  }

  /** Whether memory in the range is being released. */
  isLeaving(range: MemoryRange): boolean {
    for (const leaving of this.#leaving) {
      if (leaving.overlaps(range)) {
        return true;
      }
    }
    return false;
  }

  /** Removes all mappings, after the memory was closed. Their addresses are invalid since (see `resolveHostVa`). */
  clear(): void {
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
