import { noIommuHint } from '../../binding/iommu/open-hints.js';
import { isBridge, processesWith, usesOf } from '../bind/uses.js';
import type { PciDevice } from '../../binding/index.js';
import { bindCommand, describe, fileCures, reservedByFirmware } from './check-devices.js';
import { checkInterrupts, checkIommu } from './check-iommu.js';
import { checkLockedMemory } from './check-limits.js';
import { checkIommufd, checkVfio } from './diagnose.js';
import { textOf, type MachineRoots } from './machine-files.js';
import { readiness } from './readiness.js';
import type { Check, Cure, DeviceFile, DeviceReport, DoctorFacts, IommuGroupFacts, PciDeviceFacts } from './report.js';

/** What stands in the way of using one device, and how to remove it. */
export function checkDevice(device: PciDevice, facts: DoctorFacts, roots: MachineRoots): DeviceReport {
  const { address } = device;
  const group = facts.iommu.groups.find(({ devices }) => devices.some((one) => one.address === address));
  const found = [...(group?.devices ?? []), ...facts.iommu.ungrouped].find((one) => one.address === address);
  const holders = processesWith(device, roots);
  const ready = readiness(facts);
  const type1 = ready.type1.includes(address) && holders.length === 0;
  const iommufd = ready.iommufd.includes(address) && holders.length === 0;
  const checks =
    found === undefined
      ? [] // It was removed during the examination.
      : [
          driverCheck(device, found, group, holders, roots),
          groupCheck(device, found, group, facts, roots),
          interruptsCheck(group, facts),
          interfaceCheck(checkVfio(facts), group?.file ?? null, found, group, type1),
          interfaceCheck(checkIommufd(facts), found.file, found, group, iommufd),
          resetCheck(address, roots),
          checkLockedMemory(facts.lockedMemory),
        ];
  return { address, id: device.id, name: found?.name ?? null, kind: found?.kind ?? '', type1, iommufd, checks };
}

function driverCheck(
  device: PciDevice,
  { bound }: PciDeviceFacts,
  group: IommuGroupFacts | undefined,
  holders: readonly string[],
  roots: MachineRoots,
): Check {
  const name = 'driver';
  const driver = device.driver ?? 'none';
  if (bound) {
    return holders.length === 0
      ? { name, state: 'works', says: driver, cures: [] }
      : {
          name,
          state: 'fails',
          says: `${driver}; ${holders.join('; ')}`,
          cures: [advice('A device is used by one program at a time: end the other one.')],
        };
  }
  const uses = usesOf(device, roots);
  const says = `${driver}, not vfio-pci${uses.map((use) => `; ${use}`).join('')}`;
  return { name, state: 'fails', says, cures: group === undefined ? [] : [bindCure(device, group, uses, roots)] };
}

function bindCure(device: PciDevice, group: IommuGroupFacts, uses: readonly string[], { sys }: MachineRoots): Cure {
  const { address } = device;
  if (isBridge(device, sys)) {
    return advice('A bridge is not assigned to programs; the devices behind it are.');
  }
  // The same command for all devices of the group, so that it is shown once.
  const [which, argument] =
    othersInUse(address, group).length > 0
      ? [`all devices of group ${group.number}`, String(group.number)]
      : [address, address];
  return uses.length === 0
    ? { says: `If this machine does not need it, bind ${which} to vfio-pci:`, ...bindCommand(argument) }
    : {
        says: `This machine uses ${address}. If taking it away does no harm, bind ${which} to vfio-pci:`,
        ...bindCommand(`--force ${argument}`),
      };
}

/** The other devices of the group whose drivers keep it from being assigned. */
function othersInUse(address: string, { devices }: IommuGroupFacts): readonly PciDeviceFacts[] {
  return devices.filter((other) => other.foreign && other.address !== address);
}

