import { expect } from 'chai';
import { once } from 'node:events';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { VhostUserConnection } from '../../../targets/index.js';
import { eachWithBench, failure, type VhostUserBench } from './support/bench.js';
import { GET_FEATURES, reply, u64 } from './support/fake-back-end.js';
import { temporaryFolder } from '../../../lab/temporary-folder.js';

/** A server that does with each connection what `serve` does. Returns its path. */
async function peer(bench: VhostUserBench, serve: (socket: Socket) => void): Promise<string> {
  const folder = temporaryFolder('bad-peer-');
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    serve(socket);
  });
  bench.closeLater({
    close() {
      sockets.forEach((socket) => socket.destroy());
      server.close();
      rmSync(folder, { recursive: true });
    },
  });
  const path = join(folder, 'socket');
  server.listen(path);
  await once(server, 'listening');
  return path;
}

/** Answers that are none. */
const GARBAGE: Readonly<Record<string, Buffer>> = {
  'a monitor (QMP)': Buffer.from('{"QMP": {"version": {"qemu": {"micro": 22}}}}\r\n'),
  'an HTTP server': Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'),
  'a short greeting': Buffer.from('hi\n'),
  zeros: Buffer.alloc(64),
  'a reply to another request': reply(2, u64(0n)),
  'a reply with too short a payload': reply(GET_FEATURES, Buffer.alloc(4)),
  'a request, not a reply': patched(reply(GET_FEATURES, u64(0n)), 4, 1),
  'another version of the protocol': patched(reply(GET_FEATURES, u64(0n)), 4, 2 | 4),
  'a message of 4 GiB': patched(reply(GET_FEATURES, u64(0n)), 8, 0xffff_ffff),
};

function patched(message: Buffer, at: number, value: number): Buffer {
  message.writeUInt32LE(value, at);
  return message;
}

/** How bytes of answers are written. */
const WRITERS: Readonly<Record<string, (socket: Socket, answers: Buffer) => void>> = {
  'byte by byte': (socket, answers) => {
    for (const byte of answers) {
      socket.write(Buffer.from([byte]));
    }
  },
  'in halves, one of which comes later': (socket, answers) => {
    socket.write(answers.subarray(0, answers.length / 2));
    setTimeout(() => socket.write(answers.subarray(answers.length / 2)), 5);
  },
  'several times in one piece': (socket, answers) => socket.write(answers),
};

describe('VhostUserConnection and peers that are no back ends', () => {
  const bench = eachWithBench();

  for (const [what, greeting] of Object.entries(GARBAGE)) {
    for (const when of ['at once', 'as an answer']) {
      it(`tell that it does not speak vhost-user: ${what}, ${when}`, async () => {
        const path = await peer(bench, (socket) => {
          if (when === 'at once') {
            socket.end(greeting);
          } else {
            socket.once('data', () => socket.end(greeting));
          }
        });
        const error = await failure(VhostUserConnection.connect(path));
        expect(error).to.include({ code: 'EPROTO' });
        expect(error.message).to.contain(path).and.to.contain('does not speak vhost-user');
        expect(error.hint).to.contain('QMP');
      });
    }
  }

  it('tell that one closes the connection', async () => {
    const path = await peer(bench, (socket) => socket.destroy());
    const error = await failure(VhostUserConnection.connect(path));
    expect(error).to.include({ code: 'ECONNRESET' });
    expect(error.message).to.contain('closed the connection');
  });

  it('end with a time limit and a hint when one never answers', async () => {
    const path = await peer(bench, () => undefined);
    const error = await failure(VhostUserConnection.connect(path, { timeout: 30 }));
    expect(error).to.include({ code: 'ETIMEDOUT', request: 'VHOST_USER_GET_FEATURES' });
    expect(error.message).to.contain('within 30 ms');
    expect(error.hint).to.contain('serve one client at a time');
  });

  it('end so for the second client of a back end, while the first one is served', async () => {
    const { backEnd, connection } = await bench.attached();
    const error = await failure(VhostUserConnection.connect(backEnd.path, { timeout: 30 }));
    expect(error).to.include({ code: 'ETIMEDOUT' });
    expect(await connection.request(GET_FEATURES)).to.have.property('payload');
  });

  it('end when the connecting is aborted, before and while it waits for an answer', async () => {
    const path = await peer(bench, () => undefined);
    const reason = new Error('enough');
    const aborted = await failure(VhostUserConnection.connect(path, { signal: AbortSignal.abort(reason) }));
    expect(aborted).to.include({ code: 'ABORT_ERR', cause: reason });
    const controller = new AbortController();
    const connecting = failure(VhostUserConnection.connect(path, { signal: controller.signal }));
    setImmediate(() => {
      controller.abort(reason);
    });
    expect(await connecting).to.include({ code: 'ABORT_ERR', cause: reason });
  });

  it('end when the connecting is aborted in the same turn, or before any of its promises goes on', async () => {
    const path = await peer(bench, () => undefined);
    for (let later = 0; later < 8; later++) {
      const controller = new AbortController();
      const connecting = failure(VhostUserConnection.connect(path, { signal: controller.signal, timeout: 2000 }));
      for (let turn = 0; turn < later; turn++) {
        await Promise.resolve();
      }
      controller.abort();
      expect(await connecting, `after ${later} promises`).to.include({ code: 'ABORT_ERR' });
    }
  });

  it('tell that there is no socket, that it is none, and that nobody listens', async () => {
    const folder = temporaryFolder('no-peer-');
    bench.closeLater({
      close() {
        rmSync(folder, { recursive: true });
      },
    });
    const file = join(folder, 'file');
    writeFileSync(file, '');
    chmodSync(file, 0o600);
    expect(await failure(VhostUserConnection.connect(join(folder, 'none')))).to.include({ code: 'ENOENT' });
    expect(await failure(VhostUserConnection.connect(file))).to.include({ code: 'ECONNREFUSED' });
  });

  for (const [how, write] of Object.entries(WRITERS)) {
    it(`are not what answers ${how}`, async () => {
      const path = await peer(bench, (socket) => {
        answerAll(socket, write);
      });
      const connection = await bench.connect(path);
      const replies = await Promise.all([17, 3, 17, 1].map((number) => connection.request(number)));
      expect(replies.map(({ payload }) => payload.length)).to.deep.equal([8, 0, 8, 8]);
    });
  }
});

/** Answers every request as a back end with REPLY_ACK does. */
function answerAll(socket: Socket, write: (socket: Socket, answers: Buffer) => void): void {
  let input = Buffer.alloc(0);
  socket.on('data', (data: Buffer) => {
    input = Buffer.concat([input, data]);
    const answers: Buffer[] = [];
    while (input.length >= 12 && input.length >= 12 + input.readUInt32LE(8)) {
      const number = input.readUInt32LE(0);
      const needReply = (input.readUInt32LE(4) & 8) !== 0;
      input = input.subarray(12 + input.readUInt32LE(8));
      const value = new Map([
        [1, 1n << 30n],
        [15, 1n << 3n],
        [17, 2n],
      ]).get(number);
      if (value !== undefined || needReply) {
        answers.push(reply(number, u64(value ?? 0n)));
      }
    }
    if (answers.length > 0) {
      write(socket, Buffer.concat(answers));
    }
  });
}
