import type { Native } from '../../../binding/native.js';

/** What each function takes, in order: what is right in kind is made for it, and then one argument after another is made wrong. */
export const SIGNATURES: Readonly<Record<keyof Native, readonly Kind[]>> = {
  memfdCreate: ['text', 'number'],
  fileDuplicate: ['number'],
  fileTruncate: ['file', 'bigint'],
  fileSeal: ['file', 'number'],
  fileReserve: ['file', 'bigint'],
  fileAllocate: ['file', 'bigint', 'bigint', 'boolean'],
  fileFd: ['file'],
  fileStatus: ['file'],
  fileClose: ['file'],
  fileFacts: ['number'],
  addressSpaceReserve: ['bigint'],
  ramBlocksCreate: ['boolean'],
  addressSpaceId: ['space'],
  addressSpaceMap: ['space', 'page', 'page', 'number', 'bigint', 'boolean', 'text', 'number'],
  addressSpaceRelease: ['space', 'page', 'page'],
  addressSpaceMapRows: ['space', 'rows', 'results', 'number'],
  addressSpaceReleaseRows: ['space', 'rows', 'results', 'number'],
  addressSpaceReleaseLater: ['space', 'rows', 'results', 'number'],
  addressSpaceAreas: [],
  addressSpaceLimitAreas: ['number'],
  addressSpaceOverlap: ['space', 'page', 'page'],
  addressSpaceFirstFault: ['space', 'page', 'page', 'boolean'],
  addressSpaceRead: ['space', 'bigint', 'bytes'],
  addressSpaceWrite: ['space', 'bigint', 'bytes'],
  addressSpaceView: ['space', 'page', 'page'],
  addressSpaceEmptyViews: ['space', 'boolean'],
  addressSpaceClose: ['space'],
  vfioContainerOpen: [],
  vfioContainerSupports: ['container', 'number'],
  vfioContainerSetIommu: ['container', 'number'],
  vfioContainerInfo: ['container'],
  vfioContainerClose: ['container'],
  vfioGroupOpen: ['number'],
  vfioGroupStatus: ['group'],
  vfioGroupSetContainer: ['group', 'container'],
  vfioGroupUnsetContainer: ['group'],
  vfioGroupOpenDevice: ['group', 'text'],
  vfioGroupClose: ['group'],
  vfioDeviceOpen: ['number'],
  vfioDeviceBindIommufd: ['device', 'iommufd'],
  vfioDeviceAttach: ['device', 'number'],
  vfioDeviceDetach: ['device'],
  vfioDeviceRegion: ['device', 'number'],
  vfioDeviceRead: ['device', 'bigint', 'bytes'],
  vfioDeviceWrite: ['device', 'bigint', 'bytes'],
  vfioDeviceReset: ['device'],
  vfioDeviceFd: ['device'],
  vfioDeviceClose: ['device'],
  iommufdOpen: [],
  iommufdAllocateIoas: ['iommufd'],
  iommufdDestroy: ['iommufd', 'number'],
  iommufdIovaRanges: ['iommufd', 'number'],
  iommufdProbeMapFile: ['iommufd'],
  iommufdClose: ['iommufd'],
  containerRunner: ['container'],
  ioasRunner: ['iommufd', 'number'],
  containerRowRunner: ['container'],
  ioasRowRunner: ['iommufd', 'number'],
  kvmOpen: [],
  kvmCheckExtension: ['kvm', 'number'],
  kvmCreateVm: ['kvm'],
  kvmAddressBits: ['kvm'],
  kvmRunSize: ['kvm'],
  kvmClose: ['kvm'],
  kvmVmFrom: ['number'],
  kvmVmCheckExtension: ['vm', 'number'],
  kvmVmCreateIrqchip: ['vm'],
  kvmVmIrqfd: ['vm', 'number', 'number', 'boolean'],
  kvmVmIoeventfd: ['vm', 'bigint', 'number', 'number', 'boolean', 'boolean', 'bigint', 'boolean'],
  kvmVmClose: ['vm'],
  kvmSlotsCreate: ['vm', 'number', 'number', 'boolean'],
  kvmSlotsRunner: ['slots'],
  kvmSlotsRowRunner: ['slots'],
  kvmSlotsFind: ['slots', 'bigint'],
  kvmSlotsList: ['slots'],
  kvmSlotsFree: ['slots'],
  kvmSlotsLogDirtyPages: ['slots', 'boolean'],
  kvmSlotsTakeDirtyLog: ['slots', 'bigint'],
  kvmVcpuCreate: ['vm', 'number', 'number'],
  kvmVcpuRegisters: ['vcpu', 'registers'],
  kvmVcpuSetRegisters: ['vcpu', 'registers'],
  kvmVcpuSpecialRegisters: ['vcpu', 'registers'],
  kvmVcpuSetSpecialRegisters: ['vcpu', 'registers'],
  kvmVcpuOfferHost: ['vcpu', 'kvm'],
  kvmVcpuRun: ['vcpu', 'bytes'],
  kvmVcpuExit: ['vcpu', 'rows', 'bytes'],
  kvmVcpuInterrupt: ['vcpu'],
  kvmVcpuClose: ['vcpu'],
  eventFdCreate: [],
  eventFdFrom: ['number'],
  eventFdWatch: ['file', 'function'],
  eventFdUnwatch: ['watch'],
  socketConnect: ['text'],
  socketAdopt: ['file', 'number', 'number', 'boolean', 'number', 'function'],
  socketRead: ['socket', 'boolean'],
  socketDeliver: ['socket'],
  socketSend: ['socket', 'bytes', 'results'],
  socketFlush: ['socket'],
  socketQueued: ['socket'],
  socketClose: ['socket'],
  listenerOpen: ['text', 'text', 'function'],
  listenerAccept: ['listener', 'boolean'],
  listenerClose: ['listener'],
};

export type Kind =
  | 'text'
  | 'number'
  | 'page'
  | 'bigint'
  | 'boolean'
  | 'bytes'
  | 'rows'
  | 'results'
  | 'file'
  | 'space'
  | 'container'
  | 'group'
  | 'device'
  | 'iommufd'
  | 'registers'
  | 'kvm'
  | 'vm'
  | 'slots'
  | 'vcpu'
  | 'function'
  | 'socket'
  | 'listener'
  | 'watch';
