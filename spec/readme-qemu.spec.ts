import { spawn } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { temporaryFolder } from '../lab/temporary-folder.js';
import { MAIN, PACKAGE, plainEnvironment } from './cli/support/command.js';
import { answerOf, FakeQmp, flatViewText, sectionLine } from './sources/support/fake-qmp.js';
import { blocksOf } from './support/user-project.js';

const BLOCK =
  blocksOf(readFileSync(join(PACKAGE, 'README.md'), 'utf8'), 'sh').find((block) => block.includes('--qmp')) ?? '';

const COMMANDS = BLOCK.split('\n').filter((line) => line.startsWith('npx dma-streams '));

/** Answers each client once, and ends the connection when it asks again: QEMU has ended. */
function answerOnce(): (socket: Socket) => void {
  const answered = new WeakSet<Socket>();
  return (socket) => {
    if (answered.has(socket)) {
      socket.destroy();
    } else {
      answered.add(socket);
      socket.write(answerOf(flatViewText([sectionLine(0, 0x9ffff, 'ram')])));
    }
  };
}

describe('README: what it shows with a running QEMU', () => {
  const folder = temporaryFolder('readme-qemu-');
  let qmp: FakeQmp;

  before(async () => {
    qmp = await FakeQmp.listen('', { answer: answerOnce() });
    symlinkSync(qmp.path, join(folder, 'qmp.sock'));
    copyFileSync(join(PACKAGE, 'spec/qemu/recorded/q35-after.txt'), join(folder, 'mtree.txt'));
  });
  after(async () => {
    await qmp[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it('shows commands', () => {
    expect(COMMANDS).to.have.length.of.at.least(4);
  });

  // In their order: one replays what another has recorded.
  for (const command of COMMANDS) {
    it(`shows a command that works: ${command}`, async function () {
      this.timeout(60_000);
      const shell = spawn('sh', ['-c', command.replaceAll('npx dma-streams', '"$NODE" "$MAIN"')], {
        cwd: folder,
        env: { ...plainEnvironment(), NODE: process.execPath, MAIN },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const ended = new Promise((resolve) => shell.once('close', resolve));
      const [stderr, status] = await Promise.all([text(shell.stderr), ended, text(shell.stdout)]);
      expect(status, stderr).to.equal(0);
      expect(stderr).to.match(/^(dma-streams: QEMU has ended; recorded 1 commit .*\n)?$/);
    });
  }
});
