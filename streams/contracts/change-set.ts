import type { DmaError, TargetRange } from './errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { HostVa } from './host-va.js';
import type { Backing, Mappable, MappingType } from './region.js';

/** A mapping that became active. */
export interface MapChange {
  /** Guest physical addresses. */
  readonly range: MemoryRange;
  /** Name of its region. */
  readonly region: string;
  readonly type: MappingType;
  /** The mapping's AND the region's. */
  readonly writable: boolean;
  readonly backing: Backing;
  /** Set by `ensureMapped`. Private memory, which lives in its VA, has it from the start. */
  readonly hostVa?: HostVa;
  /** Set by an operator that cannot serve this map: `toTarget` reports it as failed without calling the target. */
  readonly refused?: DmaError;
}

/** Mappings that ceased to be active: one of them, or a whole region with all that it had. */
export interface UnmapChange {
  /** Guest physical addresses. May be wider than what it covers, gaps included; never cuts a map. */
  readonly range: MemoryRange;
  /** Name of the region. */
  readonly region: string;
  readonly type: MappingType;
  /** The maps that it ends, ascending. */
  readonly covers: readonly MemoryRange[];
}

/**
 * On `changes()`: all that one command changed. Into a branch: one step of it, unmaps alone or maps alone, and also the
 * inverse of a step when it is undone, under the same generation.
 *
 * A branch answers every set that it receives with exactly one outcome, in order, also an empty set; an operator in it may
 * empty a set but never drop one.
 */
export interface ChangeSet {
  /** Counts the commands that changed the view. A snapshot carries the generation that it shows. */
  readonly generation: number;
  /** Whether it shows all that is active, for somebody new, rather than what differs. */
  readonly snapshot: boolean;
  /** An inverse set: serve all of it, past failures. */
  readonly undo?: true;
  /** Ascending. Every one of them comes before every map. */
  readonly unmaps: readonly UnmapChange[];
  /** Ascending; an inverse set in the opposite order of the set that it undoes. */
  readonly maps: readonly MapChange[];
}

/**
 * What a branch did with one change set.
 *
 * `toTarget` and `fanOut` say all that they know. An outcome that is written by hand may leave out everything that is optional; an operator that
 * changes one keeps the rest of it by `{ ...outcome, … }`.
 */
export interface Outcome {
  readonly generation: number;
  /** Name of the target; of several, joined with `+`. */
  readonly target: string;
  readonly status: 'applied' | 'failed';
  /** Device maps that failed softly. */
  readonly skipped: readonly DmaError[];
  readonly error?: DmaError;
  /** The map that failed, and made the set fail. */
  readonly failedAt?: TargetRange & { readonly region: string };
  /** Maps that were taken back, in the order in which they were. */
  readonly undone?: readonly TargetRange[];
  /**
   * Maps that the set should have ended and that are still there, because their unmap failed. Left out: none where the set was applied, and all that
   * it was to end where it failed, unless `error` is a `DmaUnmapError`, which says it itself.
   */
  readonly stuck?: readonly TargetRange[];
  /** Maps that could not be put back. Left out: none where the set was applied, and all of an inverse set that failed. */
  readonly missing?: readonly TargetRange[];
}

/** What the guest sees now: every active mapping, ascending. */
export interface MemoryMapSnapshot {
  readonly generation: number;
  readonly mappings: readonly MapChange[];
}

/** RAM that another process can map: what a vhost-user back end is told. */
export interface ShareableRegion {
  readonly range: MemoryRange;
  readonly writable: boolean;
  readonly mappable: Mappable;
  readonly fileOffset: bigint;
}
