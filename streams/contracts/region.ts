import type { BackingParams, Mappable, MappingType } from './backing.js';
import type { MapChange } from './change-set.js';
import type { MemoryRange } from '../ranges/memory-range.js';

/** What a region is: a named part of the guest physical address space. */
export interface RegionParams {
  /** Name in messages. Need not be unique. */
  readonly name: string;
  /** Guest physical addresses. */
  readonly range: MemoryRange;
  /** A finite number. Where two regions overlap, the one with the higher priority is active. Default: 0. */
  readonly priority?: number;
  /** `'ram'`, also for a ROM, or `'device'`: a map of `'device'` that a target cannot make is skipped, and the command succeeds. */
  readonly type: MappingType;
  /**
   * What shows where the region has no mapping. `'opaque'` (the default): nothing, as for the registers of a device over RAM. `'transparent'`: what
   * is below it, as for a container of other regions; needs a manager with `overlap: 'any'`.
   */
  readonly holes?: 'opaque' | 'transparent';
}

/** How a region is mapped. */
export interface MapParams {
  /** A mapping is writable for devices and the guest when both it and its region are. */
  readonly writable: boolean;
  /** Passed on to observers. A change of it calls no target. Default: absent. */
  readonly executable?: boolean;
  /** Passed on to observers. A change of it calls no target. Default: absent. */
  readonly prefetch?: boolean;
}

/** A mapping of a region: which memory is at which of its addresses. */
export interface MappingParams {
  /** Offsets from the start of the region. */
  readonly rangeInRegion: MemoryRange;
  /** The memory: a part of a file, or `'private'`. The file must be open, and as long as the mapping, if its length is known. */
  readonly backing: BackingParams;
  /** Whether devices and the guest may write, while the region is mapped as writable, too. */
  readonly writable: boolean;
  /**
   * In bytes, a power of two of at least 4096. The mapping is delivered to targets in pieces that do not cross multiples of it, so that a region
   * above it, or `removeMappings`, disturbs only the pieces that it touches. Such a mapping may be cut at multiples of its granule. Each piece
   * is a map of each target: a mapping may have at most 4,194,304 of them, and a warning says when they are more than a target can hold. Guest address and file offset must be equal modulo the granule.
   * Not for private memory. Default: none, the mapping is one piece.
   */
  readonly granule?: bigint | number;
}

/** A region of RAM with one mapping over all of it. */
export interface RamParams
  extends Omit<RegionParams, 'type'>, Omit<MapParams, 'writable'>, Pick<MappingParams, 'granule'> {
  /**
   * The memory: a `Memfd` or another object with a file descriptor, of which the part from `fileOffset` on is used; or a `BackingParams`, which says
   * itself which part of a file it is, or that the memory is private.
   */
  readonly backing: Mappable | BackingParams;
  /** In bytes, page aligned. Only where `backing` is an object with a file descriptor. Default: 0. */
  readonly fileOffset?: bigint | number;
  /** Of the mapping; the region is mapped as writable. `false` for a ROM. Default: true. */
  readonly writable?: boolean;
}

/**
 * A part of the guest physical address space, with a name and a priority. A new region is unmapped and has no mappings.
 *
 * Every method is a transaction of one edit (see `RegionManager.transaction`). It waits in the queue of the manager for earlier commands, and
 * resolves when every target has applied the change.
 *
 * On failure: nothing is changed. A `DmaUnmapError` is the exception: the change took effect, except for the ranges in its `stuck`.
 */
