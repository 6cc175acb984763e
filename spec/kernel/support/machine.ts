import { readSync } from 'node:fs';
import {
  AddressSpace,
  Iommufd,
  Memfd,
  VfioContainer,
  VfioDevice,
  VfioGroup,
  type Ioas,
} from '../../../binding/index.js';
import { MemoryRange, RegionManager, type DmaError, type Region } from '../../../streams/index.js';
import { IommufdTarget, VfioType1Target } from '../../../targets/index.js';
import { enable, FIRST, SECOND } from './edu.js';

/** A way to program the IOMMU: which target, and how devices get to its mappings. */
export interface Way extends Disposable {
  readonly name: string;
  readonly target: VfioType1Target | IommufdTarget;
  readonly container?: VfioContainer;
  readonly ioas?: Ioas;
  /** Opens a device whose DMA goes through the target's mappings. */
  openDevice(address?: string): VfioDevice;
  /** Closes everything; also more than once. A test that fails in between would keep the device from all later ones: `using`. */
  close(): void;
}

export function type1(): Way {
  const container = VfioContainer.open();
  const opened: Disposable[] = [];
  return {
    name: 'type1',
    target: new VfioType1Target(container),
    container,
    openDevice(address = FIRST) {
      const group = VfioGroup.forDevice(address);
      container.addGroup(group);
      const device = group.openDevice(address);
      enable(device);
      opened.unshift(device, group);
      return device;
    },
    close() {
      opened.splice(0).forEach((one) => one[Symbol.dispose]());
      container.close();
    },
    [Symbol.dispose]() {
      this.close();
    },
  };
}

export function iommufd(by: 'file' | 'va' | 'auto'): Way {
  const iommufd = Iommufd.open();
  const ioas = iommufd.allocIoas();
  const opened: VfioDevice[] = [];
  return {
    name: `iommufd by ${by}`,
    target: new IommufdTarget(ioas, { by }),
    ioas,
    openDevice(address = FIRST) {
      const device = VfioDevice.openCdev(address, iommufd);
      opened.push(device);
      device.attach(ioas);
      enable(device);
      return device;
    },
    close() {
      opened.splice(0).forEach((device) => {
        device.close();
      });
      ioas.destroy();
      iommufd.close();
    },
    [Symbol.dispose]() {
      this.close();
    },
  };
}

/** Whether this kernel maps files into an IOAS: from 6.14. */
export function mapsFiles(): boolean {
  using iommufd = Iommufd.open();
  return iommufd.supportsMapFile;
}

/** The ways that this kernel has. */
export function ways(): (() => Way)[] {
  return [type1, () => iommufd('va'), () => iommufd('auto'), ...(mapsFiles() ? [() => iommufd('file')] : [])];
}

/** A manager with one visible region of RAM from 0x100000 on, and its memory. */
export class Machine implements AsyncDisposable {
  static readonly RAM = MemoryRange.ofLength(0x100000n, 4n << 20n);
  readonly space = new AddressSpace({ size: 1n << 40n });
  readonly memfd: Memfd;
  readonly warnings: DmaError[] = [];
  readonly manager: RegionManager;
  ram!: Region;

  private constructor(length: bigint) {
    this.memfd = Memfd.create('ram', length);
    this.manager = new RegionManager({
      vaMapper: this.space,
      onWarning: (warning) => this.warnings.push(warning),
      // How long a slow machine takes is no matter of the specs.
      warnAfter: Infinity,
    });
  }

  static async create(range = Machine.RAM): Promise<Machine> {
    const machine = new Machine(range.length);
    machine.ram = await machine.manager.addRegion({ name: 'ram', range, type: 'ram' });
    await machine.ram.map({ writable: true });
    return machine;
  }

  /** Backs part of the region by the same part of the memfd. */
  back(rangeInRegion: MemoryRange, writable = true): Promise<void> {
    const backing = { mappable: this.memfd, fileOffset: rangeInRegion.start };
    return this.ram.addMapping({ rangeInRegion, backing, writable });
  }

  /** What is in the file at a page, whether or not that is mapped. */
  memfdText(number: number, length: number): string {
    const text = Buffer.alloc(length);
    readSync(this.memfd.fd, text, 0, length, number * 4096);
    return text.toString();
  }

  /** Makes sure that the memory has host addresses, also where no target needs them. */
  async attachVa(): Promise<void> {
    await this.manager.attach({ name: 'va', needsVa: true, mapDma: () => undefined, unmapDma: () => undefined });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.manager.close();
    this.space.close();
    this.memfd.close();
  }
}

export { FIRST, SECOND };
