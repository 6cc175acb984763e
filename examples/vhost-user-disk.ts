/**
 * A disk that another process serves: `qemu-storage-daemon` reads an image and writes its sectors into guest memory, which this process has
 * shared with it. Memory comes and goes while the disk is in use; each change reaches the other process by a `VhostUserTarget`.
 *
 *     node dist/examples/vhost-user-disk.js            # makes a small image, and starts the daemon for it
 *     node dist/examples/vhost-user-disk.js SOCKET     # uses the vhost-user-blk device that listens there
 *
 * The virtqueue and the requests of the disk are in `vhost-user-disk/`.
 */
import { createHash } from 'node:crypto';
import { DmaError, MemoryRange, RegionManager, type Region } from 'dma-streams';
import { Memfd, RamBlocks } from 'dma-streams/binding';
import { VhostUserConnection, VhostUserTarget } from 'dma-streams/targets';
import { BlockRequests, SECTOR } from './vhost-user-disk/block-requests.js';
import { makeImage, NoDaemonError, StorageDaemon } from './vhost-user-disk/storage-daemon.js';
import { readConfiguration, VhostUserQueue } from './vhost-user-disk/vhost-user-queue.js';
import { Virtqueue } from './vhost-user-disk/virtqueue.js';

const MiB = 1 << 20;
const RAM = MemoryRange.ofLength(0x0, 16 * MiB);
const DIMM = MemoryRange.ofLength(0x4000_0000, 16 * MiB);
/** Where things are in RAM. */
const QUEUE = 0x10000n;
const REQUEST = 0x20000n;
const BUFFER = 0x30000n;

/** Virtio features: version 1 of the standard. */
const VERSION_1 = 1n << 32n;

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex').slice(0, 16);
const firstWords = (data: Buffer): string => JSON.stringify(data.toString('latin1', 0, 16).replace(/\0.*/s, ''));

async function useDisk(connection: VhostUserConnection, image?: Buffer): Promise<void> {
  using memory = new RamBlocks();
  using ram = Memfd.create('RAM', RAM.length);
  using dimm = Memfd.create('DIMM', DIMM.length);
  await using manager = new RegionManager({ vaMapper: memory, hostAddresses: 'always' });

  /** Adds memory and shows it. */
  const plug = (name: string, range: MemoryRange, file: Memfd): Promise<Region> =>
    manager.addRam({ name, range, backing: file });

  await plug('RAM', RAM, ram);
  const target = new VhostUserTarget(connection, { name: 'disk' });
  await manager.attach(target);
  console.log(`connected: the disk follows ${connection.maxSlots ?? 'a table of'} memory regions`);
  const sectors = (await readConfiguration(connection, 8)).readBigUInt64LE();
  console.log(`it has ${sectors} sectors`);

  const queue = await VhostUserQueue.start(connection, target, new Virtqueue(memory, QUEUE));
  const disk = new BlockRequests(memory, queue, REQUEST);
  const show = async (sector: bigint): Promise<void> => {
    await disk.read(sector, BUFFER, SECTOR);
    console.log(`  sector ${sector} begins with ${firstWords(memory.read(BUFFER, 16))}`);
  };
  await show(0n);

  console.log(`A memory module of ${DIMM.length / BigInt(MiB)} MiB is plugged in at ${DIMM.toString()}`);
  const module = await plug('DIMM', DIMM, dimm);
  const length = Math.min(Number(DIMM.length), Number(sectors) * SECTOR);
  for (let at = 0; at < length; at += MiB) {
    await disk.read(BigInt(at / SECTOR), DIMM.start + BigInt(at), Math.min(MiB, length - at));
  }
  const digest = sha256(memory.read(DIMM.start, length));
  const isSame = image === undefined ? '' : digest === sha256(image.subarray(0, length)) ? ', as the image' : ', WRONG';
  console.log(`  ${length / SECTOR} sectors read into it: SHA-256 ${digest}…${isSame}`);

  console.log('It is taken out again, and the disk goes on');
  await module.remove();
  await show(7n);
  await queue.stop();
}

try {
  const [path] = process.argv.slice(2);
  if (path === undefined) {
    const image = makeImage(20 * MiB);
    await using daemon = new StorageDaemon(image);
    using connection = await daemon.whenListening((socket) =>
      VhostUserConnection.connect(socket, { features: VERSION_1 }),
    );
    console.log(`qemu-storage-daemon serves an image of ${image.length / MiB} MiB`);
    await useDisk(connection, image);
  } else {
    using connection = await VhostUserConnection.connect(path, { features: VERSION_1 });
    await useDisk(connection);
  }
  console.log('Nothing is shared any more');
} catch (error) {
  if (!(error instanceof DmaError || error instanceof NoDaemonError)) {
    throw error;
  }
  console.error(`vhost-user-disk: ${error.message}`);
  if (error.hint !== undefined) {
    console.error(error.hint);
  }
  process.exitCode = 1;
}
