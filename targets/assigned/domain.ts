import { findPciDevice, Iommufd, VfioContainer, VfioDevice, VfioGroup, type PciDevice } from '../../binding/index.js';
import type { Attachment } from '../../streams/index.js';
import type { DomainTarget } from './domain-target.js';

/**
 * An IOMMU domain: one set of mappings, and the devices that it holds for. Of VFIO type1 that is a container, of iommufd an IOAS.
 */
export interface Domain {
  readonly target: DomainTarget;
  /** Of its target at the manager, once there is one. */
  attachment: Attachment | undefined;
  /** How many devices are in. */
  readonly size: number;
  /**
   * Opens a device and puts it in. Returns `undefined` when the kernel does not let it share with the devices that are in.
   *
   * On failure, and when it may not share: nothing of it stays open.
   *
   * @throws DmaError when it cannot be opened, or, into a domain without devices, cannot be put in
   */
  addDevice(pci: PciDevice): VfioDevice | undefined;
  /** Closes a device, and takes it out. */
  removeDevice(device: VfioDevice): void;
  /** Whether the kernel holds no mapping any more, asked when the last device is out. Only the kernel knows: who else has the device open? */
  tryDestroy(): boolean;
  /** Closes what is left. Again: nothing. */
  close(): void;
}

/** What is asked of the kernel. */
export interface DeviceAccess {
  findDevice(pciAddress: string): PciDevice;
  openContainer(): VfioContainer;
  openGroup(pciAddress: string): VfioGroup;
  openIommufd(): Iommufd;
  openCdev(pciAddress: string, iommufd: Iommufd): VfioDevice;
}

const KERNEL: DeviceAccess = {
  findDevice: (pciAddress) => findPciDevice(pciAddress),
  openContainer: () => VfioContainer.open(),
  openGroup: (pciAddress) => VfioGroup.forDevice(pciAddress),
  openIommufd: () => Iommufd.open(),
  openCdev: (pciAddress, iommufd) => VfioDevice.openCdev(pciAddress, iommufd),
};

/** The key of an option that takes the place of the kernel, for specs. */
const DEVICE_ACCESS = Symbol('DeviceAccess');

/** The options, with something in place of the kernel. */
export function withDeviceAccess<T extends object>(options: T, access: DeviceAccess): T {
  return { ...options, [DEVICE_ACCESS]: access };
}

/** The kernel, unless the options say otherwise. */
export function deviceAccessOf(options: object): DeviceAccess {
  return (options as { readonly [DEVICE_ACCESS]?: DeviceAccess })[DEVICE_ACCESS] ?? KERNEL;
}
