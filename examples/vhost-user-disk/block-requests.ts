import type { GuestMemory } from 'dma-streams/binding';
import type { VhostUserQueue } from './vhost-user-queue.js';

export const SECTOR = 512;
const READ = 0;
const HEADER_BYTES = 16;
const STATUS = ['OK', 'an input or output error', 'a request that the disk does not know'];

/** Reads a virtio disk (virtio 1.2, section 5.2) by one request at a time. */
export class BlockRequests {
  readonly #memory: GuestMemory;
  readonly #queue: VhostUserQueue;
  /** Guest physical address of the header of a request; the status follows it. */
  readonly #header: bigint;

  /** @param header guest physical address of 17 bytes */
  constructor(memory: GuestMemory, queue: VhostUserQueue, header: bigint) {
    this.#memory = memory;
    this.#queue = queue;
    this.#header = header;
  }

  /**
   * Has the disk write sectors into guest memory.
   *
   * @param into guest physical address
   * @param length in bytes, a multiple of 512
   * @throws Error if the disk reports a failure; what ended the connection, if that comes first
   */
  async read(sector: bigint, into: bigint, length: number): Promise<void> {
    const status = this.#header + BigInt(HEADER_BYTES);
    const header = Buffer.alloc(HEADER_BYTES + 1, 0xff);
    header.writeUInt32LE(READ, 0);
    header.writeUInt32LE(0, 4);
    header.writeBigUInt64LE(sector, 8);
    this.#memory.write(this.#header, header);
    await this.#queue.transfer([
      { address: this.#header, length: HEADER_BYTES },
      { address: into, length, deviceWrites: true },
      { address: status, length: 1, deviceWrites: true },
    ]);
    const [code = 0xff] = this.#memory.read(status, 1);
    if (code !== 0) {
      throw new Error(`the disk reports ${STATUS[code] ?? `status ${code}`} at sector ${sector}`);
    }
  }
}
