import { mkdirSync, renameSync, rmSync, symlinkSync, existsSync, chmodSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'chai';
import { firstValueFrom, take, toArray } from 'rxjs';
import { DescriptorSocket, type ConnectOptions } from '../../../binding/index.js';
import { DmaError } from '../../../streams/index.js';
import { BINDING, runChild } from '../support/child.js';
import { openDescriptors } from '../support/descriptors.js';
import { FRAMING, message, SocketFolder } from '../support/sockets.js';

async function failure(work: Promise<unknown>): Promise<DmaError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(DmaError);
  return error as DmaError;
}

describe('the path of a socket', () => {
  let folder: SocketFolder;
  let before: number;
  beforeEach(() => {
    folder = new SocketFolder();
    before = openDescriptors();
  });
  afterEach(() => {
    expect(openDescriptors(), 'descriptors').to.equal(before);
    folder[Symbol.dispose]();
  });

  const connect = (path: string, options: Partial<ConnectOptions> = {}): Promise<DmaError> =>
    failure(DescriptorSocket.connect(path, { framing: FRAMING, ...options }));
  const listen = (path: string): Promise<DmaError> => failure(DescriptorSocket.listen(path, { framing: FRAMING }));

  it('names the part that does not exist', async () => {
    const error = await connect(folder.path('a/b/socket'));
    expect(error.code).to.equal('ENOENT');
    expect(error.message).to.contain(`${folder.path('a')} does not exist`);
    symlinkSync('nothing', folder.path('link'));
    expect((await connect(folder.path('link'))).message).to.contain('a symbolic link to nothing');
    const listening = await listen(folder.path('a/b/socket'));
    expect(listening).to.include({ code: 'ENOENT', hint: `Create the folder: mkdir -p ${folder.path('a/b')}.` });
  });

  it('names the file that is where a folder is needed', async () => {
    writeFileSync(folder.path('file'), '');
    for (const work of [connect, listen]) {
      const error = await work(folder.path('file/a/socket'));
      expect(error.code).to.equal('ENOTDIR');
      expect(error.message).to.contain(`${folder.path('file')} is not a directory`);
    }
  });

  it('says that no socket can be made where the folder exists', async () => {
    for (const path of ['/proc/socket', `${folder.path('name')}/`]) {
      const error = await listen(path);
      expect(error.code).to.equal('ENOENT');
      expect(error.message).to.contain('no file can be made there');
      expect(error.hint).not.to.contain('mkdir');
    }
  });

  it('says what is there when it is no socket, and when nobody listens', async () => {
    writeFileSync(folder.path('file'), '');
    mkdirSync(folder.path('folder'));
    expect(await connect(folder.path('file'))).to.have.property('code', 'ECONNREFUSED');
    expect((await connect(folder.path('file'))).message).to.contain('it is a regular file, not a socket');
    expect((await connect(folder.path('folder'))).message).to.contain('it is a directory, not a socket');
    const listener = await DescriptorSocket.listen(folder.path('old'), { framing: FRAMING });
    renameSync(folder.path('old'), folder.path('left'));
    listener.close();
    const error = await connect(folder.path('left'));
    expect(error.code).to.equal('ECONNREFUSED');
    expect(error.message).to.contain('nobody listens there');
  });

  it('is refused above 107 bytes, with a way out', async () => {
    const long = folder.path('ä'.repeat(50));
    for (const error of [await connect(long), await listen(long)]) {
      expect(error.code).to.equal('ENAMETOOLONG');
      expect(error.message).to.contain(`the path has ${Buffer.byteLength(long)} bytes`);
      expect(error.hint).to.contain('relative to the working directory');
    }
  });

  it('has to be of a stream socket', () => {
    const { stdout, stderr } = runChild(`
      import { spawnSync } from 'node:child_process';
      const path = ${JSON.stringify(folder.path('datagrams'))};
      spawnSync('python3', ['-c', 'import socket, sys; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind(sys.argv[1])', path]);
      const { DescriptorSocket } = await import(BINDING);
      const framing = ${JSON.stringify(FRAMING)};
      await DescriptorSocket.connect(path, { framing }).catch((error) => console.log(error.code));
    `);
    // The program that has made it has ended: the kernel may notice that first.
    expect(['EPROTOTYPE', 'ECONNREFUSED']).to.include(stdout, stderr);
  });

  it('in use is an error that names what is there; what is there stays', async () => {
    using listener = await DescriptorSocket.listen(folder.path(), { framing: FRAMING });
    const error = await listen(folder.path());
    expect(error.code).to.equal('EADDRINUSE');
    expect(error.hint).to.contain(`rm ${folder.path()}`);
    writeFileSync(folder.path('file'), 'text');
    expect((await listen(folder.path('file'))).message).to.contain('there is a regular file already');
    expect(existsSync(folder.path('file'))).to.equal(true);
    const accepted = firstValueFrom(listener.connections$);
    using client = await DescriptorSocket.connect(folder.path(), { framing: FRAMING });
    (await accepted).close();
    expect(client.isClosed).to.equal(false);
  });

  it('is removed by close, but not what is there instead', async () => {
    const listener = await DescriptorSocket.listen(folder.path(), { framing: FRAMING });
    listener.close();
    listener.close();
    expect(existsSync(folder.path())).to.equal(false);
    const replaced = await DescriptorSocket.listen(folder.path(), { framing: FRAMING });
    rmSync(folder.path());
    using other = await DescriptorSocket.listen(folder.path(), { framing: FRAMING });
    replaced.close();
    expect(existsSync(folder.path())).to.equal(true);
    expect(other.isClosed).to.equal(false);
  });

  it('names the folder, or the socket, that this user has no permission for', async () => {
    mkdirSync(folder.path('private'), { mode: 0o700 });
    chmodSync(dirname(folder.folder), 0o755);
    chmodSync(folder.folder, 0o755);
    using listener = await DescriptorSocket.listen(folder.path('root'), { framing: FRAMING });
    chmodSync(folder.path('root'), 0o600);
    const program = `
      const { DescriptorSocket } = await import(${JSON.stringify(BINDING)});
      const framing = ${JSON.stringify(FRAMING)};
      const folder = ${JSON.stringify(folder.folder)};
      for (const name of ['private/socket', 'root']) {
        await DescriptorSocket.connect(folder + '/' + name, { framing }).catch((error) => console.log(error.message));
      }
      for (const name of ['private/socket', 'new']) {
        await DescriptorSocket.listen(folder + '/' + name, { framing }).catch((error) => console.log(error.message));
      }`;
    const options = process.geteuid?.() === 0 ? { uid: 65_534 } : {};
    const { stdout, stderr } = runChild(program, options);
    listener.close();
    if (process.geteuid?.() === 0) {
      expect(stdout.split('\n'), stderr).to.deep.equal([
        `EACCES: cannot connect to ${folder.path('private/socket')}: no permission to search ${folder.path('private')}`,
        `EACCES: cannot connect to ${folder.path('root')}: no permission to write ${folder.path('root')}`,
        `EACCES: cannot listen at ${folder.path('private/socket')}: no permission to write ${folder.path('private')}, bind`,
        `EACCES: cannot listen at ${folder.path('new')}: no permission to write ${folder.folder}, bind`,
      ]);
    } else {
      console.warn('      NOT RUN: the folders of another user (root can)');
    }
  });
});

