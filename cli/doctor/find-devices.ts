import { realpathSync } from 'node:fs';
import { findPciDevice, groupMembers, parsePciAddress, type PciDevice } from '../../binding/index.js';
import { isNoIommuGroup } from '../../binding/iommu/pci.js';
import { codeOf, UsageError } from '../errors.js';
import { namesIn, type MachineRoots } from './machine-files.js';

/** What a word of the command line means. */
export interface FoundDevices {
  /** At least one, by address. */
  readonly devices: readonly PciDevice[];
  /** The word was the number of an IOMMU group; `devices` are its members. */
  readonly isGroup: boolean;
}

/** Addresses in a message about a device that does not exist. */
const MOST_LISTED = 12;

/**
 * Finds a PCI device by its address, with or without the domain (`'0000:00:04.0'`, `'00:04.0'`), or by the name of its network interface,
 * disk or other device (`'eth0'`, `'/dev/nvme0n1'`); or the devices of an IOMMU group by the number of the group.
 *
 * @throws UsageError if there is none; the message lists what there is
 */
export function findDevices(word: string, roots: MachineRoots): FoundDevices {
  if (/^\d+$/.test(word)) {
    return { devices: membersOf(Number(word), roots), isGroup: true };
  }
  const address = addressOf(word, roots);
  try {
    return { devices: [findPciDevice(address, roots.sys)], isGroup: false };
  } catch (error) {
    if (codeOf(error) !== 'ENODEV') {
      throw error;
    }
    throw new UsageError(`there is no PCI device ${address}; ${listDevices(address, roots)}`);
  }
}

/** The address of the PCI device that a path of sysfs leads through: of its last one, which is the one farthest from the processor. */
export function pciAddressIn(path: string): string | undefined {
  return path
    .split('/')
    .filter((part) => /^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/.test(part))
    .at(-1);
}

/** The real path of a file; `undefined` if there is none. */
export function realPathOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function membersOf(group: number, { sys }: MachineRoots): readonly PciDevice[] {
  const folder = `${sys}/kernel/iommu_groups`;
  const members = isNoIommuGroup(group, sys) ? [] : groupMembers(group, sys);
  if (members.length === 0) {
    const groups = namesIn(folder);
    const known =
      groups.length === 0
        ? 'this machine has none: no IOMMU is enabled'
        : `there are ${groups.length}: ${shorten(groups)}`;
    throw new UsageError(`there is no IOMMU group ${group} with PCI devices; ${known}`);
  }
  return members;
}

function addressOf(word: string, roots: MachineRoots): string {
  try {
    return parsePciAddress(word);
  } catch {
    const name = word.replace(/^\/dev\//, '');
    const places = /^[\w.:-]+$/.test(name)
      ? namesIn(`${roots.sys}/class`).flatMap((kind) => realPathOf(`${roots.sys}/class/${kind}/${name}`) ?? [])
      : [];
    const [address] = places.flatMap((place) => pciAddressIn(place) ?? []);
    if (address !== undefined) {
      return address;
    }
    throw new UsageError(
      places.length > 0
        ? `"${word}" is not a PCI device, nor part of one; ${listDevices('', roots)}`
        : `"${word}" is neither a PCI address such as 0000:00:04.0, nor the number of an IOMMU group, nor a device such as eth0 or nvme0n1; ${listDevices(word, roots)}`,
    );
  }
}

/** The devices that exist; those whose addresses are most like `wanted`, if there are many. */
function listDevices(wanted: string, { sys }: MachineRoots): string {
  const addresses = namesIn(`${sys}/bus/pci/devices`);
  if (addresses.length === 0) {
    return 'this machine has no PCI device';
  }
  const likeness = (address: string): number =>
    address.split('').filter((character, at) => wanted[at] === character).length;
  const nearest =
    addresses.length <= MOST_LISTED
      ? addresses
      : [...addresses].sort((one, other) => likeness(other) - likeness(one)).slice(0, MOST_LISTED);
  return `this machine has ${shorten(nearest)}${nearest.length < addresses.length ? ` and ${addresses.length - nearest.length} more` : ''}`;
}

function shorten(names: readonly string[]): string {
  const shown = names.slice(0, MOST_LISTED).join(', ');
  return names.length > MOST_LISTED ? `${shown}, …` : shown;
}