function groupCheck(
  device: PciDevice,
  { address }: PciDeviceFacts,
  group: IommuGroupFacts | undefined,
  facts: DoctorFacts,
  roots: MachineRoots,
): Check {
  const name = 'IOMMU group';
  if (group === undefined) {
    const cures = facts.iommu.groups.length === 0 ? checkIommu(facts).cures : [advice(noIommuHint(device, roots.sys))];
    return { name, state: 'fails', says: 'none: no IOMMU translates its DMA', cures };
  }
  if (group.firmwareRanges.length > 0) {
    const says = `${group.number}, reserved by the firmware`;
    return { name, state: 'fails', says, cures: [reservedByFirmware(group)] };
  }
  const list = (devices: readonly PciDeviceFacts[]): string =>
    devices.map((one) => `${describe(one)}, driver ${one.driver ?? 'none'}`).join('; ');
  const others = othersInUse(address, group);
  if (others.length > 0) {
    return {
      name,
      state: 'fails',
      says: `${group.number}, which other drivers hold: ${list(others)}`,
      cures: [bindCure(device, group, usesOf(device, roots), roots)],
    };
  }
  const members = group.devices.filter((one) => one.address !== address);
  const says = members.length === 0 ? 'alone in it' : `with ${list(members)}`;
  return { name, state: 'works', says: `${group.number}, ${says}`, cures: [] };
}

function interruptsCheck(group: IommuGroupFacts | undefined, facts: DoctorFacts): Check {
  const name = 'interrupts';
  if (group === undefined) {
    return { name, state: 'fails', says: 'requires an IOMMU', cures: [] };
  }
  const { interruptRemapping } = facts.iommu;
  if (interruptRemapping !== false) {
    return {
      name,
      state: 'works',
      says: interruptRemapping === true ? 'remapped' : 'not known to be a problem',
      cures: [],
    };
  }
  const { state, says, cures } = checkInterrupts(facts);
  return { name, state, says: says.replace(/^; interrupts are /, ''), cures };
}

/** An interface of the kernel, and the file of the device for it; `null` if the kernel has none. */
function interfaceCheck(
  machine: Check,
  file: DeviceFile | null,
  { bound, file: ownFile }: PciDeviceFacts,
  group: IommuGroupFacts | undefined,
  usable: boolean,
): Check {
  const { name } = machine;
  const fails = (says: string, cures: readonly Cure[] = []): Check => ({ name, state: 'fails', says, cures });
  if (usable) {
    return { name, state: 'works', says: `${file?.path ?? ''} can be opened`, cures: [] };
  }
  // The files of both interfaces together, so that the cure is shown once.
  const files = [group?.file ?? [], ownFile ?? []].flat().filter(({ access }) => access === file?.access);
  const cures = bound ? fileCures(files) : [];
  if (machine.state === 'fails') {
    return fails(machine.says, [...machine.cures, ...cures]);
  }
  if (!bound) {
    return fails('requires vfio-pci');
  }
  if (file === null) {
    return fails('the kernel has no file for the device (CONFIG_VFIO_DEVICE_CDEV, since Linux 6.6)');
  }
  return file.access === 'allowed'
    ? fails(`${file.path} can be opened, but the device cannot be used: see above`)
    : fails(`${file.path} ${file.access === 'missing' ? 'is missing' : 'cannot be opened by this user'}`, cures);
}

function resetCheck(address: string, { sys }: MachineRoots): Check {
  const name = 'reset';
  const folder = `${sys}/bus/pci/devices/${address}`;
  // The list of methods exists since Linux 5.15.
  const methods = textOf(`${folder}/reset_method`) ?? '';
  if (methods !== '') {
    return { name, state: 'works', says: methods.split(/\s+/).join(', '), cures: [] };
  }
  return {
    name,
    state: 'limited',
    says: 'the kernel has no method: what one program leaves in the device, the next one finds',
    cures: [],
  };
}

function advice(says: string): Cure {
  return { says, commands: [], root: false };
}
