import { readSync, writeSync } from 'node:fs';
import { expect } from 'chai';
import { Memfd, type AddressSpace, type RamBlocks, type VfioDevice } from '../../../binding/index.js';
import {
  MemoryRange,
  RegionManager,
  type Attachment,
  type DmaError,
  type DmaTarget,
  type Mappable,
  type RegionManagerOptions,
} from '../../../streams/index.js';
import type { Mapper } from '../../binding/support/mappers.js';
import { copyByDma } from './edu.js';

/** A part of a file, or private memory, that the guest sees at an address. */
export interface Section {
  readonly name: string;
  readonly range: MemoryRange;
  /** Absent: private memory. */
  readonly mappable?: Mappable;
  readonly fileOffset: bigint;
  readonly writable: boolean;
  readonly type: 'ram' | 'device';
}

/** @param options `fileOffset`: default 0 */
export function section(
  name: string,
  start: bigint,
  end: bigint,
  mappable?: Mappable,
  options: Partial<Pick<Section, 'fileOffset' | 'writable' | 'type'>> = {},
): Section {
  return {
    name,
    range: MemoryRange.of(start, end),
    ...(mappable === undefined ? {} : { mappable }),
    fileOffset: 0n,
    writable: true,
    type: 'ram',
    ...options,
  };
}

/** So many bytes are copied by a check. */
const LENGTH = 8;

/** Where the memory is that a check copies to and from, below what an edu device can address (256 MiB). */
const DESK = MemoryRange.ofLength(0xff0_0000n, 0x1000n);

/** A manager with a VA mapper and one target, and memory that a device copies to and from in checks. */
export class SectionMachine implements AsyncDisposable {
  readonly memory: AddressSpace | RamBlocks;
  readonly manager: RegionManager;
  readonly warnings: DmaError[] = [];
  readonly #desk = Memfd.create('desk', DESK.length);
  #patterns = 0;

  constructor(mapper: Mapper, hostAddresses: RegionManagerOptions['hostAddresses'] = 'always') {
    this.memory = mapper.make();
    this.manager = new RegionManager({
      vaMapper: this.memory,
      hostAddresses,
      onWarning: (warning) => this.warnings.push(warning),
      warnAfter: Infinity,
    });
  }

  async attach(target: DmaTarget): Promise<Attachment> {
    await this.add([section('desk', DESK.start, DESK.end, this.#desk)]);
    return this.manager.attach(target);
  }

  /** All of them in one transaction. */
  async add(sections: readonly Section[]): Promise<void> {
    await this.manager.transaction((edit) => {
      for (const { name, range, mappable, fileOffset, writable, type } of sections) {
        const region = edit.addRegion({ name, range, type });
        const rangeInRegion = MemoryRange.ofLength(0, range.length);
        const backing = mappable === undefined ? 'private' : { mappable, fileOffset };
        edit.addMapping(region, { rangeInRegion, backing, writable });
        edit.map(region, { writable: true });
      }
    });
  }

  /** Fails unless a device reads what the guest has at this address, `text`. */
  async expectRead(device: VfioDevice, address: bigint, text: string): Promise<void> {
    writeSync(this.#desk.fd, Buffer.alloc(text.length), 0, text.length, 0);
    await copyByDma(device, address, DESK.start, text.length);
    expect(this.#deskText(text.length), `the device reads at 0x${address.toString(16)}`).to.equal(text);
  }

  /** Lets a device write there. Hardware does not say whether it could. */
  async write(device: VfioDevice, address: bigint, text: string): Promise<void> {
    writeSync(this.#desk.fd, text, 0);
    await copyByDma(device, DESK.start, address, text.length);
  }

  /**
   * At both ends of each section: what the host writes is what the device reads, and the reverse. Where the section is read-only, the host
   * writes to `writableAt`, and a write of the device has no effect.
   *
   * @param writableAt where else the guest sees the byte, and can write it
   */
  async checkDma(
    device: VfioDevice,
    sections: readonly Section[],
    writableAt: (section: Section, address: bigint) => bigint = (_section, address) => address,
  ): Promise<void> {
    for (const one of sections) {
      for (const address of [one.range.start, one.range.end - BigInt(LENGTH)]) {
        const fromHost = this.#pattern();
        this.memory.write(one.writable ? address : writableAt(one, address), Buffer.from(fromHost));
        await this.expectRead(device, address, fromHost);
        const fromDevice = this.#pattern();
        await this.write(device, address, fromDevice);
        expect(
          this.memory.read(address, LENGTH).toString(),
          `the host reads at 0x${address.toString(16)} of ${one.name}`,
        ).to.equal(one.writable ? fromDevice : fromHost);
      }
    }
  }

  #pattern(): string {
    return `<${String(++this.#patterns).padStart(LENGTH - 2, '0')}>`;
  }

  #deskText(length: number): string {
    const text = Buffer.alloc(length);
    readSync(this.#desk.fd, text, 0, length, 0);
    return text.toString();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.manager.close();
    this.memory.close();
    this.#desk.close();
  }
}
