import { expect } from 'chai';
import { readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BlockRequests, SECTOR } from '../../../examples/vhost-user-disk/block-requests.js';
import { makeImage } from '../../../examples/vhost-user-disk/storage-daemon.js';
import { temporaryFolder } from '../../../lab/temporary-folder.js';
import { DmaMapError, MemoryRange } from '../../../streams/index.js';
import { SoftIommuTarget } from '../../../targets/index.js';
import { rejectionOf } from '../../streams/support/phrases.js';
import { BUFFERS, DIMM, FrontEnd, KiB, MiB, type Peer } from './front-end.js';
import type { PeerProcess } from '../../../lab/peer-process.js';
import type { Program } from './program.js';
import { noteRead } from './report.js';

const GiB = MiB << 10n;
const REQUEST = BUFFERS;
const BUFFER = BUFFERS + 0x1000n;

/** A disk that a `qemu-storage-daemon` serves, and a machine that uses it. */
class DiskMachine implements AsyncDisposable {
  readonly machine: FrontEnd;
  readonly iommu = new SoftIommuTarget({ name: 'iommu' });
  readonly #program: Program;
  readonly #image: string;
  daemon!: PeerProcess;
  peer!: Peer;
  disk!: BlockRequests;

  private constructor(program: Program, machine: FrontEnd) {
    this.#program = program;
    this.machine = machine;
    this.#image = join(temporaryFolder('image-'), 'disk');
    writeFileSync(this.#image, makeImage(Number(MiB)));
  }

  static async start(program: Program): Promise<DiskMachine> {
    const made = new DiskMachine(program, await FrontEnd.create());
    await made.machine.manager.attach(made.iommu);
    await made.startDaemon();
    return made;
  }

  /** Starts the daemon, and attaches it. */
  async startDaemon(): Promise<void> {
    this.daemon = await this.machine.startPeer((socket) =>
      this.#program.command(
        ...['--blockdev', `driver=file,node-name=disk,filename=${this.#image}`],
        ...['--export', `type=vhost-user-blk,id=export,node-name=disk,writable=on,addr.type=unix,addr.path=${socket}`],
      ),
    );
    this.peer = await this.machine.attach(this.daemon.socket);
    this.disk = new BlockRequests(this.machine.memory, await this.machine.startQueue(this.peer), REQUEST);
  }

  /** Reads a sector into guest memory. @returns the text at its beginning, as the machine finds it there */
  async read(sector: number, into = BUFFER): Promise<string> {
    await this.disk.read(BigInt(sector), into, SECTOR);
    return this.textAt(into);
  }

  textAt(address: bigint): string {
    return this.machine.memory.read(address, SECTOR).toString('latin1').replace(/\0.*/s, '');
  }

