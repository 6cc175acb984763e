import type { MemoryRange } from '../ranges/memory-range.js';

/** Something with a file descriptor that can be mapped: a memfd, a file, a VFIO device, a dma-buf. */
export interface Mappable {
  /** @throws when closed */
  readonly fd: number;
  /** For messages. */
  readonly label: string;
  /** Length in bytes, where it is known: a mapping that reaches beyond it is refused at once. */
  readonly size?: bigint | number;
}

/** A file backing, or private anonymous memory, which exists only as host virtual addresses. */
export type Backing = FileBacking | 'private';

export interface FileBacking {
  readonly mappable: Mappable;
  /** In bytes, page aligned. */
  readonly fileOffset: bigint;
}

/** `'device'` is memory of a device, a PCI BAR for instance: a target that cannot map it is not at fault. */
export type MappingType = 'ram' | 'device';

export interface RegionParams {
  /** For messages; two regions may share one. */
  readonly name: string;
  readonly range: MemoryRange;
  /** Higher wins. A finite number. Default 0. */
  readonly priority?: number;
  readonly type: MappingType;
}

export interface MapParams {
  /** A mapping is writable when it and its region are. */
  readonly writable: boolean;
  /** Told to observers; no target is called for it. Default: left out. */
  readonly executable?: boolean;
  /** Told to observers; no target is called for it. Default: left out. */
  readonly prefetch?: boolean;
}

export interface MappingParams {
  /** Relative to the region's start. */
  readonly rangeInRegion: MemoryRange;
  readonly backing: Backing;
  readonly writable: boolean;
}

/**
 * A part of the guest's physical address space, with a name and a priority. It starts unmapped and empty.
 *
 * Every command is a transaction of one edit (see `RegionManager.transaction`): it takes its turn in the manager's queue,
 * resolves once every target has acknowledged it, and rejects with nothing changed, or, with a `DmaUnmapError`, with
 * everything changed but what that error names.
 */
export interface Region extends AsyncDisposable {
  readonly name: string;
  readonly range: MemoryRange;
  readonly priority: number;
  readonly type: MappingType;
  /** Visible, and not covered: neither by a region of higher priority, nor by one of equal priority that was added earlier. */
  readonly active: boolean;
  /** Makes it visible, or changes how. The same parameters again do nothing. */
  map(params: MapParams): Promise<void>;
  /** Hides it. What it covered is uncovered. */
  unmap(): Promise<void>;
  /** Adds a mapping, which must lie inside the region and overlap no other of its mappings. */
  addMapping(params: MappingParams): Promise<void>;
  /** Removes the mappings inside `rangeInRegion`, which must not cut one. Over nothing it does nothing. */
  removeMappings(rangeInRegion: MemoryRange): Promise<void>;
  /** Ends the region. Again: nothing. */
  remove(): Promise<void>;
}

/** What a transaction may do. Each call is checked at once, against the state as the calls before it in this transaction left it. */
export interface RegionEdit {
  addRegion(params: RegionParams): Region;
  removeRegion(region: Region): void;
  map(region: Region, params: MapParams): void;
  unmap(region: Region): void;
  addMapping(region: Region, params: MappingParams): void;
  removeMappings(region: Region, rangeInRegion: MemoryRange): void;
}

/** One edit of a command that took effect. Ranges are guest physical. */
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
