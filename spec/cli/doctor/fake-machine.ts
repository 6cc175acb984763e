import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { MachineRoots } from '../../../cli/doctor/machine-files.js';
import { temporaryFolder } from '../../../lab/temporary-folder.js';

export interface FakeDevice {
  readonly group?: number;
  readonly driver?: string;
  readonly id?: readonly [vendor: string, device: string];
  readonly class?: string;
  /** N of its `vfioN`, for one that is bound to vfio-pci. */
  readonly vfioNumber?: number;
}

/** Folders that look like a machine's /sys, /proc, /dev and /usr/share. */
export class FakeMachine implements Disposable {
  readonly roots: MachineRoots;
  readonly #folder = temporaryFolder('dma-streams-machine-');

  constructor() {
    const under = (name: string): string => join(this.#folder, name);
    this.roots = { sys: under('sys'), proc: under('proc'), dev: under('dev'), share: under('share') };
  }

  /** Writes a file, with the folders above it. */
  file(root: keyof MachineRoots, path: string, content = ''): void {
    const whole = join(this.roots[root], path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, content);
  }

  /** Makes a symbolic link, with the folders above it. */
  link(root: keyof MachineRoots, path: string, to: string): void {
    const whole = join(this.roots[root], path);
    mkdirSync(dirname(whole), { recursive: true });
    symlinkSync(to, whole);
  }

  device(address: string, device: FakeDevice = {}): void {
    const { group, driver, id: [vendor, number] = ['0x8086', '0x1234'], class: code = '0x020000', vfioNumber } = device;
    const folder = join(this.roots.sys, 'bus/pci/devices', address);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'vendor'), `${vendor}\n`);
    writeFileSync(join(folder, 'device'), `${number}\n`);
    writeFileSync(join(folder, 'class'), `${code}\n`);
    if (driver !== undefined) {
      symlinkSync(`../../../bus/pci/drivers/${driver}`, join(folder, 'driver'));
    }
    if (group !== undefined) {
      symlinkSync(`../../../../kernel/iommu_groups/${group}`, join(folder, 'iommu_group'));
      const members = join(this.roots.sys, 'kernel/iommu_groups', String(group), 'devices');
      mkdirSync(members, { recursive: true });
      symlinkSync(folder, join(members, address));
    }
    if (vfioNumber !== undefined) {
      mkdirSync(join(folder, 'vfio-dev', `vfio${vfioNumber}`), { recursive: true });
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
