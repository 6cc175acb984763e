import type { PciDevice } from './pci.js';

/** A step of changing the driver of a PCI device: a kernel module is loaded, or a line is written to a file of sysfs. Both need root. */
export type BindStep =
  | { readonly kind: 'load'; readonly module: string }
  | { readonly kind: 'write'; readonly path: string; readonly line: string };

/** The steps that bind a device to vfio-pci. `driver` is the one it has now. */
export function bindSteps(
  { address, driver }: Pick<PciDevice, 'address' | 'driver'>,
  sysfs = '/sys',
): readonly BindStep[] {
  return [
    { kind: 'load', module: 'vfio-pci' },
    { kind: 'write', path: `${sysfs}/bus/pci/devices/${address}/driver_override`, line: 'vfio-pci' },
    ...release(address, driver, sysfs),
    { kind: 'write', path: `${sysfs}/bus/pci/drivers_probe`, line: address },
  ];
}

/** The steps that give a device back to the driver that the kernel chooses for it. */
export function unbindSteps(
  { address, driver }: Pick<PciDevice, 'address' | 'driver'>,
  sysfs = '/sys',
): readonly BindStep[] {
  return [
    { kind: 'write', path: `${sysfs}/bus/pci/devices/${address}/driver_override`, line: '' },
    ...release(address, driver, sysfs),
    { kind: 'write', path: `${sysfs}/bus/pci/drivers_probe`, line: address },
  ];
}

/** A step as a command of a shell. */
export function shellCommand(step: BindStep): string {
  return step.kind === 'load'
    ? `modprobe ${step.module}`
    : `echo ${step.line === '' ? '' : `${step.line} `}> ${step.path}`;
}

/** The commands that bind a device to vfio-pci, in one line. They need root. */
export function bindCommands(device: Pick<PciDevice, 'address' | 'driver'>): string {
  return bindSteps(device).map(shellCommand).join('; ');
}

function release(address: string, driver: string | undefined, sysfs: string): readonly BindStep[] {
  return driver === undefined
    ? []
    : [{ kind: 'write', path: `${sysfs}/bus/pci/devices/${address}/driver/unbind`, line: address }];
}
