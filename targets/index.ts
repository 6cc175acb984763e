/**
 * The targets of the package: VFIO type1, iommufd, KVM, vhost-user back ends, a software IOMMU and a log; and the assignment of devices. Those of the
 * kernel, of back ends and of memory that a device accesses need the addon, which is loaded at its first use.
 *
 * @module dma-streams/targets
 */
export type { BatchStop, DmaMapRequest, DmaTarget } from '../streams/index.js';
export { DmaFault } from '../streams/index.js';
export { callToJson, callToText } from './call-line.js';
export type { TargetCall } from './call-line.js';
export { LoggingTarget } from './logging-target.js';
export type { LoggingTargetOptions } from './logging-target.js';
export { SoftIommuTarget } from './soft-iommu-target.js';
export type { SoftIommuTargetOptions } from './soft-iommu/settings.js';
export type { SoftIommuModel } from './soft-iommu/model.js';
export { IommufdTarget } from './iommufd-target.js';
export type { IommufdTargetOptions } from './iommufd-target.js';
export { KvmTarget } from './kvm-target.js';
export type { KvmTargetOptions, VcpuPause } from './kvm-target.js';
export { VfioType1Target } from './vfio-type1-target.js';
export { AssignedDevices } from './assigned-devices.js';
export type {
  AssignedDevice,
  AssignedDevicesOptions,
  AssignmentInterface,
  AssignOptions,
} from './assigned/assigned-device.js';
export { VhostUserConnection } from './vhost-user-connection.js';
export type { VhostUserConnectionOptions } from './vhost-user-connection.js';
export type { VhostUserReply } from './vhost-user/requests.js';
export { VhostUserTarget } from './vhost-user-target.js';
export type { VhostUserTargetOptions } from './vhost-user/target-options.js';
