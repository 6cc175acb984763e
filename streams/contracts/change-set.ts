import type { DmaError, TargetRange } from './errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { HostVa } from './host-va.js';
import type { Backing, Mappable, MappingType } from './backing.js';

/** A mapping that became active. */
export interface MapChange {
  /** Guest physical addresses. */
  readonly range: MemoryRange;
  /** Name of the region. */
  readonly region: string;
  /** `'ram'` or `'device'`, as that of the region. */
  readonly type: MappingType;
  /** Whether both the mapping and its region are writable. */
  readonly writable: boolean;
  /** The memory behind it. */
  readonly backing: Backing;
  /** Set by `ensureMapped`. Private memory has it from the start. */
  readonly hostVa?: HostVa;
  /** Set by an operator that cannot serve this map. `toTarget` then reports the map as failed and does not call the target. */
  readonly refused?: DmaError;
}

/** Mappings that are no longer active: one mapping, or all mappings of a region. */
export interface UnmapChange {
  /** Guest physical addresses. May be larger than the mappings in `covers` and include gaps, but never contains only a part of a map. */
  readonly range: MemoryRange;
  /** Name of the region. */
  readonly region: string;
  /** `'ram'` or `'device'`, as that of the region. */
  readonly type: MappingType;
  /** Ranges of the maps to remove, in ascending order. */
  readonly covers: readonly MemoryRange[];
}

/**
 * A set of unmaps and maps.
 *
 * From `RegionManager.changes()`: all changes of one command. In a branch: one step of a command, which has either unmaps or maps, or the
 * inverse of a step when the command is undone. All steps of a command, and their inverses, have its generation.
 *
 * A branch answers each set with exactly one outcome, in the order of the sets. This includes empty sets. An operator in a branch may
 * remove changes from a set, but must emit the set.
 */
export interface ChangeSet {
  /** Number of commands that have changed the view, this one included. A snapshot has the generation of the state that it shows. */
  readonly generation: number;
  /** Whether the set has all active mappings, for a new subscriber or target, instead of changes. */
  readonly snapshot: boolean;
  /** Set on an inverse set. All of its changes must be attempted, also after a failure. */
  readonly undo?: true;
  /** In ascending order. All unmaps are done before the first map. */
  readonly unmaps: readonly UnmapChange[];
  /** In ascending order; in an inverse set in the opposite order of the original set. */
  readonly maps: readonly MapChange[];
}

/**
 * The result of one change set in a branch.
 *
 * `toTarget` and `fanOut` set all properties that they know. Other branches may omit all optional properties. An operator that changes an
 * outcome keeps the other properties with `{ ...outcome, … }`.
 */
export interface Outcome {
  /** Generation of the set that it answers. */
  readonly generation: number;
  /** Name of the target. The names of several targets are joined with `+`. */
  readonly target: string;
  /** `'applied'`, with skipped maps of type `device` and stuck unmaps included; `'failed'`: a map failed, and the set was undone. */
  readonly status: 'applied' | 'failed';
  /** Errors of maps of type `device`. They do not make the set fail. */
  readonly skipped: readonly DmaError[];
  /** Why it failed, or what kept an unmap from being done. */
  readonly error?: DmaError;
  /** The map whose failure made the set fail. */
  readonly failedAt?: TargetRange & { readonly region: string };
  /** Maps of this set that were unmapped again, in the order of these unmaps. */
  readonly undone?: readonly TargetRange[];
  /**
   * Maps that the set should have removed and that still exist, because their unmap failed.
   *
   * If omitted: none when the status is `applied`. When it is `failed`: the ranges in `error.stuck` if `error` is a `DmaUnmapError`, else
   * all maps that the set should have removed.
   */
  readonly stuck?: readonly TargetRange[];
  /** Maps that could not be restored. If omitted: none when the status is `applied`, and all maps of an inverse set that failed. */
  readonly missing?: readonly TargetRange[];
  /**
   * Number of maps of this set that exist now: not those that failed, were skipped, or were undone. This one and the next three are set for the
   * outcomes of `Attachment.outcomes$`, in which those of several targets are added up; an operator in a branch does not see them. They are
   * omitted in the outcome that says that a target is gone.
   */
  readonly maps?: number;
  /** Number of maps that this set has removed. One unmap may remove several. */
  readonly unmaps?: number;
  /** Size of what `maps` and `unmaps` count, in bytes. */
  readonly bytes?: bigint;
  /** Time from the delivery of this set to its answer. */
  readonly milliseconds?: number;
}

/** All active mappings, in ascending order: the memory map that the guest sees. */
export interface MemoryMapSnapshot {
  /** Number of commands that had changed the view. */
  readonly generation: number;
  /** In ascending order. The list is made when it is first read. */
  readonly mappings: readonly MapChange[];
}

/** RAM that another process can map, for example a vhost-user back end. */
export interface ShareableRegion {
  /** Guest physical addresses. */
  readonly range: MemoryRange;
  /** Whether both the mapping and its region are writable. */
  readonly writable: boolean;
  /** The file, whose descriptor can be passed on. */
  readonly mappable: Mappable;
  /** In bytes, page aligned. */
  readonly fileOffset: bigint;
}
