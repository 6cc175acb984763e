import { ERRNO } from '../../streams/internal.js';
import { existsSync } from 'node:fs';
import { bindCommands } from './bind-steps.js';
import { foreignMembers, isBoundToVfio, isInNoIommuMode } from './pci.js';
import type { PciDevice } from './pci.js';
import { missingFileHint, permissionHint } from './permission-hints.js';
import { firmwareRanges, listRanges, reservedRanges } from './reserved-ranges.js';

/**
 * Hints for failures to open a device for DMA. Each function takes the negative errno, and returns the commands that fix the problem, if
 * there are any. `sysfs` is the mount point of sysfs.
 */

const { EPERM, ENOENT, EIO, ENXIO, ENOMEM, EACCES, EBUSY, ENODEV, EINVAL, ENOSPC, ENOTTY, EADDRINUSE, EFAULT } = ERRNO;

/** Hint for a failure to open `/dev/vfio/vfio` or `/dev/iommu`. */
export function openHint(
  errno: number,
  path: string,
  module: string,
  since: string,
  sysfs = '/sys',
): string | undefined {
  switch (errno) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return errno === ENOENT && existsSync(`${sysfs}/class/misc/${path.split('/').at(-1) ?? ''}`)
        ? `The kernel has it, but ${path} is missing. ${missingFileHint(path)}`
        : `As root: modprobe ${module}. If there is no such module, this kernel was built without it (${since}).`;
    case EACCES:
      return permissionHint('EACCES', path);
    case EPERM:
      return permissionHint('EPERM', path);
    case EBUSY:
      return `Another process may have it open: fuser -v ${path}`;
    default:
      return undefined;
  }
}

/** Hint for a failure to open a group file or a device file. */
export function deviceFileHint(errno: number, path: string, device: PciDevice, sysfs = '/sys'): string | undefined {
  switch (errno) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return (
        notBoundHint(device, sysfs) ??
        `${path} is missing although ${device.address} is bound to ${device.driver ?? 'a driver'}. ${missingFileHint(path)}`
      );
    case EACCES:
      return permissionHint('EACCES', path);
    case EPERM:
      return permissionHint('EPERM', path);
    case EBUSY:
      return openOnceHint(path);
    default:
      return undefined;
  }
}

/**
 * Hint for a failure to bind a device file to an iommufd. The kernel returns `EINVAL` if the device is open elsewhere, if the firmware has
 * reserved memory for it (Linux 6.6 and later), and if its DMA bypasses the processor caches; `EPERM` if its interrupts are not isolated.
 */
export function bindHint(errno: number, path: string, device: PciDevice, sysfs = '/sys'): string | undefined {
  const obstacle = device.iommuGroup === undefined ? undefined : obstacleHint(errno, device.iommuGroup, sysfs);
  if (obstacle !== undefined) {
    return obstacle;
  }
  switch (errno) {
    case EPERM:
      return interruptHint('iommufd');
    case EBUSY:
      return openOnceHint(path);
    case EINVAL:
      return onX86()
        ? openOnceHint(path)
        : `${openOnceHint(path)}. If no process has it open: iommufd accepts no device whose DMA is not coherent with the caches; VFIO type1 does.`;
    default:
      return undefined;
  }
}

/** Why a device cannot be assigned yet; `undefined` if it can. */
export function notBoundHint(device: PciDevice, sysfs = '/sys'): string | undefined {
  if (device.iommuGroup === undefined) {
    return noIommuHint(device, sysfs);
  }
  if (!isBoundToVfio(device)) {
    const bound = device.driver === undefined ? 'has no driver' : `is bound to ${device.driver}`;
    return `${device.address} ${bound}. As root: ${bindCommands(device)}`;
  }
  return existsSync('/dev/vfio')
    ? undefined
    : 'There is no /dev/vfio: as root, modprobe vfio-pci; in a container, pass it in.';
}

/** Hint for a group that cannot be used because other drivers are bound to its devices. */
export function viabilityHint(iommuGroup: number, sysfs = '/sys'): string | undefined {
  const foreign = foreignMembers(iommuGroup, sysfs);
  if (foreign.length === 0) {
    return undefined;
  }
  const list = foreign.map(({ address, id, driver }) => `${address} (${id}, ${driver ?? 'no driver'})`).join(', ');
  return `IOMMU group ${iommuGroup} goes as a whole, and other drivers hold ${list}. As root: ${foreign.map((device) => bindCommands(device)).join('; ')}`;
}

/** Hint for a group that cannot be assigned because the firmware has reserved memory for its devices. */
export function firmwareHint(iommuGroup: number, sysfs = '/sys'): string | undefined {
  const ranges = firmwareRanges(iommuGroup, sysfs);
  return ranges.length === 0 ? undefined : firmwareRangesHint(iommuGroup, listRanges(ranges));
}

export function firmwareRangesHint(iommuGroup: number, ranges: string): string {
  return (
    `The firmware reserves ${ranges} for devices of IOMMU group ${iommuGroup}, so it cannot be assigned (rows "direct" in ` +
    `/sys/kernel/iommu_groups/${iommuGroup}/reserved_regions: RMRR of Intel, IVMD of AMD, RMR of Arm). Only the firmware can release them: an ` +
    'update, a setting for the device (a management agent, pre-boot DMA protection), or another slot.'
  );
}

