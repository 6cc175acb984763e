import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { expect } from 'chai';
import { firstValueFrom, lastValueFrom, take, toArray } from 'rxjs';
import { DescriptorSocket, EventFd, Memfd, type DescriptorMessage } from '../../../binding/index.js';
import { openDescriptors } from '../support/descriptors.js';
import { FRAMING, message, numberOf, SocketFolder, SocketPair } from '../support/sockets.js';
import { dmaError } from '../support/thrown.js';

describe('a DescriptorSocket', () => {
  let pair: SocketPair;
  beforeEach(async () => {
    pair = await SocketPair.make();
  });
  afterEach(() => {
    pair[Symbol.dispose]();
  });

  function arriving(count: number, socket = pair.server): Promise<DescriptorMessage[]> {
    return lastValueFrom(socket.messages$.pipe(take(count), toArray()));
  }

  it('delivers messages whole and in order, both ways at once', async () => {
    const numbers = Array.from({ length: 500 }, (_, index) => index);
    const received = Promise.all([arriving(500, pair.server), arriving(500, pair.client)]);
    for (const socket of [pair.client, pair.server]) {
      for (const number of numbers) {
        void socket.send([{ data: message(number, number % 100) }]);
      }
    }
    for (const messages of await received) {
      expect(messages.map(numberOf)).to.deep.equal(numbers);
      for (const { data } of messages) {
        expect(data.equals(message(numberOf({ data } as DescriptorMessage), data.readUInt32LE() % 100))).to.equal(true);
      }
    }
  });

  it('delivers messages of no payload, and of the greatest length, in many parts', async () => {
    const longest = message(3, FRAMING.maxBytes - FRAMING.headerBytes);
    const received = arriving(3);
    await pair.client.send([{ data: message(1) }, { data: longest }, { data: message(2) }]);
    const [first, second, third] = await received;
    expect(first?.data.equals(message(1))).to.equal(true);
    expect(second?.data.equals(longest)).to.equal(true);
    expect(third?.data.equals(message(2))).to.equal(true);
  });

  it('finds the length where it is, and what it counts', async () => {
    const framing = { headerBytes: 16, lengthAt: 9, lengthOf: 'message', maxBytes: 64 } as const;
    using folder = new SocketFolder();
    using listener = await DescriptorSocket.listen(folder.path(), { framing });
    const accepted = firstValueFrom(listener.connections$);
    using client = await DescriptorSocket.connect(folder.path(), { framing });
    using server = await accepted;
    const [short, long] = [Buffer.alloc(16, 1), Buffer.alloc(64, 2)];
    short.writeUInt32LE(16, 9);
    long.writeUInt32LE(64, 9);
    const received = arriving(3, server);
    void client.send([{ data: short }, { data: long }, { data: short }]);
    expect((await received).map(({ data }) => data)).to.deep.equal([short, long, short]);
  });

  it('hands descriptors over with their message, in order, both ways', async () => {
    using first = Memfd.create('first', 4096n);
    using second = Memfd.create('second', 8192n);
    using event = EventFd.create();
    for (const [from, to] of [
      [pair.client, pair.server],
      [pair.server, pair.client],
    ] as const) {
      const taken = firstTaken(to, 3);
      void from.send([
        { data: message(1), fds: [first.fd, event.fd] },
        { data: message(2, 100) },
        { data: message(3, 100), fds: [second.fd] },
      ]);
      const [withTwo = [], withNone = [], withOne = []] = await taken;
      expect(withTwo.map((fd) => fstatSync(fd).ino)).to.deep.equal([inode(first.fd), inode(event.fd)]);
      expect(withNone).to.deep.equal([]);
      expect(withOne.map((fd) => fstatSync(fd).ino)).to.deep.equal([inode(second.fd)]);
      writeSync(first.fd, Buffer.from([7]), 0, 1, 5);
      const byte = Buffer.alloc(1);
      readSync(withTwo[0] ?? -1, byte, 0, 1, 5);
      expect(byte[0]).to.equal(7);
      for (const fd of [...withTwo, ...withOne]) {
        expect(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')).to.match(/^flags:\s+0?2\d{6}$/m, 'closed on exec');
        closeSync(fd);
      }
    }
  });

  it('hands over sixteen descriptors, and refuses to send more', async () => {
    using memfd = Memfd.create('sixteen', 4096n);
    const before = openDescriptors();
    const taken = firstTaken(pair.server, 1);
    void pair.client.send([{ data: message(1), fds: Array<number>(16).fill(memfd.fd) }]);
    const [fds = []] = await taken;
    expect(fds).to.have.length(16);
    fds.forEach((fd) => {
      closeSync(fd);
    });
    expect(() => pair.client.send([{ data: message(1), fds: Array<number>(17).fill(memfd.fd) }])).to.throw(
      RangeError,
      'messages[0].fds has 17 descriptors, more than 16',
    );
    expect(openDescriptors()).to.equal(before);
  });

  it('closes the descriptors that were not taken, when the subscriber has returned', async () => {
    using memfd = Memfd.create('untaken', 4096n);
    const before = openDescriptors();
    const received = arriving(2);
    void pair.client.send([
      { data: message(1), fds: [memfd.fd, memfd.fd] },
      { data: message(2), fds: [memfd.fd] },
    ]);
    const [first] = await received;
    expect(openDescriptors()).to.equal(before);
    expect(first?.descriptorCount).to.equal(2);
    expect(dmaError(() => first?.takeDescriptors()).hint).to.contain('before the subscriber');
  });

  it('keeps what one subscriber has not seen for the next one', async () => {
    using memfd = Memfd.create('kept', 4096n);
    void pair.client.send([1, 2, 3, 4].map((number) => ({ data: message(number), fds: [memfd.fd] })));
    for (const number of [1, 2, 3, 4]) {
      expect(numberOf(await firstValueFrom(pair.server.messages$))).to.equal(number);
    }
  });

  it('may be closed by a subscriber: nothing more is delivered, and nothing stays open', async () => {
    using memfd = Memfd.create('closed', 4096n);
    const before = openDescriptors();
    const numbers: number[] = [];
    void pair.client.send([1, 2, 3].map((number) => ({ data: message(number), fds: [memfd.fd] })));
    await new Promise<void>((settle) => {
      pair.server.messages$.subscribe({
        next: (arrived) => {
          numbers.push(numberOf(arrived));
          pair.server.close();
        },
        complete: settle,
      });
    });
    await turn();
    expect(numbers).to.deep.equal([1]);
    expect(openDescriptors()).to.equal(before - 1);
    expect(dmaError(() => pair.server.send([])).code).to.equal('ERR_CLOSED');
    pair.server.close();
  });

  function firstTaken(socket: DescriptorSocket, count: number): Promise<(readonly number[])[]> {
    return new Promise((settle) => {
      const taken: (readonly number[])[] = [];
      const subscription = socket.messages$.subscribe((arrived) => {
        taken.push(arrived.takeDescriptors());
        expect(arrived.takeDescriptors()).to.deep.equal([]);
        if (taken.length === count) {
          subscription.unsubscribe();
          settle(taken);
        }
      });
    });
  }
});

function inode(fd: number): number {
  return fstatSync(fd).ino;
}

function turn(): Promise<void> {
  return new Promise((settle) => setImmediate(settle));
}

describe('a subscriber of a DescriptorSocket that throws', () => {
  it('gets its error reported, and the descriptors of the message are closed', async () => {
    using pair = await SocketPair.make();
    const fd = openSync('/dev/null', 'r');
    const before = openDescriptors();
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const reported = new Promise<Error>((settle) => process.once('uncaughtException', settle));
    pair.server.messages$.subscribe(() => {
      throw new Error('thrown by a subscriber');
    });
    void pair.client.send([{ data: message(1), fds: [fd] }]);
    expect((await reported).message).to.equal('thrown by a subscriber');
    listeners.forEach((listener) => process.on('uncaughtException', listener));
    expect(openDescriptors()).to.equal(before);
    closeSync(fd);
  });
});