describe('a listener that does not accept', () => {
  /** Connects until the kernel lets further connections wait. */
  async function fill(path: string): Promise<DescriptorSocket[]> {
    const sockets: DescriptorSocket[] = [];
    for (;;) {
      try {
        sockets.push(await DescriptorSocket.connect(path, { framing: FRAMING, timeout: 0 }));
      } catch (error) {
        expect(error).to.have.property('code', 'ETIMEDOUT');
        return sockets;
      }
    }
  }

  it('lets a connection wait, until it accepts, the time is over, or the signal is aborted', async () => {
    using folder = new SocketFolder();
    using listener = await DescriptorSocket.listen(folder.path(), { framing: FRAMING });
    const before = openDescriptors();
    const waiting = await fill(folder.path());
    expect(waiting).to.have.length(129);
    const controller = new AbortController();
    const aborted = failure(
      DescriptorSocket.connect(folder.path(), { framing: FRAMING, signal: controller.signal, timeout: 2 ** 31 - 1 }),
    );
    const late = DescriptorSocket.connect(folder.path(), { framing: FRAMING });
    const timedOut = await failure(DescriptorSocket.connect(folder.path(), { framing: FRAMING, timeout: 5 }));
    expect(timedOut.code).to.equal('ETIMEDOUT');
    expect(timedOut.message).to.contain('5 ms');
    controller.abort(new Error('enough'));
    expect(await aborted).to.have.property('code', 'ABORT_ERR');
    expect((await aborted).cause).to.have.property('message', 'enough');
    const accepted = await firstValueFrom(listener.connections$.pipe(take(130), toArray()));
    for (const socket of [...waiting, ...accepted, await late]) {
      socket.close();
    }
    expect(openDescriptors()).to.equal(before);
  });

  it('leaves nothing open when the signal is aborted after the call, though the connection was made within it', async () => {
    using folder = new SocketFolder();
    using listener = await DescriptorSocket.listen(folder.path(), { framing: FRAMING });
    expect(listener.isClosed).to.equal(false);
    const before = openDescriptors();
    const controller = new AbortController();
    const error = failure(DescriptorSocket.connect(folder.path(), { framing: FRAMING, signal: controller.signal }));
    controller.abort();
    expect(await error).to.have.property('code', 'ABORT_ERR');
    expect(openDescriptors()).to.equal(before);
  });

  it('accepts no connection that nobody is there for', async () => {
    using folder = new SocketFolder();
    using listener = await DescriptorSocket.listen(folder.path(), { framing: FRAMING });
    const clients = [1, 2, 3].map(() => DescriptorSocket.connect(folder.path(), { framing: FRAMING }));
    for (const [index, client] of (await Promise.all(clients)).entries()) {
      await client.send([{ data: message(index) }]);
    }
    for (const index of [0, 1, 2]) {
      using server = await firstValueFrom(listener.connections$);
      expect((await firstValueFrom(server.messages$)).data.readUInt32LE()).to.equal(index);
      (await clients[index])?.close();
    }
  });

  it('reports that this process has too many open files, and goes on when asked to', () => {
    using folder = new SocketFolder();
    const { stdout, stderr } = runChild(
      `
      const { DescriptorSocket } = await import(BINDING);
      const { openSync, closeSync } = await import('node:fs');
      const framing = ${JSON.stringify(FRAMING)};
      const path = ${JSON.stringify(folder.path())};
      const listener = await DescriptorSocket.listen(path, { framing });
      const client = await DescriptorSocket.connect(path, { framing });
      const fds = [];
      try { for (;;) fds.push(openSync('/dev/null')); } catch {}
      const first = () => new Promise((settle, fail) => listener.connections$.subscribe({ next: settle, error: fail }));
      await first().catch((error) => console.log(error.code));
      await DescriptorSocket.connect(path, { framing }).catch((error) => console.log(error.code, error.hint));
      fds.forEach((fd) => closeSync(fd));
      const server = await first();
      server.close(); client.close(); listener.close();
    `,
      { through: ['sh', '-c', 'ulimit -n 60 && exec "$0" "$@"'] },
    );
    expect(stdout, stderr).to.equal('EMFILE\nEMFILE This process has too many open files: see ulimit -n.');
  });
});

