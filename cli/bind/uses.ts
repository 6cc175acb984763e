import { closeSync, constants, openSync, readlinkSync } from 'node:fs';
import type { PciDevice } from '../../binding/index.js';
import { pciAddressIn, realPathOf } from '../doctor/find-devices.js';
import { namesIn, textOf, type MachineRoots } from '../doctor/machine-files.js';
import { pciKind } from '../doctor/pci-kind.js';
import { codeOf } from '../errors.js';

/** Whether a device is a bridge: of PCI, of a processor, of an old bus. */
export function isBridge({ address }: PciDevice, sys: string): boolean {
  return pciKind(textOf(`${sys}/bus/pci/devices/${address}/class`)) === 'bridge';
}

/** What this machine uses a device for, so that taking it away does harm: `'nvme0n1p2 is mounted on /'`. Empty if it has no driver. */
export function usesOf({ address, driver }: PciDevice, roots: MachineRoots): readonly string[] {
  if (driver === undefined) {
    return [];
  }
  const mounts = readMounts(roots);
  return [
    ...namesBelow('block', address, roots).flatMap((name) => usesOfDisk(name, mounts, roots)),
    ...namesBelow('net', address, roots)
      .filter((name) => isUp(textOf(`${roots.sys}/class/net/${name}/flags`)))
      .map((name) => `network interface ${name} is up`),
    ...usesOfSharedFolder(address, mounts, roots),
    ...(textOf(`${roots.sys}/bus/pci/devices/${address}/boot_vga`) === '1'
      ? ['it is the display that the machine was started with']
      : []),
  ];
}

/** Which processes have a device of VFIO open, or its group. Without root only those of this user are seen. */
export function processesWith({ iommuGroup, vfioNumber }: PciDevice, { proc, dev }: MachineRoots): readonly string[] {
  const files = new Set([
    ...(iommuGroup === undefined ? [] : [`${dev}/vfio/${iommuGroup}`]),
    ...(vfioNumber === undefined ? [] : [`${dev}/vfio/devices/vfio${vfioNumber}`]),
  ]);
  return namesIn(proc)
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      const opened = namesIn(`${proc}/${pid}/fd`)
        .map((fd) => linkOf(`${proc}/${pid}/fd/${fd}`))
        .find((path) => path !== undefined && files.has(path));
      return opened === undefined
        ? []
        : [`process ${pid} (${textOf(`${proc}/${pid}/comm`) ?? 'unknown'}) has ${opened} open`];
    });
}

interface Mount {
  /** `'259:2'` */
  readonly number: string;
  readonly place: string;
  readonly kind: string;
  readonly source: string;
}

/** The mounts of this process and of the first one, each once. */
function readMounts({ proc }: MachineRoots): readonly Mount[] {
  const lines = ['self', '1'].flatMap((pid) => (textOf(`${proc}/${pid}/mountinfo`) ?? '').split('\n'));
  return [...new Set(lines)].flatMap((line) => {
    const [, number, place, kind, source] =
      /^\d+ \d+ (\d+:\d+) \S+ (\S+) .*? - (\S+) (\S+)/.exec(line) ?? ([] as (string | undefined)[]);
    return number === undefined || place === undefined || kind === undefined || source === undefined
      ? []
      : [{ number, place, kind, source }];
  });
}

/** Names of a class, such as `net`, that belong to a PCI device. */
function namesBelow(kind: string, address: string, { sys }: MachineRoots): readonly string[] {
  return namesIn(`${sys}/class/${kind}`).filter((name) => {
    const path = realPathOf(`${sys}/class/${kind}/${name}`) ?? '';
    // A disk with several paths belongs to no PCI device, but its subsystem lists the controllers.
    const subsystem = /^.*\/nvme-subsystem\/[^/]+(?=\/)/.exec(path)?.[0];
    const owners =
      subsystem === undefined ? [path] : namesIn(subsystem).map((link) => realPathOf(`${subsystem}/${link}`) ?? '');
    return owners.some((owner) => pciAddressIn(owner) === address);
  });
}

function usesOfDisk(name: string, mounts: readonly Mount[], { sys, proc, dev }: MachineRoots): readonly string[] {
  const folder = `${sys}/class/block/${name}`;
  const number = textOf(`${folder}/dev`);
  const places = mounts
    .filter((mount) => mount.number === number || mount.source === `/dev/${name}`)
    .map(({ place }) => place);
  const swaps = (textOf(`${proc}/swaps`) ?? '').split('\n').map((line) => line.split(/\s+/)[0]);
  const uses = [
    ...(places.length === 0 ? [] : [`${name} is mounted on ${[...new Set(places)].join(' and ')}`]),
    ...(swaps.includes(`/dev/${name}`) ? [`${name} is swap space`] : []),
    ...namesIn(`${folder}/holders`).map((holder) => `${name} is part of ${holder}`),
  ];
  return uses.length === 0 && isClaimed(`${dev}/${name}`) ? [`${name} is in use`] : uses;
}

/** Whether the kernel holds a disk for something, which need not be a mount: a volume manager, a file system with several disks. */
function isClaimed(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_RDONLY | constants.O_EXCL | constants.O_NONBLOCK));
    return false;
  } catch (error) {
    return codeOf(error) === 'EBUSY';
  }
}

function isUp(flags: string | undefined): boolean {
  return (Number(flags ?? 0) & 1) !== 0;
}

/** Folders that the host of a virtual machine shares with it: 9p and virtiofs. */
function usesOfSharedFolder(address: string, mounts: readonly Mount[], { sys }: MachineRoots): readonly string[] {
  const folder = `${sys}/bus/pci/devices/${address}`;
  const tags = [
    ...namesIn(folder)
      .filter((name) => /^virtio\d+$/.test(name))
      .flatMap((name) => textOf(`${folder}/${name}/mount_tag`)?.replaceAll('\0', '') ?? []),
    ...namesIn(`${sys}/fs/virtiofs`)
      .filter((name) => pciAddressIn(realPathOf(`${sys}/fs/virtiofs/${name}/device`) ?? '') === address)
      .flatMap((name) => textOf(`${sys}/fs/virtiofs/${name}/tag`) ?? []),
  ];
  return mounts
    .filter(({ kind, source }) => (kind === '9p' || kind === 'virtiofs') && tags.includes(source))
    .map(({ source, place }) => `the shared folder ${source} is mounted on ${place}`);
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
