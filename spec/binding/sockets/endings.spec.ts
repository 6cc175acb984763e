import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync } from 'node:fs';
import { expect } from 'chai';
import { firstValueFrom } from 'rxjs';
import { DescriptorSocket, Memfd } from '../../../binding/index.js';
import { openDescriptors } from '../support/descriptors.js';
import { collect, FRAMING, message, numberOf, RawPeer, SocketFolder, SocketPair } from '../support/sockets.js';
import { dmaError } from '../support/thrown.js';

describe('the end of a connection', () => {
  let peer: RawPeer;
  let memfd: Memfd;
  let before: number;
  beforeEach(async () => {
    memfd = Memfd.create('sent', 4096n);
    peer = await RawPeer.make();
    before = openDescriptors();
  });
  afterEach(() => {
    peer[Symbol.dispose]();
    memfd.close();
  });

  /** What arrives, when these parts are sent and the peer then closes. The descriptors of this process are counted. */
  async function received(parts: readonly [Uint8Array, number?][]): ReturnType<typeof collect> {
    for (const [bytes, descriptors = 0] of parts) {
      expect(peer.send(bytes, Array<number>(descriptors).fill(memfd.fd))).to.equal(0);
    }
    peer.close();
    const result = await collect(peer.socket);
    peer.socket.close();
    expect(openDescriptors(), 'descriptors').to.equal(before - 2);
    return result;
  }

  it('between two messages completes the stream', async () => {
    expect(await received([[message(1, 5)], [message(2), 3]])).to.deep.equal({ numbers: [1, 2], end: 'complete' });
  });

  it('before any message completes the stream', async () => {
    expect(await received([])).to.deep.equal({ numbers: [], end: 'complete' });
  });

  for (const [where, length] of [
    ['header', 3],
    ['payload', FRAMING.headerBytes + 1],
  ] as const) {
    it(`within a ${where} is an error, and its descriptors are closed`, async () => {
      const { numbers, end, error } = await received([
        [message(1, 5), 1],
        [message(2, 5).subarray(0, length), 16],
      ]);
      expect(numbers).to.deep.equal([1]);
      expect(end).to.equal('EPROTO');
      expect(error?.message).to.contain('in the middle of a message');
      expect(peer.socket.isClosed).to.equal(true);
    });
  }

  it('comes with a message that is too long, whose length is named', async () => {
    const header = message(2);
    header.writeUInt32LE(FRAMING.maxBytes, FRAMING.lengthAt);
    const { numbers, end, error } = await received([[message(1)], [header, 2]]);
    expect({ numbers, end }).to.deep.equal({ numbers: [1], end: 'EMSGSIZE' });
    expect(error?.message).to.contain(`${FRAMING.maxBytes + FRAMING.headerBytes} bytes`);
  });

  it('comes with more than 16 descriptors, which came in two parts of a message', async () => {
    const bytes = message(2, 50);
    const parts: [Uint8Array, number][] = [
      [bytes.subarray(0, 10), 10],
      [bytes.subarray(10), 10],
    ];
    expect(await received([[message(1), 16], ...parts])).to.include({ end: 'E2BIG' });
  });

  it('is ECONNRESET, after the messages, if the peer has not read all', async () => {
    peer.send(message(1));
    void peer.socket.send([{ data: message(9) }]);
    peer.close();
    expect(await collect(peer.socket)).to.deep.include({ numbers: [1], end: 'ECONNRESET' });
    expect(peer.socket.isClosed).to.equal(true);
    // Again for those who come later.
    expect(await collect(peer.socket)).to.deep.include({ numbers: [], end: 'ECONNRESET' });
  });

  it('lets a send fail with EPIPE, and leaves what the peer has sent', async () => {
    peer.send(message(1));
    peer.send(message(2));
    peer.close();
    const error = dmaError(() => peer.socket.send([{ data: message(3) }]));
    expect(error.code).to.equal('EPIPE');
    expect(error.hint).to.contain('messages$');
    expect(dmaError(() => peer.socket.send([{ data: message(3) }])).code).to.equal('EPIPE');
    expect(await collect(peer.socket)).to.deep.include({ numbers: [1, 2], end: 'EPIPE' });
  });

  it('rejects the promises of messages that wait, and closes their descriptors', async () => {
    const sent = peer.socket.send([
      { data: message(1, 900_000), fds: [memfd.fd] },
      { data: message(2), fds: [memfd.fd] },
    ]);
    expect(peer.socket.bufferedBytes).to.be.greaterThan(0);
    peer.close();
    const failed = await sent?.then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failed).to.have.property('code', 'EPIPE');
    expect(peer.socket.bufferedBytes).to.equal(0);
    peer.socket.close();
    expect(openDescriptors()).to.equal(before - 2);
  });

  it('by close() completes the stream, and rejects what waits with ERR_CLOSED', async () => {
    const sent = peer.socket.send([
      { data: message(1, 900_000), fds: [memfd.fd] },
      { data: message(2), fds: [memfd.fd] },
    ]);
    const end = collect(peer.socket);
    peer.socket.close();
    expect(await end).to.deep.equal({ numbers: [], end: 'complete' });
    expect(await sent?.catch((error: unknown) => error)).to.have.property('code', 'ERR_CLOSED');
    expect(peer.socket).to.include({ isClosed: true, bufferedBytes: 0 });
    expect(openDescriptors()).to.equal(before - 1);
  });

  it('closes what nobody has read', () => {
    peer.send(message(1), [memfd.fd, memfd.fd]);
    peer.socket.close();
    peer.close();
    expect(openDescriptors()).to.equal(before - 2);
  });

  it('leaves the other direction open when the peer has only ended its own', async () => {
    using pair = await SocketPair.make();
    const child = spawn('python3', ['-c', HALF_CLOSE, pair.folder.path()], { stdio: ['ignore', 'pipe', 'inherit'] });
    using socket = await firstValueFrom(pair.listener.connections$);
    expect(await collect(socket)).to.deep.equal({ numbers: [], end: 'complete' });
    expect(socket.isClosed).to.equal(false);
    await socket.send([{ data: message(0x2a) }]);
    const [output] = (await once(child.stdout, 'data')) as [Buffer];
    expect(output.toString('latin1', 0, 2)).to.equal('42');
    if (child.exitCode === null) {
      await once(child, 'exit');
    }
  });
});

