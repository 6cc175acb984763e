import type { MapChange } from './change-set.js';
import type { MemoryRange } from './memory-range.js';

/** An opaque host virtual address. Only the native code that made it can turn it into a pointer. */
export interface HostVa {
  /** For messages; nothing accepts it back. */
  readonly address: bigint;
}

/** Gives guest memory its host virtual addresses. */
export interface VaMapper {
  /**
   * Makes the mapping readable, and writable when it is, at a host virtual address.
   *
   * Idempotent while the mapping is held: the same mapping gives the same VA.
   *
   * On failure: nothing is mapped.
   *
   * @throws DmaError
   */
  ensureMapped(change: MapChange): HostVa;
  /**
   * Takes the address away. Called once for each mapping that was ensured, when it leaves the view.
   *
   * One that throws counts as done, and is a warning.
   */
  release(range: MemoryRange): void;
}
