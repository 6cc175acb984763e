import { PAGE_SIZE } from '../../streams/internal.js';
import { setTimeout as sleep } from 'node:timers/promises';
import { Memfd, RamBlocks, type IovaRange, type PciDevice } from '../../binding/index.js';
import { DmaError, MemoryRange, type DmaTarget, type MapChange } from '../../streams/index.js';
import type { AssignedDevice } from '../../targets/index.js';
import type { DmaDevice, DmaHardware } from './dma-device.js';

// Of the PCI specification: the command register of the configuration space, and bits of it.
const COMMAND_REGISTER = 4;
const MEMORY_DECODING = 2;
const BUS_MASTERING = 4;

// Registers in BAR 0 of the device, and its buffer as its DMA addresses it (QEMU, docs/specs/edu.rst).
const DMA_SOURCE = 0x80n;
const DMA_DESTINATION = 0x88n;
const DMA_COUNT = 0x90n;
const DMA_COMMAND = 0x98n;
const START = 1n;
const TO_MEMORY = 2n;
const BUFFER = 0x40000n;

const TRANSFER_TIMEOUT = 5000;

/** Each takes four transfers of 100 milliseconds. */
const MOST_MAPPINGS = 16;

/** Whether a device is the `edu` of QEMU, which copies memory when it is told to. */
export function isEdu({ id }: PciDevice): boolean {
  return id === '1234:11e8';
}

/**
 * A device whose DMA goes through the real IOMMU. It copies between I/O virtual addresses and a buffer of its own that the host cannot
 * see: so a page beside all mappings is mapped for it while it works, from which bytes come and to which they go.
 *
 * It says nothing of faults: what it cannot read stays as it was, and what it cannot write is lost.
 */
export class EduDevice implements DmaDevice, DmaHardware {
  readonly name: string;
  readonly address: string;
  readonly hardware = this;
  readonly mostMappings = MOST_MAPPINGS;
  readonly #assigned: AssignedDevice;
  readonly #target: DmaTarget;
  #desk: Desk | undefined;

  /**
   * @param name name of the target
   * @param target programs the IOMMU for the device, without the manager
   */
  constructor(assigned: AssignedDevice, name: string, target: DmaTarget) {
    this.name = name;
    this.address = assigned.address;
    this.#assigned = assigned;
    this.#target = target;
  }

  /** Lets it do DMA. @throws DmaError when there is no place beside the mappings, or the device does not answer */
  async start(mappings: readonly MapChange[]): Promise<void> {
    const { device, iovaRanges } = this.#assigned;
    this.#desk = await Desk.open(this.#target, freePage(mappings, iovaRanges));
    const command = device.readConfig(COMMAND_REGISTER, 2);
    command.writeUInt16LE(command.readUInt16LE() | MEMORY_DECODING | BUS_MASTERING);
    device.writeConfig(COMMAND_REGISTER, command);
  }

  async stop(): Promise<void> {
    const desk = this.#desk;
    this.#desk = undefined;
    await desk?.close();
  }

  async read(iova: bigint, length: number): Promise<Buffer> {
    const desk = this.#started();
    await this.#transfer(iova, BUFFER, length, START);
    await this.#transfer(BUFFER, desk.range.start, length, START | TO_MEMORY);
    return desk.read(length);
  }

  async write(iova: bigint, data: Uint8Array): Promise<void> {
    const desk = this.#started();
    desk.write(data);
    await this.#transfer(desk.range.start, BUFFER, data.byteLength, START);
    await this.#transfer(BUFFER, iova, data.byteLength, START | TO_MEMORY);
  }

  async #transfer(source: bigint, destination: bigint, length: number, command: bigint): Promise<void> {
    this.#writeRegister(DMA_SOURCE, source);
    this.#writeRegister(DMA_DESTINATION, destination);
    this.#writeRegister(DMA_COUNT, BigInt(length));
    this.#writeRegister(DMA_COMMAND, command);
    const end = performance.now() + TRANSFER_TIMEOUT;
    while ((this.#assigned.device.readBar(0, DMA_COMMAND, 8).readBigUInt64LE() & START) !== 0n) {
      if (performance.now() > end) {
        throw new DmaError(`the DMA of ${this.address} does not end`, {
          code: 'ETIMEDOUT',
          hint: 'It may be gone, or in a low power state.',
        });
      }
      await sleep(10);
    }
  }

  #writeRegister(register: bigint, value: bigint): void {
    const data = Buffer.alloc(8);
    data.writeBigUInt64LE(value);
    this.#assigned.device.writeBar(0, register, data);
  }

  #started(): Desk {
    if (this.#desk === undefined) {
      throw new TypeError(`${this.address} was not started`);
    }
    return this.#desk;
  }
}

/** The page that the device and the host share. */
class Desk {
  readonly range: MemoryRange;
  readonly #file: Memfd;
  readonly #memory: RamBlocks;
  readonly #target: DmaTarget;

  private constructor(target: DmaTarget, range: MemoryRange, file: Memfd, memory: RamBlocks) {
    this.#target = target;
    this.range = range;
    this.#file = file;
    this.#memory = memory;
  }

  static async open(target: DmaTarget, range: MemoryRange): Promise<Desk> {
    const memory = new RamBlocks();
    let file: Memfd | undefined;
    try {
      file = Memfd.create('dma-check', PAGE_SIZE);
      const change = { region: 'dma-check', type: 'ram', writable: true, fileOffset: 0n } as const;
      const hostVa = memory.ensureMapped({
        ...change,
        range,
        backing: { mappable: file, fileOffset: 0n },
      });
      await target.mapDma({ ...change, range, mappable: file, hostVa });
      return new Desk(target, range, file, memory);
    } catch (error) {
      file?.close();
      memory.close();
      throw error;
    }
  }

  read(length: number): Buffer {
    return this.#memory.read(this.range.start, length);
  }

  write(data: Uint8Array): void {
    this.#memory.write(this.range.start, data);
  }

  async close(): Promise<void> {
    try {
      await this.#target.unmapDma(this.range);
    } finally {
      this.#file.close();
      this.#memory.close();
    }
  }
}

/** The lowest page above 0 that the device can reach and nothing is mapped at: also devices of few address bits reach it. */
function freePage(mappings: readonly MapChange[], iovaRanges: readonly IovaRange[]): MemoryRange {
  for (const { start, last } of iovaRanges) {
    let candidate = start === 0n ? PAGE_SIZE : start;
    for (const { range } of mappings) {
      if (range.start < candidate + PAGE_SIZE && candidate < range.end) {
        candidate = range.end;
      }
    }
    if (candidate + PAGE_SIZE - 1n <= last) {
      return MemoryRange.ofLength(candidate, PAGE_SIZE);
    }
  }
  throw new DmaError('nothing is left of what the device can reach', {
    code: 'ENOSPC',
    hint: 'its DMA check needs a page beside all mappings: leave one free',
  });
}
