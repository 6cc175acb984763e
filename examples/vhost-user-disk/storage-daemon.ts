import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DmaError } from 'dma-streams';
import { SECTOR } from './block-requests.js';

/** In milliseconds. */
const PATIENCE = 10_000;
const INTERVAL = 20;

/** The program is not installed, or does not start. */
export class NoDaemonError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** A small image of which every sector says its number. */
export function makeImage(bytes: number): Buffer {
  const image = Buffer.alloc(bytes);
  for (let sector = 0; sector < bytes / SECTOR; sector++) {
    image.write(`sector ${sector}`, sector * SECTOR);
  }
  return image;
}

/** `qemu-storage-daemon`, which serves an image to one client at a time. It ends with this process. */
export class StorageDaemon implements AsyncDisposable {
  readonly #folder: string;
  readonly #process: ChildProcess;
  #ended: string | undefined;

  constructor(image: Buffer) {
    this.#folder = mkdtempSync(join(tmpdir(), 'vhost-user-disk-'));
    const file = join(this.#folder, 'image');
    writeFileSync(file, image);
    const options = [
      ...['--blockdev', `driver=file,node-name=disk,filename=${file}`],
      ...['--export', `type=vhost-user-blk,id=export,node-name=disk,addr.type=unix,addr.path=${this.#socket}`],
    ];
    this.#process = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-storage-daemon', ...options], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let complaints = '';
    this.#process.stderr?.on('data', (data: Buffer) => (complaints += data.toString()));
    this.#process.once('error', (error) => (this.#ended = error.message));
    this.#process.once('close', (status) => (this.#ended ??= complaints.trim() || `status ${String(status)}`));
  }

  /**
   * Calls `connect` with the path of the socket until the daemon listens there.
   *
   * @throws NoDaemonError if the daemon ends instead
   */
  async whenListening<T>(connect: (path: string) => Promise<T>): Promise<T> {
    for (const deadline = Date.now() + PATIENCE; ;) {
      try {
        return await connect(this.#socket);
      } catch (error) {
        const isEarly = error instanceof DmaError && (error.code === 'ENOENT' || error.code === 'ECONNREFUSED');
        if (this.#ended !== undefined) {
          throw new NoDaemonError(
            `qemu-storage-daemon does not start: ${this.#ended}`,
            'Debian and Ubuntu have it in the package qemu-system-common, newer releases in qemu-utils.',
          );
        }
        if (!isEarly || Date.now() > deadline) {
          throw error;
        }
        await sleep(INTERVAL);
      }
    }
  }

  /** Kills the daemon, and removes its image and its socket. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended === undefined) {
      const closed = once(this.#process, 'close');
      this.#process.kill('SIGKILL');
      await closed;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #socket(): string {
    return join(this.#folder, 'socket');
  }
}
