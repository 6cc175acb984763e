import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { DmaError } from '../../streams/index.js';
import { show } from '../checks.js';

/** A PCI device, as described by sysfs. */
export interface PciDevice {
  /** `'0000:00:04.0'` */
  readonly address: string;
  /** Vendor and device ID, in hexadecimal: `'1234:11e8'`. */
  readonly id: string;
  /** Name of the bound driver; `undefined` if there is none. */
  readonly driver: string | undefined;
  /** Number of its IOMMU group; `undefined` if no IOMMU is enabled, none translates its DMA, or VFIO has it in no-IOMMU mode. */
  readonly iommuGroup: number | undefined;
  /** N in `/dev/vfio/devices/vfioN`; `undefined` if it is not bound to a VFIO driver. */
  readonly vfioNumber: number | undefined;
}

/** Drivers that may stay bound to other devices of an assigned group, because they start no DMA. */
const HARMLESS_DRIVERS = new Set(['pci-stub', 'pcieport']);

/** Name of the groups of no-IOMMU mode in the kernel (drivers/vfio/group.c). */
const NO_IOMMU_GROUP = 'vfio-noiommu';

/**
 * Returns the full form of a PCI address, in lower case. An address without a domain, such as `'00:04.0'`, is in domain 0.
 *
 * @throws TypeError if it is not a string; RangeError if it is not a PCI address
 */
export function parsePciAddress(text: string): string {
  if (typeof text !== 'string') {
    throw new TypeError(`pciAddress is ${show(text)}, not a string`);
  }
  const parts = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-1][0-9a-f])\.([0-7])$/i.exec(text);
  if (parts === null) {
    throw new RangeError(`'${text}' is not a PCI address: write it as '0000:00:04.0' (lspci -D shows them)`);
  }
  const [, domain = '0000', bus, device, number] = parts;
  return `${domain}:${bus}:${device}.${number}`.toLowerCase();
}

/**
 * Finds a PCI device in sysfs.
 *
 * @param sysfs mount point of sysfs. Default: `'/sys'`
 * @throws DmaError `ENODEV` if there is no device at that address; the errors of {@link parsePciAddress}
 */
export function findPciDevice(pciAddress: string, sysfs = '/sys'): PciDevice {
  const address = parsePciAddress(pciAddress);
  const folder = `${sysfs}/bus/pci/devices/${address}`;
  if (!existsSync(folder)) {
    throw new DmaError(`there is no PCI device ${address}`, { code: 'ENODEV', hint: 'lspci -D lists the devices.' });
  }
  const group = isInNoIommuMode(address, sysfs) ? undefined : linkName(`${folder}/iommu_group`);
  const vfio = names(`${folder}/vfio-dev`).find((name) => /^vfio\d+$/.test(name));
  return {
    address,
    id: `${hexOf(`${folder}/vendor`)}:${hexOf(`${folder}/device`)}`,
    driver: linkName(`${folder}/driver`),
    iommuGroup: group === undefined ? undefined : Number(group),
    vfioNumber: vfio === undefined ? undefined : Number(vfio.slice('vfio'.length)),
  };
}

/** Whether a group was created by VFIO in no-IOMMU mode. Such a group has no IOMMU. */
export function isNoIommuGroup(iommuGroup: string | number, sysfs = '/sys'): boolean {
  try {
    return readFileSync(`${sysfs}/kernel/iommu_groups/${iommuGroup}/name`, 'utf8').trim() === NO_IOMMU_GROUP;
  } catch {
    return false; // Most groups have no name.
  }
}

/** Whether a device, given by its full address, is bound to VFIO in no-IOMMU mode. */
export function isInNoIommuMode(address: string, sysfs = '/sys'): boolean {
  const group = linkName(`${sysfs}/bus/pci/devices/${address}/iommu_group`);
  return group !== undefined && isNoIommuGroup(group, sysfs);
}

/** The PCI devices of an IOMMU group, by address. They can only be assigned together. Empty if the group does not exist. */
export function groupMembers(iommuGroup: number, sysfs = '/sys'): readonly PciDevice[] {
  return names(`${sysfs}/kernel/iommu_groups/${iommuGroup}/devices`)
    .filter((name) => existsSync(`${sysfs}/bus/pci/devices/${name}`))
    .map((name) => findPciDevice(name, sysfs));
}

/** Whether a device has a driver of VFIO: vfio-pci, or a variant of it such as mlx5_vfio_pci. */
export function isBoundToVfio({ driver, vfioNumber }: Pick<PciDevice, 'driver' | 'vfioNumber'>): boolean {
  return vfioNumber !== undefined || driver?.includes('vfio') === true;
}

/** The devices of a group whose drivers prevent its assignment. */
export function foreignMembers(iommuGroup: number, sysfs = '/sys'): readonly PciDevice[] {
  return groupMembers(iommuGroup, sysfs).filter(
    ({ driver, vfioNumber }) =>
      driver !== undefined && !isBoundToVfio({ driver, vfioNumber }) && !HARMLESS_DRIVERS.has(driver),
  );
}

function linkName(path: string): string | undefined {
  try {
    return basename(readlinkSync(path));
  } catch {
    return undefined;
  }
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function hexOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim().replace(/^0x/, '');
  } catch {
    return '????';
  }
}