const HALF_CLOSE = `
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.shutdown(socket.SHUT_WR)
print(s.recv(8)[0], flush=True)`;

/** Sends messages with as many descriptors as the kernel allows. */
const MANY = `
import array, socket, struct, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
for count in map(int, sys.argv[2:]):
    s.sendmsg([struct.pack('<II', count, 0)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [1] * count))])
s.recv(1)`;

describe('a message of another program', () => {
  for (const count of [17, 253]) {
    it(`with ${count} descriptors ends the connection, and all of them are closed`, async () => {
      using folder = new SocketFolder();
      using listener = await DescriptorSocket.listen(folder.path(), { framing: FRAMING });
      const child = spawn('python3', ['-c', MANY, folder.path(), '16', String(count)], { stdio: 'ignore' });
      using socket = await firstValueFrom(listener.connections$);
      const before = openDescriptors();
      expect(await collect(socket)).to.deep.include({ numbers: [16], end: 'E2BIG' });
      expect(openDescriptors()).to.equal(before - 1);
      if (child.exitCode === null) {
        await once(child, 'exit');
      }
    });
  }
});

describe('descriptors', () => {
  it('belong to the message in whose bytes they came, whatever the parts', async () => {
    using peer = await RawPeer.make();
    using first = Memfd.create('first', 4096n);
    using second = Memfd.create('second', 4096n);
    using third = Memfd.create('third', 4096n);
    const inodes = [first, second, third].map(({ fd }) => fstatSync(fd).ino);
    const bytes = Buffer.concat([message(1, 20), message(2, 20), message(3), message(4, 20)]);
    // From the middle of message 1 to the middle of message 2; from there to the end of message 3; message 4.
    peer.send(bytes.subarray(0, 10));
    peer.send(bytes.subarray(10, 40), [first.fd]);
    peer.send(bytes.subarray(40, 64), [second.fd, second.fd]);
    peer.send(bytes.subarray(64), [third.fd]);
    peer.close();
    const came = new Map<number, number[]>();
    await new Promise<void>((settle) => {
      peer.socket.messages$.subscribe({
        next: (arrived) => {
          const fds = arrived.takeDescriptors();
          came.set(
            numberOf(arrived),
            fds.map((fd) => inodes.indexOf(fstatSync(fd).ino)),
          );
          fds.forEach((fd) => {
            closeSync(fd);
          });
        },
        complete: settle,
      });
    });
    expect([...came]).to.deep.equal([
      [1, [0]],
      [2, [1, 1]],
      [3, []],
      [4, [2]],
    ]);
  });
});
