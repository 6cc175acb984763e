import { closeSync, fstatSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { Memfd, type DescriptorMessage, type MessageFraming } from '../../../binding/index.js';
import { openDescriptors } from '../support/descriptors.js';
import { codeOf } from '../support/outcomes.js';
import { FRAMING, message, numberOf, RawPeer } from '../support/sockets.js';

/** What has arrived: the numbers of messages, and of the files that came with each. */
interface Arrived {
  readonly number: number;
  readonly files: readonly number[];
}

interface Part {
  /** Where it ends in the stream of bytes. */
  readonly end: number;
  /** The files that are sent with it. */
  readonly files: readonly number[];
}

const RUNS = 150;

describe('a peer that sends anything', () => {
  let files: readonly Memfd[];
  let inodes: readonly number[];
  before(() => {
    files = [0, 1, 2, 3].map((index) => Memfd.create(`fuzz${index}`, 4096n));
    inodes = files.map(({ fd }) => fstatSync(fd).ino);
  });
  after(() => {
    files.forEach((file) => {
      file.close();
    });
  });

  function filesOf(arrived: DescriptorMessage, takes: boolean): readonly number[] {
    if (!takes) {
      return Array<number>(arrived.descriptorCount).fill(-1);
    }
    return arrived.takeDescriptors().map((fd) => {
      const index = inodes.indexOf(fstatSync(fd).ino);
      closeSync(fd);
      return index;
    });
  }

  /** Sends the bytes in parts and closes; what arrives meanwhile and afterwards, and the end. */
  async function exchange(
    bytes: Uint8Array,
    parts: readonly Part[],
    framing: MessageFraming,
    takes: (count: number) => boolean,
  ): Promise<{ arrived: Arrived[]; end: string }> {
    const before = openDescriptors();
    const peer = await RawPeer.make(framing);
    const arrived: Arrived[] = [];
    const ended = new Promise<string>((settle) => {
      peer.socket.messages$.subscribe({
        next: (received) => {
          arrived.push({
            number: received.data.length < 4 ? -1 : numberOf(received),
            files: filesOf(received, takes(arrived.length)),
          });
        },
        error: (error: unknown) => {
          settle(codeOf(error));
        },
        complete: () => {
          settle('ok');
        },
      });
    });
    let start = 0;
    for (const { end, files: sent } of parts) {
      if (end > start) {
        const descriptors = sent.map((index) => files[index]?.fd ?? -1);
        if (peer.send(bytes.subarray(start, end), descriptors) < 0) {
          break;
        }
        start = end;
      }
      if (start % 3 === 0) {
        await new Promise((settle) => setImmediate(settle));
      }
    }
    peer.close();
    const end = await ended;
    peer[Symbol.dispose]();
    expect(openDescriptors(), 'descriptors').to.equal(before);
    return { arrived, end };
  }

  const partsOf = (length: number): fc.Arbitrary<Part[]> =>
    fc
      .array(
        fc.record({
          end: fc.nat({ max: length }),
          files: fc.array(fc.nat({ max: 3 }), { maxLength: 6 }),
        }),
        { maxLength: 12 },
      )
      .map((parts) => [...parts.sort((one, other) => one.end - other.end), { end: length, files: [] }]);

  /** Which messages arrive whole, with which files, by the rule: a file belongs to the message in whose bytes its part begins. */
  function expected(
    lengths: readonly number[],
    length: number,
    parts: readonly Part[],
  ): { arrived: Arrived[]; end: string } {
    const ends: number[] = [];
    let sum = 0;
    for (const payload of lengths) {
      sum += FRAMING.headerBytes + payload;
      ends.push(sum);
    }
    const files = lengths.map((): number[] => []);
    let start = 0;
    for (const part of parts) {
      if (part.end > start) {
        files[ends.findIndex((end) => end > start)]?.push(...part.files);
        start = part.end;
      }
    }
    const arrived: Arrived[] = [];
    for (const [number, end] of ends.entries()) {
      const came = files[number] ?? [];
      if (came.length > 16) {
        return { arrived, end: 'E2BIG' };
      }
      if (end > length) {
        return { arrived, end: (ends[number - 1] ?? 0) < length ? 'EPROTO' : 'ok' };
      }
      arrived.push({ number, files: came });
    }
    return { arrived, end: 'ok' };
  }

  it('in any parts, with any descriptors, cut anywhere: whole messages arrive with theirs', async () => {
    const streams = fc
      .record({
        lengths: fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 6 }),
        cut: fc.double({ min: 0, max: 1, noNaN: true }),
      })
      .chain(({ lengths, cut }) => {
        const bytes = Buffer.concat(lengths.map((length, number) => message(number, length)));
        // Half of them are whole.
        const length = cut < 0.5 ? bytes.length : Math.floor((cut - 0.5) * 2 * bytes.length);
        return fc.record({
          lengths: fc.constant(lengths),
          bytes: fc.constant(bytes.subarray(0, length)),
          parts: partsOf(length),
        });
      });
    await fc.assert(
      fc.asyncProperty(streams, async ({ lengths, bytes, parts }) => {
        const result = await exchange(bytes, parts, FRAMING, () => true);
        expect(result).to.deep.equal(expected(lengths, bytes.length, parts));
      }),
      { numRuns: RUNS },
    );
  }).timeout(60_000);

  it('in any bytes ends the connection in one of the known ways, and leaves no descriptor', async () => {
    const framings = fc.constantFrom<MessageFraming>(
      { headerBytes: 4, lengthAt: 0, lengthOf: 'payload', maxBytes: 64 },
      { headerBytes: 5, lengthAt: 1, lengthOf: 'message', maxBytes: 1 << 16 },
      { headerBytes: 12, lengthAt: 8, lengthOf: 'payload', maxBytes: 1 << 26 },
    );
    // Small numbers are frequent, so that some lengths are possible.
    const byte = fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat({ max: 20 }), fc.nat({ max: 255 }));
    const streams = fc
      .array(byte, { maxLength: 200 })
      .chain((bytes) => fc.record({ bytes: fc.constant(Uint8Array.from(bytes)), parts: partsOf(bytes.length) }));
    await fc.assert(
      fc.asyncProperty(streams, framings, fc.boolean(), async ({ bytes, parts }, framing, takes) => {
        const { end } = await exchange(bytes, parts, framing, (count) => takes && count % 2 === 0);
        expect(end).to.be.oneOf(['ok', 'EPROTO', 'EMSGSIZE', 'EBADMSG', 'E2BIG']);
      }),
      { numRuns: RUNS },
    );
  }).timeout(60_000);
});
