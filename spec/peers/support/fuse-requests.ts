import type { GuestMemory } from '../../../binding/index.js';
import type { VhostUserQueue } from '../../../examples/vhost-user-disk/vhost-user-queue.js';

// Operations and sizes of <linux/fuse.h>.
const FUSE_LOOKUP = 1;
const FUSE_OPEN = 14;
const FUSE_READ = 15;
const FUSE_INIT = 26;
const IN_HEADER = 40;
const OUT_HEADER = 16;
const INIT_OUT = 64;
const ENTRY_OUT = 128;
const OPEN_OUT = 16;
const ROOT_NODE = 1n;
const VERSION = [7, 31] as const;

/** Places in guest memory: each of them has a page. */
interface Places {
  readonly request: bigint;
  readonly answer: bigint;
}

/** Reads files of a virtio file system by the requests of FUSE, one at a time (virtio 1.2, section 5.11). */
export class FuseRequests {
  readonly #memory: GuestMemory;
  readonly #queue: VhostUserQueue;
  readonly #places: Places;
  #unique = 0n;

  private constructor(memory: GuestMemory, queue: VhostUserQueue, places: Places) {
    this.#memory = memory;
    this.#queue = queue;
    this.#places = places;
  }

  /** Begins a session. */
  static async begin(memory: GuestMemory, queue: VhostUserQueue, places: Places): Promise<FuseRequests> {
    const session = new FuseRequests(memory, queue, places);
    const [major, minor] = VERSION;
    // FUSE_INIT: version, readahead, flags.
    await session.#request(FUSE_INIT, 0n, numbers(major, minor, 0, 0), INIT_OUT);
    return session;
  }

  /**
   * Reads the beginning of a file of the root folder.
   *
   * @param into guest physical address
   * @returns the number of bytes read
   */
  async readFile(name: string, into: bigint, length: number): Promise<number> {
    const entry = await this.#request(FUSE_LOOKUP, ROOT_NODE, Buffer.from(`${name}\0`), ENTRY_OUT);
    const node = entry.readBigUInt64LE(0);
    const open = await this.#request(FUSE_OPEN, node, numbers(0, 0), OPEN_OUT);
    const read = Buffer.alloc(40);
    open.copy(read, 0, 0, 8); // the handle; the offset after it stays 0
    read.writeUInt32LE(length, 16);
    const written = await this.#transfer(FUSE_READ, node, read, { address: into, length });
    return written - OUT_HEADER;
  }

  async #request(operation: number, node: bigint, body: Buffer, answerLength: number): Promise<Buffer> {
    const address = this.#places.answer + BigInt(OUT_HEADER);
    await this.#transfer(operation, node, body, { address, length: answerLength });
    return this.#memory.read(address, answerLength);
  }

  /** @returns the length of the whole answer, its header included */
  async #transfer(
    operation: number,
    node: bigint,
    body: Buffer,
    into: { readonly address: bigint; readonly length: number },
  ): Promise<number> {
    const header = Buffer.alloc(IN_HEADER);
    header.writeUInt32LE(IN_HEADER + body.length, 0);
    header.writeUInt32LE(operation, 4);
    header.writeBigUInt64LE(++this.#unique, 8);
    header.writeBigUInt64LE(node, 16);
    const { request, answer } = this.#places;
    this.#memory.write(request, Buffer.concat([header, body]));
    await this.#queue.transfer([
      { address: request, length: IN_HEADER },
      { address: request + BigInt(IN_HEADER), length: body.length },
      { address: answer, length: OUT_HEADER, deviceWrites: true },
      { ...into, deviceWrites: true },
    ]);
    const said = this.#memory.read(answer, OUT_HEADER);
    const error = said.readInt32LE(4);
    if (error !== 0 || said.readBigUInt64LE(8) !== this.#unique) {
      throw new Error(`the file system answers operation ${operation} with ${error}: ${said.toString('hex')}`);
    }
    return said.readUInt32LE(0);
  }
}

function numbers(...values: readonly number[]): Buffer {
  return Buffer.from(Uint32Array.from(values).buffer);
}