/** Hint for a device whose DMA is not translated by an IOMMU. */
export function noIommuHint({ address }: Pick<PciDevice, 'address'>, sysfs = '/sys'): string {
  const cure = onX86()
    ? 'Switch it on in the firmware (VT-d, AMD-Vi) and on the kernel command line: intel_iommu=on (AMD: on by default).'
    : 'Switch it on in the firmware (Arm: SMMU); Linux then uses it by itself.';
  const none = `No IOMMU is in front of it. ${cure}`;
  return isInNoIommuMode(address, sysfs) ? `${NO_IOMMU_MODE} ${none}` : none;
}

/** Why the no-IOMMU mode of VFIO is not supported. */
export const NO_IOMMU_MODE =
  "VFIO's no-IOMMU mode (enable_unsafe_noiommu_mode, /dev/vfio/noiommu-N) is not used by this library: the device would reach all memory of " +
  'the machine, by physical addresses, and there is no IOMMU to program.';

/** Hint for a device whose interrupts are not isolated. A parameter of the module allows its use anyway. */
export function interruptHint(module: UnsafeInterruptsModule): string {
  return `Its interrupts are not remapped: it could raise any interrupt of the machine. ${remappingCure()} Or, where the device and who uses it are trusted, as root: ${unsafeInterruptsCommand(module)}`;
}

/** The modules that reject devices whose interrupts are not isolated. */
export type UnsafeInterruptsModule = 'vfio_iommu_type1' | 'iommufd';

/** How to enable interrupt isolation on this architecture. */
export function remappingCure(): string {
  return onX86()
    ? 'Switch interrupt remapping on in the firmware (VT-d, AMD-Vi), and leave intremap=off out of the kernel command line.'
    : 'That takes an interrupt controller that can isolate them (Arm: GICv3 with ITS).';
}

/** The command that allows such devices. It takes effect immediately, and lasts until the module is reloaded. */
export function unsafeInterruptsCommand(module: UnsafeInterruptsModule): string {
  return `echo Y > /sys/module/${module}/parameters/allow_unsafe_interrupts`;
}

/**
 * Hint for a failure to add a group to a container. If the firmware has reserved memory, the kernel returns `EINVAL` (`EPERM` before Linux
 * 6.6). It also returns `EPERM` if interrupts are not isolated.
 */
export function addGroupHint(errno: number, iommuGroup: number, sysfs = '/sys'): string | undefined {
  const obstacle = obstacleHint(errno, iommuGroup, sysfs);
  if (obstacle !== undefined) {
    return obstacle;
  }
  switch (errno) {
    case EBUSY:
    case EINVAL:
      return `Group ${iommuGroup} is in another container, or its IOMMU cannot share this one: close what holds it, or open a VfioContainer of its own for it.`;
    case EPERM:
      return interruptHint('vfio_iommu_type1');
    default:
      return undefined;
  }
}

/** Hint for a failure to attach a device to an IOAS, which is when iommufd pins and checks the mappings. */
export function attachHint(errno: number, iommuGroup: number | undefined, sysfs = '/sys'): string | undefined {
  const obstacle = iommuGroup === undefined ? undefined : obstacleHint(errno, iommuGroup, sysfs);
  switch (errno) {
    case EADDRINUSE: {
      const reserved = iommuGroup === undefined ? [] : reservedRanges(iommuGroup, sysfs);
      const where = reserved.length === 0 ? '' : `, such as ${listRanges(reserved)}`;
      return `Something is mapped where this device cannot reach${where}: unmap it, attach, and look at ioas.iovaRanges.`;
    }
    case EFAULT:
      return (
        'Something mapped is not backed by memory any more, or its file system is full or its huge pages are used up (df, HugePages_Free in ' +
        '/proc/meminfo): iommufd looks at that only when the first device is attached.'
      );
    case ENOSPC:
      return 'The file system behind something mapped is full: df shows it. iommufd takes the pages of a file only when the first device is attached.';
    case ENOMEM:
      return (
        'All that is mapped is pinned now: it is more than the limit of locked memory (ulimit -l, LimitMEMLOCK= of systemd, --ulimit memlock= of ' +
        'docker and podman), or than the memory or huge pages that the host has free.'
      );
    case EPERM:
      return obstacle ?? interruptHint('iommufd');
    case EINVAL:
      return obstacle;
    case EBUSY:
      return obstacle ?? 'The device is being reset, or is attached already: detach it first.';
    default:
      return undefined;
  }
}

/** Hint for a failed access to a BAR or the configuration space. */
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

function openOnceHint(path: string): string {
  return `It can be open once only, as a group or as a device: in this process use the object that you have, elsewhere look with fuser -v ${path}`;
}

/** Why the group as a whole cannot be assigned: other drivers, or the firmware. */
function obstacleHint(errno: number, iommuGroup: number, sysfs: string): string | undefined {
  const viability = viabilityHint(iommuGroup, sysfs);
  return viability ?? (errno === EPERM || errno === EINVAL ? firmwareHint(iommuGroup, sysfs) : undefined);
}

function onX86(): boolean {
  return process.arch === 'x64' || process.arch === 'ia32';
}
