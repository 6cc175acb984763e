import {
  findPciDevice,
  Iommufd,
  VfioContainer,
  VfioDevice,
  VfioGroup,
  type IovaRange,
  type PciDevice,
} from '../../binding/index.js';
import { DmaError, type Attachment } from '../../streams/index.js';
import type { DomainTarget } from './domain-target.js';

/**
 * An IOMMU domain: one set of mappings, and the devices that use it. A container for VFIO type1, an IOAS for iommufd.
 */
export interface Domain {
  readonly target: DomainTarget;
  /** Attachment of its target at the manager, if there is one. */
  attachment: Attachment | undefined;
  /** Number of devices in the domain. */
  readonly size: number;
  /** The I/O virtual addresses that can be mapped, ascending. @throws DmaError `ERR_CLOSED` after `close` */
  readonly iovaRanges: readonly IovaRange[];
  /**
   * Opens a device and adds it. Returns `undefined` if the kernel does not allow it to share the mappings with the present devices.
   *
   * On failure, and if it cannot share: the device is closed.
   *
   * @throws DmaError if it cannot be opened, or cannot be added to a domain without devices
   */
  addDevice(pci: PciDevice): VfioDevice | undefined;
  /** Closes a device and removes it. */
  removeDevice(device: VfioDevice): void;
  /** Whether the kernel has no mappings left. Called after the last device was removed: another process may still have the device open. */
  tryDestroy(): boolean;
  /** Closes the remaining descriptors. Calling it again has no effect. */
  close(): void;
}

/**
 * Adds a group or a device to a domain by `add`. Returns whether the kernel allows it to share the mappings with the present devices.
 *
 * @throws the error of `add` if the domain is empty: the cause can then only be the group or the device itself
 */
export function canJoin(domain: Domain, add: () => void): boolean {
  try {
    add();
    return true;
  } catch (error) {
    if (domain.size === 0 || !(error instanceof DmaError)) {
      throw error;
    }
    return false;
  }
}

/** The kernel calls that domains make. */
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

/** Key of an option that replaces the kernel calls, for specs. */
const DEVICE_ACCESS = Symbol('DeviceAccess');

/** Adds a replacement of the kernel calls to the options. */
export function withDeviceAccess<T extends object>(options: T, access: DeviceAccess): T {
  return { ...options, [DEVICE_ACCESS]: access };
}

/** The replacement in the options, or the kernel calls. */
export function deviceAccessOf(options: object): DeviceAccess {
  return (options as { readonly [DEVICE_ACCESS]?: DeviceAccess })[DEVICE_ACCESS] ?? KERNEL;
}
