import { expect } from 'chai';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../../lab/temporary-folder.js';
import { SoftIommuTarget } from '../../../targets/index.js';
import { BUFFERS, DIMM, FrontEnd, type Peer } from './front-end.js';
import { FuseRequests } from './fuse-requests.js';
import type { PeerCommand, PeerProcess } from '../../../lab/peer-process.js';
import type { Program } from './program.js';
import { noteRead } from './report.js';

const TEXT = 'The file that the other process reads.\n'.repeat(200);
const REQUEST_QUEUE = 1; // queue 0 is for requests of high priority
const PLACES = { request: BUFFERS, answer: BUFFERS + 0x1000n };
const BUFFER = BUFFERS + 0x2000n;

/** A folder with one file, which `virtiofsd` serves, and a machine that uses it. */
async function serveFolder(makeCommand: (folder: string) => PeerCommand): Promise<FilesMachine> {
  const folder = join(temporaryFolder('shared-'), 'folder');
  mkdirSync(folder);
  writeFileSync(join(folder, 'hello.txt'), TEXT);
  const machine = await FrontEnd.create();
  const daemon = await machine.startPeer(makeCommand(folder));
  await machine.manager.attach(new SoftIommuTarget({ name: 'iommu' }));
  return new FilesMachine(daemon, machine, await machine.attach(daemon.socket));
}

class FilesMachine implements AsyncDisposable {
  readonly daemon: PeerProcess;
  readonly machine: FrontEnd;
  readonly peer: Peer;

  constructor(daemon: PeerProcess, machine: FrontEnd, peer: Peer) {
    this.daemon = daemon;
    this.machine = machine;
    this.peer = peer;
  }

  async beginSession(): Promise<FuseRequests> {
    const queue = await this.machine.startQueue(this.peer, REQUEST_QUEUE);
    return FuseRequests.begin(this.machine.memory, queue, PLACES);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.machine[Symbol.asyncDispose]();
  }
}

/** The tests of a folder that `virtiofsd` serves. */
export function testFiles(
  program: Program,
  makeArguments: (socket: string, folder: string) => readonly string[],
): void {
  const start = (): Promise<FilesMachine> =>
    serveFolder((folder) => (socket) => program.command(...makeArguments(socket, folder)));

  it('reads a file through a virtqueue, into RAM and into a DIMM that is hot-added', async () => {
    await using files = await start();
    const { machine, daemon, peer } = files;
    const session = await files.beginSession();
    expect(await session.readFile('hello.txt', BUFFER, 8192)).to.equal(TEXT.length);
    expect(machine.memory.read(BUFFER, TEXT.length).toString()).to.equal(TEXT);
    const dimm = await machine.plugDimm();
    expect(await session.readFile('hello.txt', DIMM.start + 0x1234n, 8192)).to.equal(TEXT.length);
    const text = machine.memory.read(DIMM.start + 0x1234n, TEXT.length).toString();
    expect(text).to.equal(TEXT);
    expect(daemon.hasMapped('DIMM')).to.equal(true);
    await dimm.region.remove();
    expect(daemon.hasMapped('DIMM')).to.equal(false);
    expect(await session.readFile('hello.txt', BUFFER, 38)).to.equal(38);
    noteRead(
      program,
      daemon,
      `${peer.connection.maxSlots ?? 0} memory slots; FUSE_INIT, LOOKUP, OPEN, READ of ${TEXT.length} bytes: "${text.slice(0, 37)}…"`,
    );
  });

  it('loses only its attachment when the process is killed', async () => {
    await using files = await start();
    const { machine, daemon } = files;
    const dimm = await machine.plugDimm();
    await daemon.kill();
    await dimm.region.remove();
    expect(machine.attached).to.deep.equal(['iommu']);
  });
}
