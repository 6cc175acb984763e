import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { firstValueFrom, lastValueFrom, toArray, type Subscription } from 'rxjs';
import { temporaryFolder } from '../../lab/temporary-folder.js';
import { QemuSource, type QemuSourceOptions, type Section } from '../../sources/index.js';
import { DmaError } from '../../streams/index.js';
import { answerOf, FakeQmp, flatViewText, sectionLine } from './support/fake-qmp.js';

const RAM = sectionLine(0, 0x9ffff, 'ram');
const ONE = flatViewText([RAM]);
const TWO = flatViewText([RAM, sectionLine(0xc0000, 0xdffff, 'rom', 'rom')]);

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await sleep(2);
  }
}

function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

function names(sections: readonly Section[]): string[] {
  return sections.map(({ name }) => name);
}

async function expectError(promise: Promise<unknown>, code: string, message: RegExp, hint: RegExp): Promise<void> {
  const error = await failureOf(promise);
  expect(error).to.be.instanceOf(DmaError);
  const { code: actual, message: text, hint: advice } = error as DmaError;
  expect(actual).to.equal(code);
  expect(text).to.match(message);
  expect(advice).to.match(hint);
}

describe('QemuSource', () => {
  it('emits the sections at first, and after every change of them; a text that differs elsewhere is no change', async () => {
    await using qmp = await FakeQmp.listen(ONE);
    using source = await QemuSource.connect(qmp.path, { interval: 1 });
    expect(source.version).to.equal('11.1.3');
    const seen: string[][] = [];
    const ended = source.sections$.forEach((sections) => seen.push(names(sections)));
    await until(() => seen.length === 1);
    qmp.text = ONE.replace('FlatView #0', 'FlatView #7');
    const asked = qmp.asked;
    await until(() => qmp.asked > asked + 2);
    qmp.text = TWO;
    await until(() => seen.length === 2);
    await qmp.quit();
    await ended;
    expect(seen).to.deep.equal([['ram'], ['ram', 'rom']]);
  });

  it('asks once for all subscribers, gives a late one what there is, and does not ask while there are none', async () => {
    await using qmp = await FakeQmp.listen(ONE);
    using source = await QemuSource.connect(qmp.path, { interval: 600_000 });
    await sleep(20);
    expect(qmp.asked).to.equal(0);
    const first: Subscription = source.sections$.subscribe();
    expect(names(await firstValueFrom(source.sections$))).to.deep.equal(['ram']);
    expect(names(await firstValueFrom(source.sections$))).to.deep.equal(['ram']);
    expect(qmp.asked).to.equal(1);
    first.unsubscribe();
    qmp.text = TWO;
    await sleep(20);
    expect(qmp.asked).to.equal(1);
    // A new subscription begins with what is there now.
    expect(names(await firstValueFrom(source.sections$))).to.deep.equal(['ram', 'rom']);
    expect(qmp.asked).to.equal(2);
  });

  it('follows another address space, and lists all', async () => {
    const text = flatViewText([sectionLine(0, 0xfff, 'io')], 'I/O').replace('#0', '#1') + ONE;
    await using qmp = await FakeQmp.listen(text);
    using source = await QemuSource.connect(qmp.path, { addressSpace: 'I/O' });
    expect(await source.addressSpaces()).to.deep.equal(['I/O', 'memory']);
    expect(names(await firstValueFrom(source.sections$))).to.deep.equal(['io']);
    using wrong = await QemuSource.connect(qmp.path, { addressSpace: 'nothing' });
    await expectError(firstValueFrom(wrong.sections$), 'EPROTO', /no address space "nothing"/, /"I\/O", "memory"/);
  });

  it('completes when QEMU ends, and when it is closed', async () => {
    await using qmp = await FakeQmp.listen(ONE);
    const close = (source: QemuSource): Promise<void> => {
      source.close();
      return Promise.resolve();
    };
    for (const end of [close, () => qmp.quit()]) {
      using source = await QemuSource.connect(qmp.path, { interval: 600_000 });
      const all = lastValueFrom(source.sections$.pipe(toArray()));
      await firstValueFrom(source.sections$);
      await end(source);
      expect(await all).to.have.length(1);
    }
  });

  it('goes on with what has changed when QEMU comes back in time', async () => {
    await using qmp = await FakeQmp.listen(ONE);
    using source = await QemuSource.connect(qmp.path, { interval: 1, reconnect: 60_000 });
    const seen: string[][] = [];
    const connected: boolean[] = [];
    source.connected$.subscribe((isConnected) => connected.push(isConnected));
    const subscription = source.sections$.subscribe((sections) => seen.push(names(sections)));
    await until(() => seen.length === 1);
    for (const text of [ONE, TWO]) {
      await qmp.quit();
      await until(() => connected.at(-1) === false);
      qmp.text = text;
      const asked = qmp.asked;
      await qmp.open();
      await until(() => qmp.asked > asked + 1);
    }
    await until(() => seen.length === 2);
    expect(seen).to.deep.equal([['ram'], ['ram', 'rom']]);
    expect(connected).to.deep.equal([true, false, true, false, true]);
    subscription.unsubscribe();
  });

  it('connects once, also for a subscriber that comes while an earlier one has begun to', async () => {
    await using qmp = await FakeQmp.listen(ONE);
    using source = await QemuSource.connect(qmp.path, { interval: 1, reconnect: 60_000 });
    const first = source.sections$.subscribe();
    await until(() => qmp.asked > 0);
    await qmp.quit();
    qmp.isSilent = true;
    await qmp.open();
    await until(() => qmp.clients === 2);
    first.unsubscribe();
    const sections = firstValueFrom(source.sections$);
    // Time for a second connection, which must not come.
    await sleep(50);
    qmp.greetAll();
    expect(names(await sections)).to.deep.equal(['ram']);
    expect(qmp.clients).to.equal(2);
  });

  it('completes when QEMU does not come back in time', async () => {
    await using qmp = await FakeQmp.listen(ONE);
    using source = await QemuSource.connect(qmp.path, { interval: 1, reconnect: 20 });
    const all = lastValueFrom(source.sections$.pipe(toArray()));
    await firstValueFrom(source.sections$);
    await qmp.quit();
    expect(await all).to.have.length(1);
  });

  describe('refuses with a hint', () => {
    const folder = temporaryFolder('qmp-errors-');
    const connect = (path: string, options: QemuSourceOptions = {}): Promise<QemuSource> =>
      QemuSource.connect(path, { timeout: 50, ...options });

    it('a path where nothing is, or no socket, or where nobody listens', async () => {
      await expectError(connect(join(folder, 'none')), 'ENOENT', /no such file/, /-qmp unix:PATH/);
      writeFileSync(join(folder, 'file'), '');
      await expectError(connect(join(folder, 'file')), 'ENOTSOCK', /not a socket/, /-qmp unix:PATH/);
      const left = join(folder, 'left');
      const leave = `require('net').createServer().listen(${JSON.stringify(left)}, () => process.kill(process.pid, 'SIGKILL'))`;
      spawnSync(process.execPath, ['-e', leave]);
      await expectError(connect(left), 'ECONNREFUSED', /nobody listens/, /has ended/);
      await expectError(connect(`/tmp/${'x'.repeat(110)}`), 'ENAMETOOLONG', /at most 107 bytes/, /relative path/);
    });

    it('a socket that sends no greeting: it is busy, or that of a guest agent', async () => {
      await using silent = await FakeQmp.listen('', { greeting: '' });
      await expectError(
        connect(silent.path),
        'ETIMEDOUT',
        /no greeting of QMP for 50 ms/,
        /one client at a time.*guest agent/,
      );
    });

    for (const greeting of [
      "QEMU 7.2.22 monitor - type 'help'\r\n(qemu) ",
      '{"return":{}}\n',
      'null\n',
      '\u0000\u0001',
      '[1]\n',
    ]) {
      it(`a socket that sends ${JSON.stringify(greeting)}`, async () => {
        await using other = await FakeQmp.listen('', { greeting });
        await expectError(connect(other.path), 'EPROTO', /greeting of QMP/, /human monitor/);
      });
    }

    it('a socket that closes the connection at once', async () => {
      const path = join(folder, 'closing');
      const server = createServer((socket) => socket.destroy()).listen(path);
      await once(server, 'listening');
      await expectError(
        connect(path),
        'ECONNRESET',
        /the other end closed the connection/,
        /ended.*may be that of the human/,
      );
      server.close();
    });

    it('a connecting that is aborted, and arguments that are wrong', async () => {
      await using silent = await FakeQmp.listen('', { greeting: '' });
      const abort = new AbortController();
      const connecting = connect(silent.path, { timeout: 60_000, signal: abort.signal });
      abort.abort(new Error('enough'));
      expect(await failureOf(connecting)).to.have.property('code', 'ABORT_ERR');
      for (const options of [{ interval: 0 }, { timeout: NaN }, { reconnect: -1 }, { interval: 2 ** 32 }]) {
        expect(await failureOf(connect(silent.path, options))).to.be.instanceOf(RangeError);
      }
      expect(await failureOf(connect('', {}))).to.be.instanceOf(TypeError);
      expect(await failureOf(connect(silent.path, { addressSpace: 1 as never }))).to.be.instanceOf(TypeError);
    });
  });

  describe('ends with an error, and without a state that QEMU did not say', () => {
    /** The second answer is bad. */
    async function seenWith(
      second: (answer: string) => string | undefined,
      ends = false,
    ): Promise<[string[][], unknown]> {
      const good = answerOf(ONE);
      await using qmp = await FakeQmp.listen(ONE, {
        answer: (socket, asked) => {
          const text = asked === 1 ? good : second(answerOf(TWO));
          socket.write(text ?? '', () => {
            if (asked > 1 && ends) {
              socket.end();
            }
          });
        },
      });
      using source = await QemuSource.connect(qmp.path, { interval: 1, timeout: 50 });
      const seen: string[][] = [];
      const error = await failureOf(source.sections$.forEach((sections) => seen.push(names(sections))));
      return [seen, error];
    }

    const CASES: readonly (readonly [
      title: string,
      second: (answer: string) => string | undefined,
      ends: boolean,
      code: string,
      message: RegExp,
    ])[] = [
      ['QEMU that hangs', () => '', false, 'ETIMEDOUT', /has not answered 'info mtree -f' for 50 ms/],
      [
        'QEMU that ends in the middle of an answer',
        (answer) => answer.slice(0, 100),
        true,
        'ECONNRESET',
        /middle of an answer/,
      ],
      [
        'a dump that is cut short',
        () => answerOf(TWO.slice(0, TWO.indexOf('  00000000000c'))),
        false,
        'EPROTO',
        /cut short/,
      ],
      ['an answer that is no text', () => answerOf({}), false, 'EPROTO', /is not a text/],
      ['an answer that is no JSON', () => '{"return": \n', false, 'EPROTO', /not a message of QMP/],
      [
        'a command that is refused',
        () => '{"error":{"class":"CommandNotFound","desc":"no such thing"}}\n',
        false,
        'EPROTO',
        /refuses 'human-monitor-command': CommandNotFound: no such thing/,
      ],
      [
        'a monitor that does not know the command',
        () => answerOf("unknown command: 'info mtree'\r\n"),
        false,
        'EPROTO',
        /line 1/,
      ],
    ];
    for (const [title, second, ends, code, message] of CASES) {
      it(title, async () => {
        const [seen, error] = await seenWith(second, ends);
        expect(seen).to.deep.equal([['ram']]);
        expect(error).to.be.instanceOf(DmaError);
        expect(error).to.have.property('code', code);
        expect((error as DmaError).message).to.match(message);
        expect((error as DmaError).hint)
          .to.be.a('string')
          .and.not.equal('');
      });
    }

    it('QEMU that ends before it answers has just ended', async () => {
      expect(await seenWith(() => '', true)).to.deep.equal([[['ram']], undefined]);
    });
  });
});
