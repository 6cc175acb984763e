/**
 * Guest memory, IOMMUs, KVM and sockets of Linux as objects. Needs the addon, which is loaded at its first use.
 *
 * @module dma-streams/binding
 */
export { AddressSpace } from './memory/address-space.js';
export type { CopySource } from './iommu/copy-source.js';
export { DmaBatch } from './iommu/dma-batch.js';
export { Ioas, Iommufd } from './iommu/iommufd.js';
export type { IovaRange } from './iommu/iova-range.js';
export { identityPageTables } from './kvm/cpu-modes.js';
export type { KvmLongMode, KvmRealMode } from './kvm/cpu-modes.js';
export { Kvm } from './kvm/kvm.js';
export type { KvmExit, KvmFailExit, KvmHaltExit, KvmIoExit, KvmMmioExit } from './kvm/kvm-exit.js';
export { KvmSlots } from './kvm/kvm-slots.js';
export type { KvmSlot, KvmSlotsOptions } from './kvm/kvm-slots.js';
export { KvmVcpu } from './kvm/kvm-vcpu.js';
export { KvmVm } from './kvm/kvm-vm.js';
export type { KvmIoEvent } from './kvm/kvm-vm.js';
export type { KvmRegisters, KvmSegment, KvmSpecialRegisters, KvmTable } from './kvm/registers.js';
export type { GuestMemory } from './memory/guest-memory.js';
export type { MappedMemory } from './memory/mapped-memory.js';
export { Memfd } from './memory/memfd.js';
export type { MemfdOptions } from './memory/memfd.js';
export { RamBlocks } from './memory/ram-blocks.js';
export type { RamBlocksOptions } from './memory/ram-blocks.js';
export { findPciDevice, foreignMembers, groupMembers, parsePciAddress } from './iommu/pci.js';
export type { PciDevice } from './iommu/pci.js';
export { VfioContainer } from './iommu/vfio-container.js';
export { VfioDevice } from './iommu/vfio-device.js';
export type { VfioRegion } from './iommu/vfio-device.js';
export { VfioGroup } from './iommu/vfio-group.js';
export { DescriptorListener, DescriptorSocket } from './sockets/descriptor-socket.js';
export type { DescriptorMessage } from './sockets/descriptor-message.js';
export { EventFd } from './sockets/event-fd.js';
export type { MessageFraming } from './sockets/message-framing.js';
export type { OutgoingMessage } from './sockets/outgoing-messages.js';
export type { ConnectOptions, ListenOptions } from './sockets/socket-options.js';
