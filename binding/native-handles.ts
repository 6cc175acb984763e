/** A JavaScript object that owns a native object. The addon checks its type tag and rejects all other objects. */
interface Handle<Kind extends string> {
  readonly handle: Kind;
}
export type FileHandle = Handle<'file'>;
export type SpaceHandle = Handle<'address space'>;
export type ContainerHandle = Handle<'container'>;
export type GroupHandle = Handle<'group'>;
export type DeviceHandle = Handle<'device'>;
export type IommufdHandle = Handle<'iommufd'>;
export type KvmHandle = Handle<'kvm'>;
export type VmHandle = Handle<'vm'>;
export type SlotsHandle = Handle<'memory slots'>;
export type VcpuHandle = Handle<'vcpu'>;
export type SocketHandle = Handle<'socket'>;
export type ListenerHandle = Handle<'listener'>;
export type EventFdWatchHandle = Handle<'watch of an eventfd'>;
