import { MemoryRange, RegionManager, type Attachment, type Region } from '../../../streams/index.js';
import { Memfd, RamBlocks } from '../../../binding/index.js';
import { VhostUserConnection, VhostUserTarget } from '../../../targets/index.js';
import { Virtqueue } from '../../../examples/vhost-user-disk/virtqueue.js';
import { VhostUserQueue } from '../../../examples/vhost-user-disk/vhost-user-queue.js';
import { PeerProcess, type PeerCommand } from '../../../lab/peer-process.js';

export const KiB = 1n << 10n;
export const MiB = 1n << 20n;
/** Virtio feature bit 32: version 1 of the standard. */
export const VERSION_1 = 1n << 32n;

/** RAM of every machine here. Its bytes are not at the same place in its file, so that an offset that is lost would show. */
export const RAM = MemoryRange.ofLength(0x10_0000n, 4n * MiB);
const RAM_FILE_OFFSET = 3n * MiB;
/** Where tests have a second piece of memory. */
export const DIMM = MemoryRange.ofLength(0x4000_0000n, 2n * MiB);
/** Addresses in RAM: queues from the first on, then what a test needs. */
const QUEUES = RAM.start + 0x1_0000n;
export const BUFFERS = RAM.start + 0x10_0000n;

/** A back end that this machine is connected to. */
export interface Peer {
  readonly connection: VhostUserConnection;
  readonly target: VhostUserTarget;
  readonly attachment: Attachment;
}

/** A machine with RAM, whose memory goes to a back end. */
export class FrontEnd implements AsyncDisposable {
  readonly memory = new RamBlocks();
  readonly manager = new RegionManager({ vaMapper: this.memory, hostAddresses: 'always' });
  readonly #files: Memfd[] = [];
  readonly #connections: VhostUserConnection[] = [];
  readonly #processes: PeerProcess[] = [];
  #queues = 0;

  private constructor() {
    // Made by create.
  }

  static async create(): Promise<FrontEnd> {
    const machine = new FrontEnd();
    const ram = machine.file('RAM', RAM_FILE_OFFSET + RAM.length);
    await machine.plug('RAM', RAM, { file: ram, fileOffset: RAM_FILE_OFFSET });
    return machine;
  }

  /** Starts a back end, which ends with this machine. */
  async startPeer(makeCommand: PeerCommand): Promise<PeerProcess> {
    const started = await PeerProcess.start(makeCommand);
    this.#processes.push(started);
    return started;
  }

  /** Connects to a back end, and attaches it: all memory of this machine is shared with it. */
  async attach(socket: string, features = VERSION_1): Promise<Peer> {
    const connection = await VhostUserConnection.connect(socket, { features });
    this.#connections.push(connection);
    const target = new VhostUserTarget(connection, { name: 'peer' });
    const attachment = await this.manager.attach(target);
    return { connection, target, attachment };
  }

  /** The targets that are attached, by name; the host addresses of this process follow memory like a target, and are not among them. */
  get attached(): readonly string[] {
    return this.manager.attachments.map(({ target }) => target).filter((name) => name !== 'host addresses');
  }

  /** Starts a queue of the back end, in pages of RAM that no queue has used. */
  startQueue({ connection, target }: Peer, index = 0): Promise<VhostUserQueue> {
    const start = QUEUES + Virtqueue.bytes() * BigInt(this.#queues++);
    return VhostUserQueue.start(connection, target, new Virtqueue(this.memory, start), index);
  }

  /** A memfd that is closed with this machine. */
  file(label: string, size: bigint): Memfd {
    const file = Memfd.create(label, size);
    this.#files.push(file);
    return file;
  }

  /** Adds memory and shows it. */
  plug(
    name: string,
    range: MemoryRange,
    backing: { readonly file: Memfd; readonly fileOffset?: bigint },
  ): Promise<Region> {
    return this.manager.transaction((edit) => {
      const region = edit.addRegion({ name, range, type: 'ram' });
      const rangeInRegion = MemoryRange.ofLength(0n, range.length);
      const { file: mappable, fileOffset = 0n } = backing;
      edit.addMapping(region, { rangeInRegion, backing: { mappable, fileOffset }, writable: true });
      edit.map(region, { writable: true });
      return region;
    });
  }

  /** Plugs a new DIMM. Its bytes, too, are not where its file begins. */
  async plugDimm(): Promise<{ readonly region: Region; readonly file: Memfd; readonly fileOffset: number }> {
    const fileOffset = 64n * KiB;
    const file = this.file('DIMM', fileOffset + DIMM.length);
    return { region: await this.plug('DIMM', DIMM, { file, fileOffset }), file, fileOffset: Number(fileOffset) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.manager.close();
    } finally {
      for (const owned of [...this.#connections, ...this.#files]) {
        owned.close();
      }
      this.memory.close();
      await Promise.all(this.#processes.map((started) => started[Symbol.asyncDispose]()));
    }
  }
}
