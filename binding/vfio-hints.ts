import { existsSync } from 'node:fs';
import { currentUser } from './current-user.js';
import { bindCommands, foreignMembers } from './pci.js';
import type { PciDevice } from './pci.js';

/**
 * What to do when the kernel says no to opening a device for DMA. Each takes the negative error number, and gives the
 * commands that would cure it where there are any.
 */

const EPERM = -1;
const ENOENT = -2;
const EIO = -5;
const ENXIO = -6;
const EACCES = -13;
const EBUSY = -16;
const ENODEV = -19;
const EINVAL = -22;
const ENOTTY = -25;
const EADDRINUSE = -98;
const EFAULT = -14;

/** Opening `/dev/vfio/vfio` or `/dev/iommu` failed. */
export function openHint(errno: number, path: string, module: string, since: string): string | undefined {
  switch (errno) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return `As root: modprobe ${module}. If there is no such module, this kernel was built without it (${since}).`;
    case EACCES:
    case EPERM:
      return permissionHint(path);
    case EBUSY:
      return `Another process may have it open: fuser -v ${path}`;
    default:
      return undefined;
  }
}

/** Opening a group or a device file failed. */
export function deviceFileHint(errno: number, path: string, device: PciDevice): string | undefined {
  switch (errno) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return (
        notBoundHint(device) ??
        `${path} is missing although ${device.address} is bound to ${device.driver ?? 'a driver'}: mount devtmpfs on /dev.`
      );
    case EACCES:
    case EPERM:
      return permissionHint(path);
    case EBUSY:
      return `It can be open once only, as a group or as a device: in this process use the object that you have, elsewhere look with fuser -v ${path}`;
    default:
      return undefined;
  }
}

/** Binding a device file to an iommufd failed: the kernel says EINVAL where the device is open elsewhere. */
export function bindHint(errno: number, path: string, device: PciDevice): string | undefined {
  const viability = device.iommuGroup === undefined ? undefined : viabilityHint(device.iommuGroup);
  return viability ?? deviceFileHint(errno === EINVAL ? EBUSY : errno, path, device);
}

/** Why a device cannot be given away yet; nothing when it can. */
export function notBoundHint(device: PciDevice): string | undefined {
  if (device.iommuGroup === undefined) {
    return noIommuHint();
  }
  if (device.vfioNumber === undefined && !(device.driver ?? '').includes('vfio')) {
    const bound = device.driver === undefined ? 'has no driver' : `is bound to ${device.driver}`;
    return `${device.address} ${bound}. As root: ${bindCommands(device)}`;
  }
  return existsSync('/dev/vfio')
    ? undefined
    : 'There is no /dev/vfio: as root, modprobe vfio-pci; in a container, pass it in.';
}

/** The group cannot be used because other drivers hold members of it. */
export function viabilityHint(iommuGroup: number): string | undefined {
  const foreign = foreignMembers(iommuGroup);
  if (foreign.length === 0) {
    return undefined;
  }
  const list = foreign.map(({ address, id, driver }) => `${address} (${id}, ${driver ?? 'no driver'})`).join(', ');
  return `IOMMU group ${iommuGroup} goes as a whole, and other drivers hold ${list}. As root: ${foreign.map(bindCommands).join('; ')}`;
}

export function noIommuHint(): string {
  return 'No IOMMU is in front of it. Switch it on in the firmware (VT-d, AMD-Vi) and on the kernel command line: intel_iommu=on (AMD: on by default).';
}

/** Putting a group in a container failed. */
export function addGroupHint(errno: number, iommuGroup: number): string | undefined {
  const viability = viabilityHint(iommuGroup);
  if (viability !== undefined) {
    return viability;
  }
  switch (errno) {
    case EBUSY:
    case EINVAL:
      return `Group ${iommuGroup} is in another container, or its IOMMU cannot share this one: close what holds it, or open a VfioContainer of its own for it.`;
    case EPERM:
      return 'Its interrupts cannot be remapped: switch interrupt remapping on in the firmware (or, where that is safe: modprobe vfio_iommu_type1 allow_unsafe_interrupts=1).';
    default:
      return undefined;
  }
}

/** Attaching a device to an IOAS failed: that is when iommufd pins and checks what is mapped. */
export function attachHint(errno: number, iommuGroup: number | undefined): string | undefined {
  switch (errno) {
    case EADDRINUSE:
      return 'Something is mapped where this device cannot reach, often at 0xfee00000-0xfef00000: unmap it, attach, and look at ioas.iovaRanges.';
    case EFAULT:
      return 'Something mapped is not backed by memory any more: iommufd looks at that only when the first device is attached.';
    case EPERM:
      return 'Its interrupts cannot be remapped: switch interrupt remapping on in the firmware.';
    case EBUSY:
      return (
        (iommuGroup === undefined ? undefined : viabilityHint(iommuGroup)) ??
        'The device is being reset, or is attached already: detach it first.'
      );
    default:
      return undefined;
  }
}

/** Reaching into a BAR or the configuration space failed. */
export function accessHint(errno: number): string | undefined {
  return errno === EIO || errno === EFAULT
    ? 'The device does not answer: memory decoding may be off (bit 1 of the command register, at offset 4 of its configuration space), or it is in a low power state or gone.'
    : undefined;
}

export function resetHint(errno: number): string | undefined {
  return errno === ENOTTY || errno === EINVAL
    ? 'This device has no reset of its own that leaves its neighbours alone.'
    : undefined;
}

function permissionHint(path: string): string {
  const user = currentUser();
  return `As root: chown ${user} ${path}, or lastingly a udev rule: SUBSYSTEM=="vfio", OWNER="${user}" (/dev/iommu: KERNEL=="iommu").`;
}