  note(what: string): void {
    noteRead(this.#program, this.daemon, what);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.machine[Symbol.asyncDispose]();
  }
}

/** The tests of a disk that `qemu-storage-daemon` serves. */
export function testDisk(program: Program): void {
  it('reads block 0 through a virtqueue in memory that the target has shared', async () => {
    await using machine = await DiskMachine.start(program);
    expect(await machine.read(0)).to.equal('sector 0');
    machine.note(`${machine.peer.connection.maxSlots ?? 0} memory slots; block 0: "${machine.textAt(BUFFER)}"`);
  });

  it('reads into a DIMM that is hot-added, and goes on when it is removed', async () => {
    await using machine = await DiskMachine.start(program);
    const dimm = await machine.machine.plugDimm();
    const into = DIMM.end - BigInt(SECTOR);
    expect(await machine.read(3, into)).to.equal('sector 3');
    machine.note(`into a hot-added DIMM: "${machine.textAt(into)}"`);
    expect(machine.daemon.hasMapped('DIMM')).to.equal(true);
    await dimm.region.remove();
    expect(machine.daemon.hasMapped('DIMM')).to.equal(false);
    expect(await machine.read(4)).to.equal('sector 4');
  });

  it('reads a buffer that spans two mappings of one file', async () => {
    await using machine = await DiskMachine.start(program);
    const file = machine.machine.file('two halves', 2n * MiB);
    const [low, high] = [MemoryRange.ofLength(DIMM.start, MiB), MemoryRange.ofLength(DIMM.start + MiB, MiB)];
    // The lower half of the guest's memory is the upper half of the file.
    await machine.machine.plug('low', low, { file, fileOffset: MiB });
    await machine.machine.plug('high', high, { file, fileOffset: 0n });
    await machine.disk.read(0n, high.start - BigInt(SECTOR), 2 * SECTOR);
    expect(machine.textAt(high.start - BigInt(SECTOR))).to.equal('sector 0');
    expect(machine.textAt(high.start)).to.equal('sector 1');
  });

  it('does not touch a DIMM that was removed: the daemon ends the connection, and the other target keeps what it has', async () => {
    await using machine = await DiskMachine.start(program);
    const { region, file, fileOffset } = await machine.machine.plugDimm();
    await machine.read(5, DIMM.start);
    const found = Buffer.alloc(SECTOR);
    await region.remove();
    await rejectionOf(machine.read(6, DIMM.start));
    readSync(file.fd, found, 0, SECTOR, fileOffset);
    expect(found.toString('latin1').replace(/\0.*/s, '')).to.equal('sector 5');
    expect(machine.iommu.mappedRanges().map(String)).to.deep.equal(['0x100000-0x500000']);
  });

  it('refuses a region more than the daemon has slots, undoes it everywhere, and the disk goes on', async () => {
    await using machine = await DiskMachine.start(program);
    const slots = machine.peer.connection.maxSlots ?? 0;
    expect(slots).to.be.greaterThan(8);
    const file = machine.machine.file('pages', BigInt(slots + 1) * 4n * KiB);
    const page = (index: number): MemoryRange => MemoryRange.ofLength(DIMM.start + BigInt(index) * 64n * KiB, 4n * KiB);
    const plugPage = (index: number): ReturnType<FrontEnd['plug']> =>
      machine.machine.plug(`page ${index}`, page(index), { file, fileOffset: BigInt(index) * 4n * KiB });
    // RAM has one.
    await Promise.all(Array.from({ length: slots - 1 }, (_, index) => plugPage(index)));
    const error = await rejectionOf(plugPage(slots - 1));
    expect(error).to.be.instanceOf(DmaMapError);
    expect(error).to.include({ code: 'ENOSPC', target: 'peer' });
    expect(machine.iommu.mappedRanges()).to.have.length(slots);
    expect(machine.machine.manager.snapshot().mappings).to.have.length(slots);
    expect(machine.machine.attached).to.deep.equal(['iommu', 'peer']);
    expect(await machine.read(7, page(slots - 2).start)).to.equal('sector 7');
    machine.note(`with all ${slots} slots filled: "${machine.textAt(page(slots - 2).start)}"`);
  });

  it('loses only its attachment when the daemon is killed, and is attached again when it runs again', async () => {
    await using machine = await DiskMachine.start(program);
    const dimm = await machine.machine.plugDimm();
    await machine.daemon.kill();
    // An unmap finds that the process is gone, and so is what it had.
    await dimm.region.remove();
    expect(machine.machine.attached).to.deep.equal(['iommu']);
    expect(machine.iommu.mappedRanges().map(String)).to.deep.equal(['0x100000-0x500000']);
    await machine.startDaemon();
    expect(machine.machine.attached).to.deep.equal(['iommu', 'peer']);
    expect(await machine.read(8)).to.equal('sector 8');
    machine.note(`killed, started and attached again: "${machine.textAt(BUFFER)}"`);
  });

  it('takes a map back everywhere that the daemon acknowledges and then cannot do', async () => {
    // The daemon has no address space for it: it says that all is well, and then ends the connection.
    const limited: Program = {
      ...program,
      command: (...args) => ['prlimit', `--as=${16n * GiB}`, ...program.command(...args)],
    };
    await using machine = await DiskMachine.start(limited);
    const range = MemoryRange.ofLength(64n * GiB, 64n * GiB);
    const error = await rejectionOf(
      machine.machine.plug('huge', range, { file: machine.machine.file('huge', range.length) }),
    );
    expect(error).to.be.instanceOf(DmaMapError);
    expect(error).to.include({ target: 'peer' });
    expect((error.cause as Error & { code: string }).code).to.equal('ERR_TARGET_GONE');
    expect(machine.machine.attached).to.deep.equal(['iommu']);
    expect(machine.iommu.mappedRanges().map(String)).to.deep.equal(['0x100000-0x500000']);
  });

  it('takes a map back everywhere when the daemon was killed before it', async () => {
    await using machine = await DiskMachine.start(program);
    await machine.daemon.kill();
    const error = await rejectionOf(machine.machine.plugDimm());
    expect(error).to.be.instanceOf(DmaMapError);
    expect((error.cause as Error & { code: string }).code).to.equal('ERR_TARGET_GONE');
    expect(machine.machine.attached).to.deep.equal(['iommu']);
    expect(machine.iommu.mappedRanges().map(String)).to.deep.equal(['0x100000-0x500000']);
    await machine.machine.plugDimm();
    expect(machine.iommu.mappedRanges()).to.have.length(2);
  });
}
