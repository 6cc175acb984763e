import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync } from 'node:fs';
import { expect } from 'chai';
import { firstValueFrom } from 'rxjs';
import { DescriptorSocket, Memfd } from '../../../binding/index.js';
import { openDescriptors } from '../support/descriptors.js';
import { FRAMING, message, numberOf, RawPeer, SocketFolder, SocketPair } from '../support/sockets.js';
import { dmaError } from '../support/thrown.js';

/** Turns of the event loop. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) {
    await new Promise((settle) => setImmediate(settle));
  }
}

describe('a peer that does not read', () => {
  let pair: SocketPair;
  beforeEach(async () => {
    pair = await SocketPair.make();
  });
  afterEach(() => {
    pair[Symbol.dispose]();
  });

  it('lets the event loop turn while messages wait, and gets all of them when it reads', async () => {
    const sent: Promise<void>[] = [];
    let buffered = 0;
    for (let number = 0; number < 40; number += 1) {
      sent.push(pair.client.send([{ data: message(number, 100_000) }]) ?? Promise.resolve());
      expect(pair.client.bufferedBytes).to.be.at.least(buffered);
      buffered = pair.client.bufferedBytes;
    }
    expect(buffered).to.be.greaterThan(3_000_000);
    await turns(50);
    expect(pair.client.bufferedBytes, 'without a reader').to.equal(buffered);
    const numbers: number[] = [];
    const subscription = pair.server.messages$.subscribe((arrived) => numbers.push(numberOf(arrived)));
    await Promise.all(sent);
    expect(pair.client.bufferedBytes).to.equal(0);
    while (numbers.length < 40) {
      await turns(1);
    }
    subscription.unsubscribe();
    expect(numbers).to.deep.equal(Array.from({ length: 40 }, (_, index) => index));
  });

  it('stops the messages again when the last subscriber leaves', async () => {
    const all = pair.client.send(Array.from({ length: 40 }, (_, number) => ({ data: message(number, 100_000) })));
    for (let number = 0; number < 3; number += 1) {
      expect(numberOf(await firstValueFrom(pair.server.messages$))).to.equal(number);
    }
    await turns(10);
    const buffered = pair.client.bufferedBytes;
    await turns(50);
    expect(pair.client.bufferedBytes).to.equal(buffered).and.to.be.greaterThan(2_000_000);
    pair.server.close();
    expect(await all?.catch((error: unknown) => error)).to.have.property('code', 'EPIPE');
  });

  it('gets the descriptors of messages that waited, though the sender has closed its own', async () => {
    const before = openDescriptors();
    const memfds = Array.from({ length: 20 }, (_, index) => Memfd.create(`m${index}`, 4096n));
    const inodes = memfds.map(({ fd }) => fstatSync(fd).ino);
    const sent = pair.client.send(memfds.map(({ fd }, number) => ({ data: message(number, 50_000), fds: [fd] })));
    memfds.forEach((memfd) => {
      memfd.close();
    });
    const came: number[] = [];
    const subscription = pair.server.messages$.subscribe((arrived) => {
      for (const fd of arrived.takeDescriptors()) {
        came.push(fstatSync(fd).ino);
        closeSync(fd);
      }
    });
    await sent;
    while (came.length < 20) {
      await turns(1);
    }
    subscription.unsubscribe();
    expect(came).to.deep.equal(inodes);
    expect(openDescriptors()).to.equal(before);
  });

  it('makes a send fail above 64 MiB, of which nothing is sent, and nothing else is lost', async () => {
    const data = message(0, FRAMING.maxBytes - FRAMING.headerBytes);
    const first = pair.client.send(Array.from({ length: 60 }, () => ({ data })));
    const buffered = pair.client.bufferedBytes;
    const error = dmaError(() => pair.client.send(Array.from({ length: 5 }, () => ({ data }))));
    expect(error.code).to.equal('ENOBUFS');
    expect(pair.client.bufferedBytes).to.equal(buffered);
    void pair.client.send([{ data: message(1) }]);
    let count = 0;
    const last = new Promise<number>((settle) => {
      pair.server.messages$.subscribe((arrived) => {
        count += 1;
        if (numberOf(arrived) === 1) {
          settle(count);
        }
      });
    });
    await first;
    expect(await last).to.equal(61);
  });
});

describe('a peer that sends without end', () => {
  it('gets at most 64 messages delivered in one turn of the event loop', async () => {
    using peer = await RawPeer.make();
    let sent = 0;
    // As many as the kernel takes.
    while (peer.send(message(sent)) === 0) {
      sent += 1;
    }
    expect(sent).to.be.greaterThan(128);
    const inTurn: number[] = [0];
    let counting = true;
    const count = (): void => {
      if (counting) {
        inTurn.push(0);
        setImmediate(count);
      }
    };
    setImmediate(count);
    await new Promise<void>((settle) => {
      peer.socket.messages$.subscribe((arrived) => {
        inTurn[inTurn.length - 1] = (inTurn.at(-1) ?? 0) + 1;
        if (numberOf(arrived) === sent) {
          settle();
        }
      });
    });
    counting = false;
    expect(Math.max(...inTurn)).to.equal(64);
    expect(inTurn.reduce((sum, value) => sum + value)).to.equal(sent + 1);
  });

  it('does not keep the event loop', async () => {
    using folder = new SocketFolder();
    using listener = await DescriptorSocket.listen(folder.path(), { framing: FRAMING });
    const child = spawn('python3', ['-c', FLOOD, folder.path()], { stdio: 'ignore' });
    using socket = await firstValueFrom(listener.connections$);
    let messages = 0;
    let bytes = 0;
    let greatest = 0;
    socket.messages$.subscribe(({ data }) => {
      messages += 1;
      bytes += data.byteLength;
    });
    for (let turn = 0; turn < 200 || messages < 2000; turn += 1) {
      const start = bytes;
      await turns(1);
      greatest = Math.max(greatest, bytes - start);
    }
    // The last message of a turn may end beyond the limit.
    expect(greatest).to.be.lessThan(2 * (1 << 20));
    socket.close();
    child.kill();
    await once(child, 'exit');
  });
});

const FLOOD = `
import socket, struct, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
m = struct.pack('<II', 1, 60000) + bytes(60000)
while True: s.sendall(m)`;
