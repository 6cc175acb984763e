import { findPciDevice, foreignMembers, type PciDevice } from '../../binding/index.js';
import { isBoundToVfio, isInNoIommuMode, isNoIommuGroup } from '../../binding/iommu/pci.js';
import { firmwareRanges, listRanges } from '../../binding/iommu/reserved-ranges.js';
import { deviceFile, namesIn, textOf, type MachineRoots } from './machine-files.js';
import { pciKind } from './pci-kind.js';
import { readPciNames, type PciNames } from './pci-names.js';
import type { IommuFacts, IommuGroupFacts, PciDeviceFacts } from './report.js';

const VENDORS = [
  { mark: 'GenuineIntel', processor: 'intel' },
  { mark: 'AuthenticAMD', processor: 'amd' },
  { mark: 'CPU implementer', processor: 'arm' },
] as const;

/** Finds the IOMMUs, and the PCI devices with and without an IOMMU. */
export function lookAtIommu(roots: MachineRoots): IommuFacts {
  const devices = devicesOf(roots);
  const names = readPciNames(
    roots,
    devices.map(({ id }) => id),
  );
  const groupNumbers = namesIn(`${roots.sys}/kernel/iommu_groups`).filter(
    (name) => /^\d+$/.test(name) && !isNoIommuGroup(name, roots.sys),
  );
  return {
    names: names.file,
    units: namesIn(`${roots.sys}/class/iommu`),
    groups: groupNumbers.map((number) => groupFacts(Number(number), devices, names, roots)),
    ungrouped: devices
      .filter(({ iommuGroup }) => iommuGroup === undefined)
      .map((device) => deviceFacts(device, false, names, roots)),
    noIommuMode: devices.map(({ address }) => address).filter((address) => isInNoIommuMode(address, roots.sys)),
    interruptRemapping: interruptRemapping(textOf(`${roots.proc}/interrupts`) ?? ''),
    ...processor(textOf(`${roots.proc}/cpuinfo`) ?? ''),
  };
}

/** A device that is removed during the scan is left out. */
function devicesOf({ sys }: MachineRoots): readonly PciDevice[] {
  return namesIn(`${sys}/bus/pci/devices`).flatMap((address) => {
    try {
      return [findPciDevice(address, sys)];
    } catch {
      return [];
    }
  });
}

function groupFacts(
  number: number,
  devices: readonly PciDevice[],
  names: PciNames,
  roots: MachineRoots,
): IommuGroupFacts {
  const foreign = new Set(foreignIn(number, roots));
  return {
    number,
    viable: foreign.size === 0,
    firmwareRanges: firmwareRanges(number, roots.sys).map((range) => listRanges([range])),
    file: deviceFile(`${roots.dev}/vfio/${number}`),
    devices: devices
      .filter(({ iommuGroup }) => iommuGroup === number)
      .map((device) => deviceFacts(device, foreign.has(device.address), names, roots)),
  };
}

function foreignIn(iommuGroup: number, { sys }: MachineRoots): readonly string[] {
  try {
    return foreignMembers(iommuGroup, sys).map(({ address }) => address);
  } catch {
    return [];
  }
}

function deviceFacts(device: PciDevice, foreign: boolean, names: PciNames, { sys, dev }: MachineRoots): PciDeviceFacts {
  const { address, id, driver, vfioNumber } = device;
  return {
    address,
    id,
    name: names.nameOf(id),
    kind: pciKind(textOf(`${sys}/bus/pci/devices/${address}/class`)),
    driver: driver ?? null,
    bound: isBoundToVfio(device),
    foreign,
    file: vfioNumber === undefined ? null : deviceFile(`${dev}/vfio/devices/vfio${vfioNumber}`),
  };
}

/** Known on x86 only: the names of its I/O interrupt controllers begin with `IR-` if interrupts are remapped. */
function interruptRemapping(interrupts: string): boolean | null {
  const controller = /\b(IR-)?IO-APIC\b/.exec(interrupts);
  return controller === null ? null : controller[1] !== undefined;
}

function processor(cpuinfo: string): Pick<IommuFacts, 'virtualMachine' | 'processor'> {
  return {
    virtualMachine: /^flags\s*:.*\bhypervisor\b/m.test(cpuinfo),
    processor: VENDORS.find(({ mark }) => cpuinfo.includes(mark))?.processor ?? 'other',
  };
}
