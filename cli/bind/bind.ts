import { existsSync } from 'node:fs';
import { foreignMembers, groupMembers, type PciDevice } from '../../binding/index.js';
import { bindSteps, shellCommand } from '../../binding/iommu/bind-steps.js';
import { noIommuHint } from '../../binding/iommu/open-hints.js';
import { isBoundToVfio } from '../../binding/iommu/pci.js';
import { findDevices } from '../doctor/find-devices.js';
import { changeDrivers, type DriverChange } from './change-drivers.js';
import { requireRoot, type DriverSystem } from './driver-system.js';
import { isBridge, usesOf } from './uses.js';

export interface BindOptions {
  /** All devices of the group, instead of one. */
  readonly group?: boolean;
  /** Also bridges, and devices in use. */
  readonly force?: boolean;
  /** Only the commands. */
  readonly dryRun?: boolean;
}

/** Receives the lines of the result, and messages about steps that take long. */
export interface BindOutput {
  line(text: string): void;
  waiting(command: string): void;
}

/**
 * Binds a device to vfio-pci, or all devices of a group except for bridges that start no DMA.
 *
 * @param word an address, the name of a network interface or disk, or the number of a group, which means all of its devices
 * @throws UsageError if there is no such device
 * @throws Error if it is refused, and nothing was changed; or if it failed, as {@link changeDrivers} says
 */
export async function bind(word: string, options: BindOptions, system: DriverSystem, out: BindOutput): Promise<void> {
  const { roots } = system;
  const chosen = choose(word, options, system);
  const bound = chosen.filter(isBoundToVfio);
  const rest = chosen.filter((device) => !isBoundToVfio(device));
  refuse(rest, options, system);
  const changes = rest.map((device, index): DriverChange => {
    const loaded = index > 0 || existsSync(`${roots.sys}/bus/pci/drivers/vfio-pci`);
    return {
      address: device.address,
      steps: bindSteps(device, roots.sys).filter(({ kind }) => kind !== 'load' || !loaded),
      fault: (driver) =>
        isBoundToVfio({ driver, vfioNumber: undefined })
          ? undefined
          : `vfio-pci did not accept it, and it has ${driver === undefined ? 'no driver' : `driver ${driver}`}; dmesg says why`,
    };
  });
  if (options.dryRun !== true && changes.length > 0) {
    requireRoot(system);
    await changeDrivers(changes, system, (command) => {
      out.waiting(command);
    });
  }
  const comment = options.dryRun === true ? '# ' : '';
  for (const { address, driver } of bound) {
    out.line(`${comment}${address} is bound to ${driver ?? 'a VFIO driver'} already`);
  }
  if (options.dryRun === true) {
    changes
      .flatMap(({ steps }) => steps)
      .forEach((step) => {
        out.line(shellCommand(step));
      });
    return;
  }
  for (const { address, driver } of rest) {
    out.line(`${address} is bound to vfio-pci (before: ${driver ?? 'no driver'})`);
  }
  noteNeighbours(chosen, system, out);
}

/** The devices that a word means, or all of the group that have to be bound. */
function choose(word: string, { group }: BindOptions, { roots }: DriverSystem): readonly PciDevice[] {
  const { devices, isGroup } = findDevices(word, roots);
  const [first] = devices;
  const number = first?.iommuGroup;
  if ((!isGroup && group !== true) || number === undefined) {
    return devices;
  }
  const foreign = new Set(foreignMembers(number, roots.sys).map(({ address }) => address));
  return groupMembers(number, roots.sys).filter(
    (device) =>
      (!isGroup && device.address === first?.address) || foreign.has(device.address) || !isBridge(device, roots.sys),
  );
}

function refuse(devices: readonly PciDevice[], { force }: BindOptions, { roots }: DriverSystem): void {
  for (const device of devices) {
    if (device.iommuGroup === undefined) {
      throw new Error(`${device.address} cannot be bound: ${noIommuHint(device, roots.sys)}`);
    }
  }
  const reasons = devices.flatMap((device) => [
    ...(isBridge(device, roots.sys) ? [`${device.address} is a bridge`] : []),
    ...usesOf(device, roots).map((use) => `${device.address} is in use: ${use}`),
  ]);
  if (force !== true && reasons.length > 0) {
    throw new Error(`nothing was changed: ${reasons.join('; ')}; if that does no harm, use --force`);
  }
}

/** Says which other devices keep the group from being assigned. */
function noteNeighbours([first]: readonly PciDevice[], { roots }: DriverSystem, out: BindOutput): void {
  if (first?.iommuGroup === undefined) {
    return;
  }
  const foreign = foreignMembers(first.iommuGroup, roots.sys);
  if (foreign.length > 0) {
    const list = foreign.map(({ address, driver }) => `${address} (${driver ?? 'no driver'})`).join(', ');
    out.line(
      `group ${first.iommuGroup} cannot be assigned yet, because other drivers hold ${list}; ` +
        `to bind all of it: dma-streams bind --group ${first.address}`,
    );
  }
}
