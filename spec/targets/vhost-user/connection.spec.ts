import { expect } from 'chai';
import { closeSync, fstatSync } from 'node:fs';
import { VhostUserConnection } from '../../../targets/index.js';
import { openDescriptors } from '../../binding/support/descriptors.js';
import { eachWithBench, failure, TABLE } from './support/bench.js';
import * as wire from './support/fake-back-end.js';

/** VIRTIO_BLK_F_RO. */
const READ_ONLY = 1n << 5n;
const PROTOCOL_FEATURES = 1n << 30n;
const VERSION_1 = 1n << 32n;

describe('VhostUserConnection', () => {
  const bench = eachWithBench();

  it('agrees on the features that are wanted, and on the protocol features that are served', async () => {
    const backEnd = await bench.backEnd({ protocolFeatures: (1n << 64n) - 1n, slots: 509 });
    const connection = await bench.connect(backEnd.path, { features: READ_ONLY });
    expect(connection.features).to.equal(READ_ONLY | PROTOCOL_FEATURES | VERSION_1);
    expect(connection.protocolFeatures).to.equal(0x8209n);
    expect(connection.maxSlots).to.equal(509);
    expect(backEnd.received.map(({ request }) => request)).to.deep.equal([
      ...[wire.GET_FEATURES, wire.SET_OWNER, wire.GET_PROTOCOL_FEATURES, wire.SET_PROTOCOL_FEATURES],
      ...[wire.SET_FEATURES, wire.GET_MAX_MEM_SLOTS, wire.GET_FEATURES],
    ]);
    const [, , , protocolFeatures, features] = backEnd.received;
    expect(protocolFeatures?.payload).to.deep.equal(wire.u64(0x8209n));
    expect(features?.payload).to.deep.equal(wire.u64(READ_ONLY | PROTOCOL_FEATURES | VERSION_1));
    expect(features?.needReply).to.equal(true);
  });

  it('wants nothing but bits 30 and 32 by default, and takes only what is offered', async () => {
    for (const offered of [0n, PROTOCOL_FEATURES, VERSION_1, PROTOCOL_FEATURES | VERSION_1 | READ_ONLY]) {
      const backEnd = await bench.backEnd({ features: offered });
      const connection = await bench.connect(backEnd.path);
      expect(connection.features).to.equal(offered & (PROTOCOL_FEATURES | VERSION_1));
      const asked = backEnd.received.some(({ request }) => request === wire.GET_PROTOCOL_FEATURES);
      expect(asked).to.equal((offered & PROTOCOL_FEATURES) !== 0n);
      expect(connection.protocolFeatures).to.equal(asked ? 0x8209n : 0n);
    }
  });

  it('names the features that are not offered, and agrees on nothing', async () => {
    const backEnd = await bench.backEnd();
    const error = await failure(
      VhostUserConnection.connect(backEnd.path, { features: READ_ONLY | (1n << 9n) | (1n << 63n) }),
    );
    expect(error).to.include({ code: 'EOPNOTSUPP' });
    expect(error.message).to.contain('bits 9, 63');
    expect(error.hint).to.contain('It offers bits 5, 30, 32');
    expect(backEnd.takeRequests()).to.deep.equal([wire.GET_FEATURES]);
  });

  it('rejects when the back end refuses the features, and goes on', async () => {
    const backEnd = await bench.backEnd();
    backEnd.failOnce(wire.SET_FEATURES, 1);
    const error = await failure(VhostUserConnection.connect(backEnd.path));
    expect(error).to.include({ code: 'EIO', request: 'VHOST_USER_SET_FEATURES' });
  });

  it('answers requests in order, with their replies, also when they are sent together', async () => {
    const { backEnd, connection } = await bench.attached({
      answer: ({ request, payload }) => (request === wire.GET_CONFIG ? Buffer.from([...payload, 7]) : undefined),
    });
    const replies = await Promise.all([
      connection.request(wire.GET_QUEUE_NUM),
      connection.request(wire.SET_OWNER),
      connection.request(wire.GET_CONFIG, Buffer.from([1, 2, 3])),
      connection.request(wire.GET_FEATURES),
    ]);
    expect(replies.map(({ payload }) => payload.toString('hex'))).to.deep.equal([
      '0400000000000000',
      '',
      '01020307',
      wire.u64(READ_ONLY | PROTOCOL_FEATURES | VERSION_1).toString('hex'),
    ]);
    expect(backEnd.received.map(({ needReply }) => needReply)).to.deep.equal([false, true, false, false]);
  });

  it('sends descriptors, and hands over those of a reply', async () => {
    const memfd = bench.memfd(3);
    const { backEnd, connection } = await bench.attached({
      answer: ({ request }) =>
        request === wire.GET_INFLIGHT_FD ? { payload: wire.u64(9n), fds: [memfd.fd] } : undefined,
    });
    await connection.request(12, wire.u64(0n), [memfd.fd]);
    expect(backEnd.received[0]).to.include({ request: 12, fds: 1 });
    const { payload, fds } = await connection.request(wire.GET_INFLIGHT_FD, new Uint8Array(16));
    expect(payload).to.deep.equal(wire.u64(9n));
    expect(fds).to.have.length(1);
    expect(fstatSync(fds[0] as number).size).to.equal(3 * 4096);
    closeSync(fds[0] as number);
  });

  it('closes descriptors that nobody takes', async () => {
    const memfd = bench.memfd(1);
    const { connection } = await bench.attached({
      answer: ({ request }) => (request === 12 ? { payload: wire.u64(0n), fds: [memfd.fd, memfd.fd] } : undefined),
    });
    const before = openDescriptors();
    await connection.request(12);
    await connection.request(wire.GET_FEATURES);
    expect(openDescriptors()).to.equal(before);
  });

  it('closes descriptors that come with a reply which has none, while it connects and afterwards', async () => {
    const memfd = bench.memfd(1);
    const { GET_FEATURES, GET_PROTOCOL_FEATURES, GET_MAX_MEM_SLOTS, GET_CONFIG } = wire;
    const replies = new Map([
      [GET_FEATURES, 5n << 30n],
      [GET_PROTOCOL_FEATURES, 0x8208n],
      [GET_MAX_MEM_SLOTS, 32n],
      [GET_CONFIG, 1n],
    ]);
    const withFds = await bench.backEnd({
      answer({ request }) {
        const number = replies.get(request);
        return number === undefined ? undefined : { payload: wire.u64(number), fds: [memfd.fd, memfd.fd] };
      },
    });
    const without = await bench.backEnd();
    const before = openDescriptors();
    await bench.connect(without.path);
    const ofConnection = openDescriptors() - before;
    const connection = await bench.connect(withFds.path);
    expect(openDescriptors()).to.equal(before + 2 * ofConnection);
    expect((await connection.request(GET_CONFIG)).fds).to.deep.equal([]);
    expect(openDescriptors()).to.equal(before + 2 * ofConnection);
  });

  it('rejects with EIO what the back end refuses, and goes on', async () => {
    const { backEnd, connection } = await bench.attached();
    backEnd.failOnce(18, 3);
    const error = await failure(connection.request(18, Buffer.alloc(8)));
    expect(error).to.include({ code: 'EIO', request: 'VHOST_USER_SET_VRING_ENABLE' });
    expect(error.message).to.contain('with 3');
    expect((await connection.request(wire.GET_QUEUE_NUM)).payload).to.deep.equal(wire.u64(4n));
  });

  it('does not wait for acks that were not agreed', async () => {
    const { backEnd, connection } = await bench.attached({ protocolFeatures: 0n });
    expect((await connection.request(wire.SET_OWNER)).payload).to.have.length(0);
    await connection.request(wire.GET_FEATURES);
    expect(backEnd.received.map(({ needReply }) => needReply)).to.deep.equal([false, false]);
  });

  it('takes answers that come late, and in pieces of any number', async () => {
    const pending: (() => void)[] = [];
    const { connection } = await bench.attached({
      ...TABLE,
      send: (answer, send) => {
        pending.push(() => {
          send(answer);
        });
        setImmediate(() => {
          pending.shift()?.();
        });
      },
    });
    const replies = Array.from({ length: 50 }, () => connection.request(wire.GET_QUEUE_NUM));
    expect(await Promise.all(replies)).to.have.length(50);
  });

  it('refuses arguments that make no sense, and sends nothing', async () => {
    const { backEnd, connection } = await bench.attached();
    const calls: readonly [text: string, kind: ErrorConstructor, call: () => Promise<unknown>][] = [
      ['path', TypeError, () => VhostUserConnection.connect(5 as never)],
      ['options', TypeError, () => VhostUserConnection.connect(backEnd.path, null as never)],
      ['features', TypeError, () => VhostUserConnection.connect(backEnd.path, { features: 1 as never })],
      ['features', RangeError, () => VhostUserConnection.connect(backEnd.path, { features: -1n })],
      ['features', RangeError, () => VhostUserConnection.connect(backEnd.path, { features: 1n << 64n })],
      ['timeout', RangeError, () => VhostUserConnection.connect(backEnd.path, { timeout: 0 })],
      ['timeout', RangeError, () => VhostUserConnection.connect(backEnd.path, { timeout: 2 ** 31 })],
      ['signal', TypeError, () => VhostUserConnection.connect(backEnd.path, { signal: 1 as never })],
      ['number', RangeError, () => connection.request(0)],
      ['number', TypeError, () => connection.request('1' as never)],
      ['payload', TypeError, () => connection.request(1, 'x' as never)],
      ['at most', RangeError, () => connection.request(1, new Uint8Array(4097))],
      ['at most', RangeError, () => connection.request(1, new Uint8Array(0), Array(9).fill(0))],
      ['fds', TypeError, () => connection.request(1, new Uint8Array(0), [-1])],
      ...[5, 16, 37, 38]
        .map((number) => ['is sent by', RangeError, () => connection.request(number)] as const)
        .map((row) => [...row] as [string, ErrorConstructor, () => Promise<unknown>]),
    ];
    for (const [text, kind, call] of calls) {
      const error: unknown = await call().catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(kind);
      expect((error as Error).message).to.contain(text);
    }
    expect(await failure(connection.request(1, new Uint8Array(0), [1_000_000]))).to.include({ code: 'EBADF' });
    expect(backEnd.takeRequests()).to.deep.equal([]);
    expect(await connection.request(wire.GET_FEATURES)).to.have.property('payload');
  });
});
