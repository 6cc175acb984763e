export type { DmaMapRequest, DmaTarget } from '../streams/index.js';
export { DmaFault } from '../streams/index.js';
export { callToJson, callToText } from './call-line.js';
export type { TargetCall } from './call-line.js';
export { LoggingTarget } from './logging-target.js';
export type { LoggingTargetOptions } from './logging-target.js';
export { SoftIommuTarget } from './soft-iommu-target.js';
export type { SoftIommuTargetOptions } from './soft-iommu/settings.js';
export type { SoftIommuModel } from './soft-iommu/model.js';
