/**
 * A device that copies memory by DMA: the `edu` device of QEMU behind a real IOMMU, where there is one, as in the lab; else a device of the
 * software IOMMU.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { findPciDevice, Iommufd, VfioDevice } from 'dma-streams/binding';
import { IommufdTarget, SoftIommuTarget } from 'dma-streams/targets';
import { DmaError, type DmaTarget } from 'dma-streams';

export interface DmaDevice extends Disposable {
  readonly description: string;
  /** Programs the IOMMU of the device. */
  readonly target: DmaTarget;
  /** Copies from one guest address to another. */
  copy(from: bigint, to: bigint, length: number): Promise<void>;
}

/** Where the lab has its first device. */
const ADDRESS = '0000:00:04.0';
const EDU = '1234:11e8';

/** Registers in BAR 0 of `edu`, and where its DMA finds its own buffer (QEMU, docs/specs/edu.rst). */
const SOURCE = 0x80n;
const DESTINATION = 0x88n;
const COUNT = 0x90n;
const COMMAND = 0x98n;
const START = 1n;
const TO_MEMORY = 2n;
const BUFFER = 0x40000n;

export function openDmaDevice(): DmaDevice {
  return hasEdu() ? new Edu() : new SoftDevice();
}

function hasEdu(): boolean {
  try {
    const { id, driver } = findPciDevice(ADDRESS);
    return id === EDU && driver === 'vfio-pci';
  } catch (error) {
    if (error instanceof DmaError && error.code === 'ENODEV') {
      return false;
    }
    throw error;
  }
}

class Edu implements DmaDevice {
  readonly description = `edu at ${ADDRESS}, by iommufd`;
  readonly target: IommufdTarget;
  readonly #iommufd = Iommufd.open();
  readonly #device = VfioDevice.openCdev(ADDRESS, this.#iommufd);

  constructor() {
    const ioas = this.#iommufd.allocIoas();
    this.#device.attach(ioas);
    this.target = new IommufdTarget(ioas, { name: 'edu', by: 'va' });
    // Memory decoding and bus mastering: bits of the command register of PCI.
    this.#device.writeConfig(4, Buffer.from([6, 0]));
  }

  async copy(from: bigint, to: bigint, length: number): Promise<void> {
    await this.#transfer(from, BUFFER, length, START);
    await this.#transfer(BUFFER, to, length, START | TO_MEMORY);
  }

  async #transfer(source: bigint, destination: bigint, length: number, command: bigint): Promise<void> {
    for (const [register, value] of [
      [SOURCE, source],
      [DESTINATION, destination],
      [COUNT, BigInt(length)],
      [COMMAND, command],
    ] as const) {
      const data = Buffer.alloc(8);
      data.writeBigUInt64LE(value);
      this.#device.writeBar(0, register, data);
    }
    while ((this.#device.readBar(0, COMMAND, 8).readBigUInt64LE() & START) !== 0n) {
      await sleep(10);
    }
  }

  [Symbol.dispose](): void {
    this.#device.close();
    this.#iommufd.close();
  }
}

class SoftDevice implements DmaDevice {
  readonly description = 'device of the software IOMMU';
  readonly target = new SoftIommuTarget({ name: 'soft IOMMU' });

  copy(from: bigint, to: bigint, length: number): Promise<void> {
    this.target.write(to, this.target.read(from, length));
    return Promise.resolve();
  }

  [Symbol.dispose](): void {
    // It has nothing open.
  }
}