describe('arguments of sockets', () => {
  const framing = FRAMING;
  const wrong: readonly [string, unknown, unknown][] = [
    ['path', 7, { framing }],
    ['path', '', { framing }],
    ['path', '\0abstract', { framing }],
    ['options', '/tmp/x', undefined],
    ['framing', '/tmp/x', {}],
    ['framing.headerBytes', '/tmp/x', { framing: { ...framing, headerBytes: 3 } }],
    ['framing.lengthAt', '/tmp/x', { framing: { ...framing, lengthAt: 5 } }],
    ['framing.lengthOf', '/tmp/x', { framing: { ...framing, lengthOf: 'all' } }],
    ['framing.maxBytes', '/tmp/x', { framing: { ...framing, maxBytes: 2 ** 31 } }],
    ['options.timeout', '/tmp/x', { framing, timeout: -1 }],
    ['options.signal', '/tmp/x', { framing, signal: {} }],
  ];

  for (const [name, path, options] of wrong) {
    it(`are refused by name: ${name} of ${JSON.stringify({ path, options })}`, async () => {
      const connecting = DescriptorSocket.connect(path as string, options as ConnectOptions);
      const error: unknown = await connecting.catch((reason: unknown) => reason);
      expect(error).to.satisfy((value: unknown) => value instanceof TypeError || value instanceof RangeError);
      expect((error as Error).message).to.contain(name);
    });
  }

  it('cannot make one by the constructor', () => {
    expect(() => new (DescriptorSocket as unknown as new () => unknown)()).to.throw(
      TypeError,
      'DescriptorSocket.connect',
    );
  });
});
