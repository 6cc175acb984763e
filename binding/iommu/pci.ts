import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { DmaError } from '../../streams/index.js';
import { show } from '../checks.js';

/** A PCI device as sysfs shows it. */
export interface PciDevice {
  /** `'0000:00:04.0'` */
  readonly address: string;
  /** `'1234:11e8'` */
  readonly id: string;
  readonly driver: string | undefined;
  /** Number of its IOMMU group; none when no IOMMU is on, none is in front of it, or VFIO has it in no-IOMMU mode. */
  readonly iommuGroup: number | undefined;
  /** N of `/dev/vfio/devices/vfioN`; none when it is not bound to a VFIO driver. */
  readonly vfioNumber: number | undefined;
}

/** Drivers that may stay with a device of a group that is given away: they do no DMA of their own. */
const HARMLESS_DRIVERS = new Set(['pci-stub', 'pcieport']);

/** What the kernel calls the groups of its no-IOMMU mode (drivers/vfio/group.c). */
const NO_IOMMU_GROUP = 'vfio-noiommu';

/**
 * The full form of a PCI address: `'00:04.0'` is in domain 0.
 *
 * @throws TypeError when it is not a string, RangeError when it is not of that form
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
 * Looks a device up.
 *
 * @param sysfs where sysfs is mounted
 * @throws DmaError `ENODEV` when there is none at that address; as {@link parsePciAddress}
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

/** Whether a group is one that VFIO makes up in its no-IOMMU mode: there is no IOMMU behind it. */
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

/** The PCI devices of an IOMMU group, which can only be given away together. */
export function groupMembers(iommuGroup: number, sysfs = '/sys'): readonly PciDevice[] {
  return names(`${sysfs}/kernel/iommu_groups/${iommuGroup}/devices`)
    .filter((name) => existsSync(`${sysfs}/bus/pci/devices/${name}`))
    .map((name) => findPciDevice(name, sysfs));
}

/** The members of a group whose drivers keep it from being given away. */
export function foreignMembers(iommuGroup: number, sysfs = '/sys'): readonly PciDevice[] {
  return groupMembers(iommuGroup, sysfs).filter(
    ({ driver, vfioNumber }) =>
      driver !== undefined && vfioNumber === undefined && !driver.includes('vfio') && !HARMLESS_DRIVERS.has(driver),
  );
}

/** The commands that hand a device to vfio-pci, for root. */
export function bindCommands({ address, driver }: PciDevice): string {
  const device = `/sys/bus/pci/devices/${address}`;
  return [
    'modprobe vfio-pci',
    `echo vfio-pci > ${device}/driver_override`,
    ...(driver === undefined ? [] : [`echo ${address} > ${device}/driver/unbind`]),
    `echo ${address} > /sys/bus/pci/drivers_probe`,
  ].join('; ');
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