export interface Region extends AsyncDisposable {
  /** Name in messages. Need not be unique. */
  readonly name: string;
  /** Guest physical addresses. */
  readonly range: MemoryRange;
  /** Where two regions overlap, the one with the higher priority is active. */
  readonly priority: number;
  /** What its mappings are: see `RegionParams.type`. */
  readonly type: MappingType;
  /** What shows where the region has no mapping: see `RegionParams.holes`. */
  readonly holes: 'opaque' | 'transparent';
  /** How the region is mapped: a copy of the parameters. `undefined` while it is not mapped. As of the last command that took effect. */
  readonly mapped: MapParams | undefined;
  /**
   * Whether the region is mapped, and shows at one address at least: one that no mapped region of higher priority, or of equal priority that was
   * added earlier, covers.
   */
  readonly active: boolean;
  /**
   * The parts of its mappings that show, in ascending order: what the targets have mapped of this region. Each is the longest part of one mapping
   * that no other region covers, and inside one granule if the mapping has a granule. A copy, as of the last command that took effect.
   */
  readonly activeMappings: readonly MapChange[];
  /** Maps the region, or changes the parameters with which it is mapped. Has no effect if it is mapped with the same parameters. */
  map(params: MapParams): Promise<void>;
  /** Unmaps the region. Regions that it covered become active. Has no effect if it is not mapped. */
  unmap(): Promise<void>;
  /** Adds a mapping, which must be inside the region and must not overlap another mapping of the region: also where regions may overlap. */
  addMapping(params: MappingParams): Promise<void>;
  /**
   * Removes the mappings inside `rangeInRegion`. It must not contain only a part of a mapping, except for a mapping with a granule, which may be
   * cut at multiples of its granule (guest addresses). Has no effect if there are none.
   */
  removeMappings(rangeInRegion: MemoryRange): Promise<void>;
  /** Removes the region from its manager, with its mappings. Calling it again has no effect; every other method then fails. */
  remove(): Promise<void>;
}

/**
 * The edits of a transaction, for the methods see `Region` and `RegionManager.addRegion`.
 *
 * Each call is checked immediately, against the state after the earlier calls of the same transaction. A call that throws changes nothing.
 */
export interface RegionEdit {
  /** Adds a region, which is unmapped and has no mappings. @throws as `RegionManager.addRegion` */
  addRegion(params: RegionParams): Region;
  /** As `addRegion`, `addMapping` over the whole region, and `map`, with `writable: true` unless told otherwise: see `RegionManager.addRam`. */
  addRam(params: RamParams): Region;
  /** Removes a region with its mappings. Has no effect if it has been removed. @throws TypeError if it is not a region of this manager */
  removeRegion(region: Region): void;
  /** Maps a region, or changes how it is mapped. @throws DmaError `ERR_REGION_REMOVED`; TypeError for a wrong parameter */
  map(region: Region, params: MapParams): void;
  /** Unmaps a region. Has no effect if it is not mapped. @throws DmaError `ERR_REGION_REMOVED` */
  unmap(region: Region): void;
  /**
   * Adds a mapping to a region.
   *
   * @throws DmaError `ERR_REGION_REMOVED`, `ERR_OUT_OF_REGION`, `ERR_MAPPING_OVERLAP`, `ERR_BEYOND_FILE`, `ERR_PRIVATE_MEMORY`, `ERR_NO_VA_MAPPER`, `ERR_NO_FD`;
   * the error of the file if it is closed; TypeError or RangeError for a wrong parameter
   */
  addMapping(region: Region, params: MappingParams): void;
  /**
   * Removes the mappings inside `rangeInRegion`, offsets from the start of the region.
   *
   * @throws DmaError `ERR_REGION_REMOVED`, `ERR_OUT_OF_REGION`, `ERR_MAPPING_CUT`; TypeError if it is not a `MemoryRange`
   */
  removeMappings(region: Region, rangeInRegion: MemoryRange): void;
}

/** One edit of a command that took effect. All ranges are guest physical addresses. */
export type RegionEvent =
  | {
      /** A region was added or removed. */
      readonly kind: 'region-added' | 'region-removed';
      /** Name of the region. */
      readonly region: string;
      /** Of the region. */
      readonly range: MemoryRange;
      /** Of the region. */
      readonly priority: number;
      /** Of the region. */
      readonly type: MappingType;
    }
  | {
      /** A region was mapped, or its parameters were changed. */
      readonly kind: 'region-mapped';
      /** Name of the region. */
      readonly region: string;
      /** How it is mapped now. */
      readonly params: MapParams;
    }
  | {
      /** A region was unmapped. */
      readonly kind: 'region-unmapped';
      /** Name of the region. */
      readonly region: string;
    }
  | {
      /** A mapping was added to a region, or removed from it, whether or not the region is mapped. */
      readonly kind: 'mapping-added' | 'mapping-removed';
      /** Name of the region. */
      readonly region: string;
      /** Of the mapping. */
      readonly range: MemoryRange;
      /** Whether the mapping is writable; the region may be mapped as not writable. */
      readonly writable: boolean;
    };
