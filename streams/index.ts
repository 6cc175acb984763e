export { MemoryRange } from './memory-range.js';
export type {
  Backing,
  FileBacking,
  Mappable,
  MapParams,
  MappingParams,
  MappingType,
  Region,
  RegionEdit,
  RegionEvent,
  RegionParams,
} from './region.js';
export type { ChangeSet, MapChange, MemoryMapSnapshot, Outcome, ShareableRegion, UnmapChange } from './change-set.js';
export type { DmaMapRequest, DmaTarget } from './dma-target.js';
export type { HostVa, VaMapper } from './va-mapper.js';
export { DmaError, DmaFault, DmaMapError, DmaUnmapError, RegionOverlapError } from './errors.js';
export type { Aftermath, DmaErrorDetails, TargetRange } from './errors.js';
