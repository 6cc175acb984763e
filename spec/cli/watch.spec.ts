import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { answerOf, FakeQmp, flatViewText, sectionLine } from '../sources/support/fake-qmp.js';
import { commitsAt, dmaStreams, line, MAIN, PACKAGE, plainEnvironment, TemporaryTraces } from './support/command.js';

const RAM = sectionLine(0, 0x9ffff, 'ram');
const ROM = sectionLine(0xc0000, 0xdffff, 'a\nb\u001b[31m', 'rom');

describe('dma-streams watch, without a terminal', function () {
  this.timeout(60_000);

  const traces = new TemporaryTraces();
  after(() => {
    traces[Symbol.dispose]();
  });

  it('writes a line for each mapping that comes or goes, and no escape sequence', async () => {
    const trace = traces.write('trace.jsonl', [
      line(),
      line({ commit: 1, op: 'remove' }),
      line({ commit: 1, name: '\u001b[2J\u202eevil\n', kind: 'romd' }),
    ]);
    const { status, stdout, stderr } = await dmaStreams(['watch', trace, '--target', 'soft', '--speed', 'max'], {
      env: { FORCE_COLOR: '' },
    });
    expect([status, stderr]).to.deep.equal([0, '']);
    expect(stdout).to.equal(
      [
        '1 + 0x0-0x100000  1 MiB  ram   ram0',
        '2 - 0x0-0x100000  1 MiB  ram   ram0',
        '2 + 0x0-0x100000  1 MiB  romd  ?[2J?evil?',
        'source: ended\n',
      ].join('\n'),
    );
  });

  it('follows QEMU until it hangs, and ends with 1; SIGINT ends it with 130', async () => {
    await using hung = await FakeQmp.listen('', {
      answer: (socket, asked) => asked < 3 && socket.write(answerOf(flatViewText(asked === 1 ? [RAM] : [RAM, ROM]))),
    });
    const ended = await dmaStreams(['watch', '--qmp', hung.path, '--interval', '5', '--timeout', '200']);
    expect(ended.status).to.equal(1);
    expect(ended.stdout).to.match(
      /^1 \+ 0x0-0xa0000 .*\n2 \+ 0xc0000-0xe0000 .*rom {3}a\?b\?\[31m\nerror: .*\nsource: failed\n$/,
    );
    expect(ended.stderr).to.match(/^dma-streams: .*has not answered.*; QEMU hangs/);

    await using qmp = await FakeQmp.listen(flatViewText([RAM]));
    const child = spawn(process.execPath, [MAIN, 'watch', '--qmp', qmp.path], {
      env: plainEnvironment(),
      cwd: PACKAGE,
    });
    const closed = once(child, 'close');
    await once(child.stdout, 'data');
    child.kill('SIGINT');
    expect(await closed).to.deep.equal([130, null]);
  });

  it('shows each commit of standard input as it arrives, and what a target refuses', async () => {
    const child = spawn(process.execPath, [MAIN, 'watch', '-', '--target', 'soft:exact,entries=1'], {
      env: plainEnvironment(),
      cwd: PACKAGE,
    });
    let shown = '';
    child.stdout.on('data', (data: Buffer) => (shown += data.toString()));
    const closed = once(child, 'close');
    for (const [index, each] of commitsAt(0, 0).entries()) {
      child.stdin.write(`${JSON.stringify({ ...each, lines: 1 })}\n`);
      while (shown.split('\n').length < index + 2) {
        await sleep(5);
      }
    }
    child.stdin.end();
    expect(await closed).to.deep.equal([0, null]);
    expect(shown).to.match(
      /^1 \+ .*ram0\nerror: commit 1 failed, and was undone everywhere: .*ENOSPC.*\nsource: ended\n$/,
    );
  });

  for (const [title, args, message] of [
    ['nothing to watch', [], /nothing to watch: give --qmp SOCKET, a trace, or --demo/],
    ['two sources', ['--demo', '--qmp', 'x'], /two sources/],
    ['a trace that is none', [`${PACKAGE}package.json`], /^dma-streams: .*package.json:1: /],
  ] as const) {
    it(`ends with 2: ${title}`, async () => {
      const { status, stdout, stderr } = await dmaStreams(['watch', ...args]);
      expect([status, stdout]).to.deep.equal([2, '']);
      expect(stderr).to.match(message);
    });
  }
});
