import { counted, formatCount } from '../output/text.js';
import { currentUser } from '../../binding/iommu/current-user.js';
import { cgroupHint, missingFileHint, rootHint } from '../../binding/iommu/permission-hints.js';
import { firmwareRangesHint } from '../../binding/iommu/open-hints.js';
import { readiness } from './readiness.js';
import type { Access, Check, Cure, DeviceFile, DoctorFacts, IommuGroupFacts, PciDeviceFacts } from './report.js';

/** Placeholder for an address that the user must choose. */
const CHOSEN = 'ADDRESS';

/** Checks whether devices are ready for DMA: bound to vfio-pci, in viable groups, with device files that this process may open. */
export function checkDevices(facts: DoctorFacts): Check {
  const name = 'devices';
  const { groups, ungrouped } = facts.iommu;
  const devices = groups.flatMap((group) => group.devices);
  const bound = devices.filter((device) => device.bound);
  const all = devices.length + ungrouped.length;
  if (groups.length === 0) {
    const says = `${counted(all, 'PCI device')}, none behind an IOMMU`;
    return { name, state: 'fails', says, cures: [] };
  }
  if (bound.length === 0) {
    const says = `none of ${counted(all, 'PCI device')} is bound to vfio-pci`;
    return { name, state: 'fails', says, cures: bindOne(groups) };
  }
  const { type1, iommufd } = readiness(facts);
  const usable = new Set([...type1, ...iommufd]);
  const says =
    `${formatCount(bound.length)} of ${counted(all, 'PCI device')} bound to vfio-pci, ` +
    (usable.size === bound.length ? 'ready for use' : `${formatCount(usable.size)} of them ready for use`);
  const state = usable.size === bound.length ? 'works' : usable.size > 0 ? 'limited' : 'fails';
  return {
    name,
    state,
    says,
    cures: [...groups.flatMap(reservedGroup), ...groups.flatMap(freeGroup), ...permissions(groups)],
  };
}

/** Suggests a real address only for a device without a driver, so that the commands cannot take away a device in use. */
function bindOne(groups: readonly IommuGroupFacts[]): readonly Cure[] {
  const devices = groups.filter((group) => group.firmwareRanges.length === 0).flatMap((group) => group.devices);
  if (devices.length === 0) {
    return groups.map(reservedByFirmware);
  }
  const idle = devices.find(({ driver, kind }) => driver === null && kind !== 'bridge');
  return [
    idle === undefined
      ? {
          says: `Assign a device to vfio-pci. Replace ${CHOSEN} with a device from the list that this machine does not need:`,
          ...bindCommand(CHOSEN),
        }
      : {
          says: `Assign a device to vfio-pci, for instance ${describe(idle)}, which has no driver:`,
          ...bindCommand(idle.address),
        },
  ];
}

/** A group that cannot be assigned because of the firmware, although one of its devices is bound. */
function reservedGroup(group: IommuGroupFacts): readonly Cure[] {
  return group.firmwareRanges.length > 0 && group.devices.some(({ bound }) => bound) ? [reservedByFirmware(group)] : [];
}

/** Why a group cannot be assigned that the firmware reserves. */
export function reservedByFirmware({ number, firmwareRanges }: IommuGroupFacts): Cure {
  return { says: firmwareRangesHint(number, firmwareRanges.join(', ')), commands: [], root: false };
}

/** A group in which some devices are bound to VFIO and others are not: the others must be released from their drivers. */
function freeGroup({ number, viable, devices }: IommuGroupFacts): readonly Cure[] {
  if (viable || !devices.some(({ bound }) => bound)) {
    return [];
  }
  const foreign = devices.filter((device) => device.foreign);
  const list = foreign.map((device) => `${describe(device)}, driver ${device.driver ?? 'none'}`).join('; ');
  return [
    {
      says: `Group ${number} can only be assigned as a whole, and other drivers hold ${list}. If this machine does not need that:`,
      ...bindCommand(`--group ${devices.find(({ bound }) => bound)?.address ?? CHOSEN}`),
    },
  ];
}

/** Address, and name, or kind if it has no name. */
export function describe({ address, name, kind }: PciDeviceFacts): string {
  return `${address} (${name ?? kind})`;
}

function permissions(groups: readonly IommuGroupFacts[]): readonly Cure[] {
  const files = (chosen: readonly IommuGroupFacts[]): readonly DeviceFile[] =>
    chosen.filter(({ devices }) => devices.some(({ bound }) => bound)).flatMap(filesOf);
  return fileCures([
    ...files(groups).filter(({ access }) => access !== 'missing'),
    // Many kernels have only one kind of device file. Only a group that has neither is a problem.
    ...files(groups.filter((group) => filesOf(group).every(({ access }) => access === 'missing'))),
  ]);
}

/** The device files of a group and of its devices. A group has a file once one of its devices is bound. */
function filesOf({ file, devices }: IommuGroupFacts): readonly DeviceFile[] {
  return [file, ...devices.flatMap((device) => device.file ?? [])];
}

/** How this process gets to open files. */
export function fileCures(files: readonly DeviceFile[]): readonly Cure[] {
  const withAccess = (access: Access): readonly string[] =>
    files.filter((file) => file.access === access).map(({ path }) => path);
  const [denied, forbidden, missing] = [withAccess('denied'), withAccess('forbidden'), withAccess('missing')];
  return [
    ...(denied.length === 0 ? [] : process.geteuid?.() === 0 ? [advice(rootHint(...denied))] : ownership(denied)),
    ...(forbidden.length === 0 ? [] : [advice(cgroupHint(...forbidden))]),
    ...(missing.length === 0
      ? []
      : [
          advice(
            `The kernel has these devices, but their files are missing in /dev: ${missing.join(', ')}. ${missingFileHint(...missing)}`,
          ),
        ]),
  ];
}

function ownership(paths: readonly string[]): readonly Cure[] {
  const user = currentUser();
  return [
    {
      says: 'This user may not open the assigned devices. To allow it until the next restart:',
      commands: paths.map((path) => `chown ${user} ${path}`),
      root: true,
    },
    {
      says: 'To make this permanent:',
      commands: [
        `echo 'SUBSYSTEM=="vfio", OWNER="${user}"' > /etc/udev/rules.d/70-vfio.rules`,
        'udevadm control --reload; udevadm trigger',
      ],
      root: true,
    },
  ];
}

function advice(says: string): Cure {
  return { says, commands: [], root: false };
}

/** The command that binds a device or a group. */
export function bindCommand(argument: string): Pick<Cure, 'commands' | 'root'> {
  return { commands: [`npx dma-streams bind ${argument}`], root: true };
}
