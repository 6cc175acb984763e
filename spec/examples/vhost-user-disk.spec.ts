import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeImage } from '../../examples/vhost-user-disk/storage-daemon.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';
import { PACKAGE, plainEnvironment, type Ended } from '../cli/support/command.js';
import { PeerProcess } from '../../lab/peer-process.js';
import { installedProgram } from '../peers/support/program.js';

const PROGRAM = join(PACKAGE, 'dist/examples/vhost-user-disk.js');

/** Runs the example. */
async function runDisk(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: { ...plainEnvironment(), ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  const status = await new Promise<number>((resolve) => child.once('close', resolve));
  return { status, stdout, stderr };
}

describe('examples/vhost-user-disk.ts', () => {
  const daemon = installedProgram('qemu-storage-daemon');

  describe('where qemu-storage-daemon is installed', () => {
    before(function () {
      if (typeof daemon === 'string') {
        console.warn(`      ${daemon}: skipped`);
        this.skip();
      }
    });

    it('reads a sector, a memory module that is plugged in, and another sector when it is gone; nothing stays behind', async () => {
      const folder = temporaryFolder('disk-');
      const { status, stdout, stderr } = await runDisk([], { TMPDIR: folder });
      expect(stderr).to.equal('');
      expect(stdout).to.match(/^connected: the disk follows \d+ memory regions$/m);
      expect(stdout).to.contain('  sector 0 begins with "sector 0"');
      expect(stdout).to.match(/^ {2}32768 sectors read into it: SHA-256 [0-9a-f]{16}…, as the image$/m);
      expect(stdout).to.contain('  sector 7 begins with "sector 7"');
      expect(stdout.trimEnd().split('\n').at(-1)).to.equal('Nothing is shared any more');
      expect(status).to.equal(0);
      expect(readdirSync(folder)).to.deep.equal([]);
    });

    it('uses the disk that listens at a path', async () => {
      const image = join(temporaryFolder('image-'), 'disk');
      writeFileSync(image, makeImage(1 << 20));
      await using served = await PeerProcess.start((socket) => [
        ...['qemu-storage-daemon', '--blockdev', `driver=file,node-name=disk,filename=${image}`],
        ...['--export', `type=vhost-user-blk,id=export,node-name=disk,addr.type=unix,addr.path=${socket}`],
      ]);
      const { status, stdout, stderr } = await runDisk([served.socket]);
      expect(stderr).to.equal('');
      expect(stdout).to.contain('it has 2048 sectors');
      expect(stdout).to.contain('  sector 0 begins with "sector 0"');
      expect(stdout).to.match(/^ {2}2048 sectors read into it: SHA-256 [0-9a-f]{16}…$/m);
      expect(status).to.equal(0);
      expect(served.hasEnded).to.equal(false);
    });
  });

  it('ends with status 1 and the name of a package where qemu-storage-daemon is not installed', async () => {
    const path = join(temporaryFolder('path-'), 'bin');
    mkdirSync(path);
    symlinkSync('/usr/bin/setpriv', join(path, 'setpriv'));
    const { status, stdout, stderr } = await runDisk([], { PATH: path });
    expect(status).to.equal(1);
    expect(stdout).to.equal('');
    expect(stderr).to.match(
      /^vhost-user-disk: qemu-storage-daemon does not start: .+\n.*qemu-system-common.*qemu-utils/,
    );
  });

  it('ends with status 1 and the reason where nothing listens at the path', async () => {
    const { status, stderr } = await runDisk(['/nowhere/socket']);
    expect(status).to.equal(1);
    expect(stderr).to.match(/^vhost-user-disk: ENOENT: .*\/nowhere\/socket/);
  });
});
