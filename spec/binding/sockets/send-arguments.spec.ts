import { closeSync, openSync } from 'node:fs';
import { expect } from 'chai';
import { lastValueFrom, take, toArray } from 'rxjs';
import { Memfd, type OutgoingMessage } from '../../../binding/index.js';
import { attempt } from '../support/outcomes.js';
import { openDescriptors } from '../support/descriptors.js';
import { message, numberOf, SocketPair } from '../support/sockets.js';

interface ResizableBuffer extends ArrayBuffer {
  resize(length: number): void;
}

/** `new ArrayBuffer` with a second argument is not in the library of types of this project. */
function resizableBuffer(length: number): ResizableBuffer {
  return Reflect.construct(ArrayBuffer, [length, { maxByteLength: 64 }]) as ResizableBuffer;
}

describe('the arguments of send', () => {
  const right = { data: message(1) };
  const detached = message(2).subarray();
  const ownBuffer = new Uint8Array(new ArrayBuffer(8));
  structuredClone(ownBuffer, { transfer: [ownBuffer.buffer] });
  const tooLong = message(3, 4);
  tooLong.writeUInt32LE(5, 4);

  const wrong: readonly [string, unknown, string][] = [
    ['no array', right, 'messages is'],
    ['no message', [right, null], 'messages[1] is null'],
    ['no bytes', [right, { data: 'text' }], 'messages[1].data'],
    ['a header that is cut short', [right, { data: detached.subarray(0, 7) }], 'messages[1].data has 7 bytes'],
    ['a detached buffer', [right, { data: ownBuffer }], 'messages[1].data has 0 bytes'],
    ['another length than in the header', [right, { data: tooLong }], 'makes 13'],
    ['too many bytes', [right, { data: message(4, 1 << 20) }], 'more than maxBytes'],
    ['descriptors that are no array', [right, { data: right.data, fds: 5 }], 'messages[1].fds'],
    ['a descriptor that is no number', [right, { data: right.data, fds: [0, '1'] }], 'messages[1].fds[1]'],
    ['a negative descriptor', [right, { data: right.data, fds: [-1] }], 'messages[1].fds[0]'],
  ];

  for (const [what, messages, text] of wrong) {
    it(`are refused, and nothing is sent: ${what}`, async () => {
      using pair = await SocketPair.make();
      const error = attempt(() => pair.client.send(messages as OutgoingMessage[]));
      expect(error).to.satisfy((value: unknown) => value instanceof TypeError || value instanceof RangeError);
      expect((error as Error).message).to.contain(text);
      await expectNothingSent(pair);
    });
  }

  async function expectNothingSent(pair: SocketPair): Promise<void> {
    const next = lastValueFrom(pair.server.messages$.pipe(take(1), toArray()));
    await pair.client.send([{ data: message(99) }]);
    expect((await next).map(numberOf)).to.deep.equal([99]);
  }

  it('name a descriptor that is not open, and nothing is sent', async () => {
    using pair = await SocketPair.make();
    using memfd = Memfd.create('open', 4096n);
    const closed = openSync('/dev/null', 'r');
    closeSync(closed);
    const before = openDescriptors();
    const error = attempt(() =>
      pair.client.send([{ ...right, fds: [memfd.fd] }, right, { ...right, fds: [memfd.fd, 1_000_000] }]),
    );
    expect(error).to.have.property('code', 'EBADF');
    expect((error as Error).message).to.contain('messages[2].fds[1], descriptor 1000000');
    expect(openDescriptors()).to.equal(before);
    await expectNothingSent(pair);
  });

  it('may be a view of shared memory, of a part of a buffer, or of one that can be resized', async () => {
    using pair = await SocketPair.make();
    const shared = new Uint8Array(new SharedArrayBuffer(20), 4, 8);
    shared[0] = 5;
    const part = new Uint8Array(100).subarray(50, 58);
    part[0] = 6;
    const resizable = resizableBuffer(8);
    const tracking = new Uint8Array(resizable);
    tracking[0] = 7;
    const next = lastValueFrom(pair.server.messages$.pipe(take(4), toArray()));
    await pair.client.send([{ data: shared }]);
    await pair.client.send([{ data: part }, { data: tracking }]);
    resizable.resize(4);
    expect(attempt(() => pair.client.send([{ data: tracking }]))).to.be.instanceOf(RangeError);
    resizable.resize(8);
    await pair.client.send([{ data: tracking }]);
    expect((await next).map(numberOf)).to.deep.equal([5, 6, 7, 7]);
  });

  it('may change after the call, though the message waits', async () => {
    using pair = await SocketPair.make();
    const fill = pair.client.send([{ data: message(1, 900_000) }]);
    const data = message(2, 8);
    const last = pair.client.send([{ data }]);
    data.fill(0xff);
    const next = lastValueFrom(pair.server.messages$.pipe(take(2), toArray()));
    await Promise.all([fill, last]);
    expect((await next)[1]?.data.equals(message(2, 8))).to.equal(true);
  });
});
