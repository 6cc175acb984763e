import { expect } from 'chai';
import type { VhostUserQueue } from '../../../examples/vhost-user-disk/vhost-user-queue.js';
import { DmaMapError, MemoryRange } from '../../../streams/index.js';
import { SoftIommuTarget } from '../../../targets/index.js';
import { rejectionOf } from '../../streams/support/phrases.js';
import { BUFFERS, DIMM, FrontEnd, MiB, type Peer } from './front-end.js';
import type { PeerProcess } from '../../../lab/peer-process.js';
import type { Program } from './program.js';
import { noteRead } from './report.js';

/** Queues of a network device: the machine receives by the first, and sends by the second. */
const RECEIVE = 0;
const SEND = 1;
/** `struct virtio_net_hdr` of version 1 of the standard: all zero for a frame without offloads. */
const NET_HEADER = 12;
const SENT = BUFFERS;
const RECEIVED = BUFFERS + 0x1000n;
/** Regions in one table (`VHOST_MEMORY_MAX_NREGIONS`). */
const TABLE = 8;

/** A port of testpmd, which sends every frame back to where it came from, and a machine at it. */
class PortMachine implements AsyncDisposable {
  readonly daemon: PeerProcess;
  readonly machine: FrontEnd;
  readonly peer: Peer;
  readonly #program: Program;
  readonly #receive: VhostUserQueue;
  readonly #send: VhostUserQueue;

  private constructor(
    program: Program,
    daemon: PeerProcess,
    machine: FrontEnd,
    peer: Peer,
    queues: { readonly receive: VhostUserQueue; readonly send: VhostUserQueue },
  ) {
    this.#program = program;
    this.daemon = daemon;
    this.machine = machine;
    this.peer = peer;
    this.#receive = queues.receive;
    this.#send = queues.send;
  }

  static async start(program: Program): Promise<PortMachine> {
    const machine = await FrontEnd.create();
    const daemon = await machine.startPeer((socket) =>
      program.command(
        ...['--no-huge', '-m', '256', '--no-pci', '--iova-mode=va', '-l', '0,1', '--no-telemetry', '--no-shconf'],
        ...['-d', 'librte_mempool_ring.so.23', '-d', 'librte_net_vhost.so.23'],
        ...['--vdev', `net_vhost0,iface=${socket},queues=1`, '--', '--stats-period', '600'],
        ...['--total-num-mbufs=2048', '--no-mlockall', '--nb-cores=1', '--auto-start'],
        ...['--forward-mode=io', '--port-topology=loop'],
      ),
    );
    await machine.manager.attach(new SoftIommuTarget({ name: 'iommu' }));
    const peer = await machine.attach(daemon.socket);
    const receive = await machine.startQueue(peer, RECEIVE);
    const send = await machine.startQueue(peer, SEND);
    return new PortMachine(program, daemon, machine, peer, { receive, send });
  }

  /** Sends a frame, and waits until it has come back. @returns the frame as it lies in guest memory then */
  async exchange(text: string, into = RECEIVED): Promise<Buffer> {
    const { memory } = this.machine;
    const frame = frameOf(text);
    memory.write(SENT, Buffer.concat([Buffer.alloc(NET_HEADER), frame]));
    const received = this.#receive.transfer([{ address: into, length: 2048, deviceWrites: true }]);
    await this.#send.transfer([{ address: SENT, length: NET_HEADER + frame.length }]);
    expect(await received).to.equal(NET_HEADER + frame.length);
    return memory.read(into + BigInt(NET_HEADER), frame.length);
  }

  note(what: string): void {
    noteRead(this.#program, this.daemon, what);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.machine[Symbol.asyncDispose]();
  }
}

/** To everybody, from a local address, of an experimental type. */
function frameOf(text: string): Buffer {
  return Buffer.concat([Buffer.from('ffffffffffff02020202020288b5', 'hex'), Buffer.from(text.padEnd(60, '.'))]);
}

/** The tests of a port of DPDK's testpmd, which takes memory as a table. */
export function testFrames(program: Program): void {
  it('sends a frame there and back, and follows a DIMM while its queues run', async () => {
    await using port = await PortMachine.start(program);
    expect(port.peer.connection.maxSlots).to.equal(undefined);
    expect(await port.exchange('one')).to.deep.equal(frameOf('one'));
    const dimm = await port.machine.plugDimm();
    const came = await port.exchange('two', DIMM.start + 0x3000n);
    expect(came).to.deep.equal(frameOf('two'));
    port.note(`memory as a table; a frame there and back, into a hot-added DIMM: "${came.toString('latin1', 14, 17)}"`);
    expect(port.daemon.hasMapped('DIMM')).to.equal(true);
    await dimm.region.remove();
    expect(port.daemon.hasMapped('DIMM')).to.equal(false);
    expect(await port.exchange('three')).to.deep.equal(frameOf('three'));
  });

  it('refuses a region more than a table has, and frames go on', async () => {
    await using port = await PortMachine.start(program);
    const { machine } = port;
    const file = machine.file('pieces', BigInt(TABLE) * MiB);
    const plug = (index: number): Promise<unknown> => {
      const range = MemoryRange.ofLength(DIMM.start + 2n * MiB * BigInt(index), MiB);
      return machine.plug(`piece ${index}`, range, { file, fileOffset: BigInt(index) * MiB });
    };
    await Promise.all(Array.from({ length: TABLE - 1 }, (_, index) => plug(index)));
    const error = await rejectionOf(plug(TABLE - 1));
    expect(error).to.be.instanceOf(DmaMapError);
    expect(error).to.include({ code: 'ENOSPC', target: 'peer' });
    expect(machine.manager.snapshot().mappings).to.have.length(TABLE);
    const last = DIMM.start + 2n * MiB * BigInt(TABLE - 2);
    expect(await port.exchange('four', last)).to.deep.equal(frameOf('four'));
    port.note(`with all ${TABLE} places of the table filled: "four"`);
  });

  it('loses only its attachment when the process is killed', async () => {
    await using port = await PortMachine.start(program);
    const dimm = await port.machine.plugDimm();
    await port.daemon.kill();
    await dimm.region.remove();
    expect(port.machine.attached).to.deep.equal(['iommu']);
  });
}
