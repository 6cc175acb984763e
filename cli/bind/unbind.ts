import { groupMembers, type PciDevice } from '../../binding/index.js';
import { shellCommand, unbindSteps } from '../../binding/iommu/bind-steps.js';
import { isBoundToVfio } from '../../binding/iommu/pci.js';
import { findDevices } from '../doctor/find-devices.js';
import { changeDrivers, overrideOf, type DriverChange } from './change-drivers.js';
import { requireRoot, type DriverSystem } from './driver-system.js';
import type { BindOptions, BindOutput } from './bind.js';
import { processesWith } from './uses.js';

/**
 * Gives a device, or all devices of a group, back to the driver that the kernel chooses for it: the one that it had, as long as that is loaded.
 *
 * @param word as for `bind`
 * @throws UsageError if there is no such device
 * @throws Error if a process has the device or its group open, and nothing was changed; or if it failed, as {@link changeDrivers} says
 */
export async function unbind(
  word: string,
  { group, dryRun }: Omit<BindOptions, 'force'>,
  system: DriverSystem,
  out: BindOutput,
): Promise<void> {
  const { sys } = system.roots;
  const found = findDevices(word, system.roots).devices;
  const number = found[0]?.iommuGroup;
  const chosen = group === true && number !== undefined ? groupMembers(number, sys) : found;
  const held = chosen.filter((device) => isBoundToVfio(device) || overrideOf(device.address, system).includes('vfio'));
  const processes = new Set(
    held.flatMap((device) => membersWith(device, sys)).flatMap((one) => processesWith(one, system.roots)),
  );
  if (processes.size > 0) {
    throw new Error(
      `nothing was changed: ${[...processes].join('; ')}; end it first, because the kernel waits until the device is closed`,
    );
  }
  const changes = held.map((device): DriverChange => {
    const { address, driver } = device;
    return {
      address,
      // Another driver than VFIO's keeps the device: only the override is removed.
      steps: unbindSteps({ address, driver: isBoundToVfio(device) ? driver : undefined }, sys),
      fault: (after) =>
        isBoundToVfio({ driver: after, vfioNumber: undefined })
          ? `${after ?? 'vfio-pci'} took it again: the module was given the ID of this device (parameter ids, or new_id)`
          : undefined,
    };
  });
  if (dryRun === true) {
    for (const { address, driver } of chosen.filter((device) => !held.includes(device))) {
      out.line(`# ${address} is not bound to vfio-pci: ${driver ?? 'no driver'}`);
    }
    changes
      .flatMap(({ steps }) => steps)
      .forEach((step) => {
        out.line(shellCommand(step));
      });
    return;
  }
  if (changes.length > 0) {
    requireRoot(system);
  }
  const drivers = await changeDrivers(changes, system, (command) => {
    out.waiting(command);
  });
  for (const device of chosen) {
    out.line(held.includes(device) ? given(device.address, drivers.get(device.address)) : notBound(device));
  }
}

/** All devices of the group of a device. While one of them is open, none can have another driver. */
function membersWith(device: PciDevice, sys: string): readonly PciDevice[] {
  return device.iommuGroup === undefined ? [device] : groupMembers(device.iommuGroup, sys);
}

function notBound({ address, driver }: PciDevice): string {
  return `${address} is not bound to vfio-pci: it has ${driver === undefined ? 'no driver' : `driver ${driver}`}`;
}

function given(address: string, driver: string | undefined): string {
  return driver === undefined
    ? `${address} has no driver now, because none that is loaded accepts it; to load one, as root: modprobe -a "$(cat /sys/bus/pci/devices/${address}/modalias)"`
    : `${address} is given back to ${driver}`;
}
