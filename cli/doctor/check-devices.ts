import { counted, formatCount } from '../output/text.js';
import { currentUser } from '../../binding/current-user.js';
import { readiness } from './readiness.js';
import type { Check, Cure, DoctorFacts, IommuGroupFacts, PciDeviceFacts } from './report.js';

/** Stands where a person has to choose. */
const CHOSEN = 'ADDRESS';

/** Whether there are devices to do DMA with: bound, in groups that are free, in files that this process may open. */
export function checkDevices(facts: DoctorFacts): Check {
  const name = 'devices';
  const { groups, ungrouped } = facts.iommu;
  const devices = groups.flatMap((group) => group.devices);
  const bound = devices.filter((device) => device.bound);
  const all = devices.length + ungrouped.length;
  if (groups.length === 0) {
    const says = `no IOMMU is in front of any: ${counted(all, 'PCI device')}`;
    return { name, state: 'fails', says, cures: [] };
  }
  if (bound.length === 0) {
    const says = `none of ${counted(all, 'PCI device')} is bound to vfio-pci`;
    return { name, state: 'fails', says, cures: [bindOne(devices)] };
  }
  const { type1, iommufd } = readiness(facts);
  const usable = new Set([...type1, ...iommufd]);
  const says =
    `${formatCount(bound.length)} of ${counted(all, 'PCI device')} bound to vfio-pci, ` +
    (usable.size === bound.length ? 'ready for use' : `${formatCount(usable.size)} of them ready for use`);
  const state = usable.size === bound.length ? 'works' : usable.size > 0 ? 'limited' : 'fails';
  return { name, state, says, cures: [...groups.flatMap(freeGroup), ...permissions(groups)] };
}

/** Nobody's disk is named for giving away: the address is real only where no driver would lose the device. */
function bindOne(devices: readonly PciDeviceFacts[]): Cure {
  const idle = devices.find(({ driver, kind }) => driver === null && kind !== 'bridge');
  const [example] = devices;
  if (idle !== undefined) {
    return {
      says: `Give a device away, for instance ${idle.address}, which has no driver:`,
      ...asRoot(idle.bindCommand),
    };
  }
  const command = example === undefined ? '' : boundElsewhere(example).replaceAll(example.address, CHOSEN);
  return { says: `Give a device away; ${CHOSEN} is one of those below that nothing here needs:`, ...asRoot(command) };
}

/** The commands for a device that has a driver. */
function boundElsewhere({ address, driver, bindCommand }: PciDeviceFacts): string {
  if (driver !== null) {
    return bindCommand;
  }
  const commands = bindCommand.split('; ');
  commands.splice(-1, 0, `echo ${address} > /sys/bus/pci/devices/${address}/driver/unbind`);
  return commands.join('; ');
}

/** A group of which a part is given away already: the rest has to follow. */
function freeGroup({ number, viable, devices }: IommuGroupFacts): readonly Cure[] {
  if (viable || !devices.some(({ bound }) => bound)) {
    return [];
  }
  const foreign = devices.filter((device) => device.foreign);
  const list = foreign.map(({ address, kind, driver }) => `${address} (${kind}, ${driver ?? 'no driver'})`).join(', ');
  return [
    {
      says: `Group ${number} goes as a whole, and other drivers hold ${list}. If nothing here needs that:`,
      ...asRoot(foreign.map(({ bindCommand }) => bindCommand).join('; ')),
    },
  ];
}

function permissions(groups: readonly IommuGroupFacts[]): readonly Cure[] {
  const user = currentUser();
  const denied = groups
    .flatMap(({ file, devices }) => [file, ...devices.flatMap((device) => device.file ?? [])])
    .filter(({ access }) => access === 'denied')
    .map(({ path }) => path);
  if (denied.length === 0) {
    return [];
  }
  return [
    {
      says: 'This user may not open the devices that are given away. Until the next restart:',
      commands: denied.map((path) => `chown ${user} ${path}`),
      root: true,
    },
    {
      says: 'And lastingly:',
      commands: [
        `echo 'SUBSYSTEM=="vfio", OWNER="${user}"' > /etc/udev/rules.d/70-vfio.rules`,
        'udevadm control --reload; udevadm trigger',
      ],
      root: true,
    },
  ];
}

function asRoot(commands: string): Pick<Cure, 'commands' | 'root'> {
  return { commands: [...new Set(commands.split('; '))], root: true };
}
