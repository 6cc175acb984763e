import { setTimeout as sleep } from 'node:timers/promises';
import type { VfioDevice } from '../../../binding/index.js';

/**
 * The `edu` device of QEMU (docs/specs/edu.rst): it copies between memory, at I/O virtual addresses, and a buffer of its own.
 * A transfer takes it 100 ms.
 */

const COMMAND_REGISTER = 4;
const MEMORY_DECODING = 2;
const BUS_MASTERING = 4;

const DMA_SOURCE = 0x80n;
const DMA_DESTINATION = 0x88n;
const DMA_COUNT = 0x90n;
const DMA_COMMAND = 0x98n;
const START = 1n;
const TO_MEMORY = 2n;
const BUFFER = 0x40000n;

/** The two devices of the guest, each in an IOMMU group of its own. */
export const FIRST = '0000:00:04.0';
export const SECOND = '0000:00:05.0';

/** Lets the device answer, and do DMA. */
export function enable(device: VfioDevice): void {
  const command = device.readConfig(COMMAND_REGISTER, 2);
  command.writeUInt16LE(command.readUInt16LE() | MEMORY_DECODING | BUS_MASTERING);
  device.writeConfig(COMMAND_REGISTER, command);
}

/** The device copies `length` bytes from memory to its buffer, and from there to other memory. At most 2000 bytes. */
export async function copyByDma(device: VfioDevice, from: bigint, to: bigint, length: number): Promise<void> {
  await transfer(device, from, BUFFER, length, START);
  await transfer(device, BUFFER, to, length, START | TO_MEMORY);
}

async function transfer(
  device: VfioDevice,
  source: bigint,
  destination: bigint,
  length: number,
  command: bigint,
): Promise<void> {
  write(device, DMA_SOURCE, source);
  write(device, DMA_DESTINATION, destination);
  write(device, DMA_COUNT, BigInt(length));
  write(device, DMA_COMMAND, command);
  for (let waited = 0; waited < 5000; waited += 10) {
    if ((device.readBar(0, DMA_COMMAND, 8).readBigUInt64LE() & START) === 0n) {
      return;
    }
    await sleep(10);
  }
  throw new Error(`the transfer of ${device.label} did not end`);
}

function write(device: VfioDevice, register: bigint, value: bigint): void {
  const data = Buffer.alloc(8);
  data.writeBigUInt64LE(value);
  device.writeBar(0, register, data);
}
