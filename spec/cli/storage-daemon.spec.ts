import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, truncateSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { commitsAt, dmaStreams, MAIN, PACKAGE, TemporaryTraces } from './support/command.js';

const PROGRAM = 'qemu-storage-daemon';
const BOOT = `${PACKAGE}examples/traces/q35-boot.jsonl`;

describe('dma-streams replay at qemu-storage-daemon', function () {
  this.timeout(60_000);
  if (spawnSync(PROGRAM, ['--version']).status !== 0) {
    it(`NOT RUN: ${PROGRAM} is not installed: npm run lab:setup installs it`);
    return;
  }
  let files: TemporaryTraces;
  let daemon: ChildProcess;
  let socket: string;

  beforeEach(async () => {
    files = new TemporaryTraces();
    const image = files.write('image', '');
    truncateSync(image, 1 << 20);
    socket = files.path('socket');
    const disk = `driver=file,node-name=d,filename=${image}`;
    const server = `type=vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=${socket},writable=on`;
    daemon = spawn(PROGRAM, ['--blockdev', disk, '--export', server], { stdio: 'ignore' });
    while (!existsSync(socket) && daemon.exitCode === null) {
      await sleep(10);
    }
  });

  afterEach(() => {
    daemon.kill('SIGKILL');
    files[Symbol.dispose]();
  });

  it('shares the memory of a PC, twice in a row, and it serves on', async () => {
    for (const target of [`vhost-user:${socket}`, `vhost-user:${socket},read-only=share`]) {
      const { stdout, stderr, status } = await dmaStreams(['replay', BOOT, '--target', target, '--target', 'soft']);
      expect(stderr).to.equal('');
      expect(stdout.replace(/\s+/g, ' '))
        .to.contain(`It shares ${target.includes('share') ? 11 : 7} of 11 mappings`)
        .and.contain('All 8 commits reached all 2 targets, and the DMA check passed.');
      expect(status).to.equal(0);
    }
    expect(daemon.exitCode).to.equal(null);
  });

  it('that is killed in a recorded wait is gone since the next commit, which is undone', async () => {
    const trace = files.write('t.jsonl', commitsAt(0, 1000, 1001));
    const args = ['replay', trace, '--speed', 'real', '--target', `vhost-user:${socket}`, '--json'];
    const replay = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
    let stdout = '';
    replay.stdout.on('data', (data: Buffer) => {
      stdout += data.toString();
      if (stdout.includes('"op":"commit"')) {
        daemon.kill('SIGKILL');
      }
    });
    const [status] = (await once(replay, 'close')) as [number];
    const { gone, failures } = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, object[]>;
    expect(gone).to.have.lengthOf(1);
    expect(gone?.[0]).to.include({ target: `vhost-user:${socket}`, commit: 1 });
    expect(failures?.[0]).to.include({ commit: 1, code: 'ERR_TARGET_GONE' });
    expect(status).to.equal(1);
  });
});
