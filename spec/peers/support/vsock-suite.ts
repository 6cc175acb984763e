import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import type { VhostUserQueue } from '../../../examples/vhost-user-disk/vhost-user-queue.js';
import { SoftIommuTarget } from '../../../targets/index.js';
import { BUFFERS, DIMM, FrontEnd } from './front-end.js';
import type { Program } from './program.js';
import { noteRead } from './report.js';

/** `struct virtio_vsock_hdr` (virtio 1.2, section 5.10.6). */
const HEADER = 44;
const STREAM = 1;
const [REQUEST, RESPONSE, DATA] = [1, 2, 5];
const CONTEXT = { guest: 4n, host: 2n };
const PORT = { guest: 5000, host: 1234 };
const CREDIT = 65_536;
/** The machine receives by the first queue, and sends by the second. */
const RECEIVE = 0;
const SEND = 1;
const SENT = BUFFERS;
const RECEIVED = BUFFERS + 0x2000n;

interface Packet {
  readonly operation: number;
  readonly text: string;
}

/** The machine's end of a connection of sockets. */
class SocketEnd {
  readonly #machine: FrontEnd;
  readonly #receive: VhostUserQueue;
  readonly #send: VhostUserQueue;

  constructor(machine: FrontEnd, receive: VhostUserQueue, send: VhostUserQueue) {
    this.#machine = machine;
    this.#receive = receive;
    this.#send = send;
  }

  async send(operation: number, text = ''): Promise<void> {
    const header = Buffer.alloc(HEADER);
    header.writeBigUInt64LE(CONTEXT.guest, 0);
    header.writeBigUInt64LE(CONTEXT.host, 8);
    header.writeUInt32LE(PORT.guest, 16);
    header.writeUInt32LE(PORT.host, 20);
    header.writeUInt32LE(text.length, 24);
    header.writeUInt16LE(STREAM, 28);
    header.writeUInt16LE(operation, 30);
    header.writeUInt32LE(CREDIT, 36);
    this.#machine.memory.write(SENT, Buffer.concat([header, Buffer.from(text)]));
    const payload = text === '' ? [] : [{ address: SENT + BigInt(HEADER), length: text.length }];
    await this.#send.transfer([{ address: SENT, length: HEADER }, ...payload]);
  }

  /** Waits for a packet. @param into guest physical address of two pages */
  async receive(into = RECEIVED): Promise<Packet> {
    const payload = into + BigInt(HEADER);
    await this.#receive.transfer([
      { address: into, length: HEADER, deviceWrites: true },
      { address: payload, length: 4096, deviceWrites: true },
    ]);
    const header = this.#machine.memory.read(into, HEADER);
    return {
      operation: header.readUInt16LE(30),
      text: this.#machine.memory.read(payload, header.readUInt32LE(24)).toString(),
    };
  }
}

/** The tests of `vhost-device-vsock`, which joins sockets of the machine with Unix sockets of the host. */
export function testSockets(program: Program): void {
  it('connects a socket of the machine with one of the host, and brings data both ways, into a hot-added DIMM too', async () => {
    await using machine = await FrontEnd.create();
    const daemon = await machine.startPeer((socket) =>
      program.command(
        '--guest-cid',
        String(CONTEXT.guest),
        '--uds-path',
        join(dirname(socket), 'vm'),
        '--socket',
        socket,
      ),
    );
    const accepted: Socket[] = [];
    const server = createServer((socket) => accepted.push(socket));
    server.listen(join(dirname(daemon.socket), `vm_${PORT.host}`));
    await once(server, 'listening');
    try {
      await machine.manager.attach(new SoftIommuTarget({ name: 'iommu' }));
      const peer = await machine.attach(daemon.socket);
      const receive = await machine.startQueue(peer, RECEIVE);
      const end = new SocketEnd(machine, receive, await machine.startQueue(peer, SEND));
      await machine.startQueue(peer, 2); // events

      const response = end.receive();
      await end.send(REQUEST);
      expect((await response).operation).to.equal(RESPONSE);
      await end.send(DATA, 'hello host');
      const [socket] = accepted;
      const [heard] = (await once(socket ?? server, 'data')) as [Buffer];
      expect(heard.toString()).to.equal('hello host');

      const dimm = await machine.plugDimm();
      const answer = end.receive(DIMM.start + 0x1000n);
      socket?.write('hello machine');
      expect(await answer).to.deep.equal({ operation: DATA, text: 'hello machine' });
      expect(daemon.hasMapped('DIMM')).to.equal(true);
      await dimm.region.remove();
      expect(daemon.hasMapped('DIMM')).to.equal(false);
      noteRead(
        program,
        daemon,
        'memory as a table; a connection, "hello host" there, "hello machine" back into a hot-added DIMM',
      );
    } finally {
      server.close();
      for (const socket of accepted) {
        socket.destroy();
      }
    }
  });
}
