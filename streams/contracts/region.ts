import type { MemoryRange } from '../ranges/memory-range.js';

/** An object with a file descriptor that can be mapped: a memfd, a file, a VFIO device, a dma-buf. */
export interface Mappable {
  /** @throws when closed */
  readonly fd: number;
  /** Name in messages. */
  readonly label: string;
  /** Length in bytes, if known. A mapping that ends after it is refused with `ERR_BEYOND_FILE`. */
  readonly size?: bigint | number;
}

/** The memory behind a mapping: a part of a file, or private anonymous memory, which is accessible only at its host virtual address. */
export type Backing = FileBacking | 'private';

export interface FileBacking {
  readonly mappable: Mappable;
  /** In bytes, page aligned. */
  readonly fileOffset: bigint;
}

/** `'device'` is memory of a device, for example a PCI BAR. A target that cannot map it skips it, and the command succeeds. */
export type MappingType = 'ram' | 'device';

export interface RegionParams {
  /** Name in messages. Need not be unique. */
  readonly name: string;
  /** Guest physical addresses. */
  readonly range: MemoryRange;
  /** A finite number. Where two regions overlap, the one with the higher priority is active. Default: 0. */
  readonly priority?: number;
  readonly type: MappingType;
}

export interface MapParams {
  /** A mapping is writable for devices and the guest when both it and its region are. */
  readonly writable: boolean;
  /** Passed on to observers. A change of it calls no target. Default: absent. */
  readonly executable?: boolean;
  /** Passed on to observers. A change of it calls no target. Default: absent. */
  readonly prefetch?: boolean;
}

export interface MappingParams {
  /** Offsets from the start of the region. */
  readonly rangeInRegion: MemoryRange;
  readonly backing: Backing;
  readonly writable: boolean;
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
  readonly name: string;
  readonly range: MemoryRange;
  readonly priority: number;
  readonly type: MappingType;
  /** Whether the region is mapped, and not covered by a mapped region of higher priority, or of equal priority that was added earlier. */
  readonly active: boolean;
  /** Maps the region, or changes the parameters with which it is mapped. Has no effect if it is mapped with the same parameters. */
  map(params: MapParams): Promise<void>;
  /** Unmaps the region. Regions that it covered become active. Has no effect if it is not mapped. */
  unmap(): Promise<void>;
  /** Adds a mapping, which must be inside the region and must not overlap another mapping of the region. */
  addMapping(params: MappingParams): Promise<void>;
  /** Removes the mappings inside `rangeInRegion`, which must not contain only a part of a mapping. Has no effect if there are none. */
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
  addRegion(params: RegionParams): Region;
  removeRegion(region: Region): void;
  map(region: Region, params: MapParams): void;
  unmap(region: Region): void;
  addMapping(region: Region, params: MappingParams): void;
  removeMappings(region: Region, rangeInRegion: MemoryRange): void;
}

/** One edit of a command that took effect. All ranges are guest physical addresses. */
export type RegionEvent =
  | {
      readonly kind: 'region-added' | 'region-removed';
      readonly region: string;
      readonly range: MemoryRange;
      readonly priority: number;
      readonly type: MappingType;
    }
  | { readonly kind: 'region-mapped'; readonly region: string; readonly params: MapParams }
  | { readonly kind: 'region-unmapped'; readonly region: string }
  | {
      readonly kind: 'mapping-added' | 'mapping-removed';
      readonly region: string;
      readonly range: MemoryRange;
      readonly writable: boolean;
    };
