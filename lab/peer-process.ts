import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder } from './temporary-folder.js';

/** In milliseconds: until a back end listens, which takes some tens on an idle machine. */
const PATIENCE = 20_000;
const INTERVAL = 10;

/** Makes the command of a back end. */
export type PeerCommand = (socket: string) => readonly string[];

/** A back end that runs, in a folder of its own. It ends with this process, whatever ends that. */
export class PeerProcess implements AsyncDisposable {
  /** As a shell would start it. */
  readonly command: string;
  /** The socket that it listens on. */
  readonly socket: string;
  readonly #folder: string;
  readonly #process: ChildProcess;
  #output = '';

  private constructor(command: readonly string[], folder: string, socket: string) {
    this.command = command.join(' ');
    this.#folder = folder;
    this.socket = socket;
    this.#process = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // The modules of a QEMU of another version, if it is installed, do not suit this one.
      env: { ...process.env, QEMU_MODULE_DIR: folder },
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on('data', (data: Buffer) => (this.#output += data.toString()));
    }
    this.#process.once('error', (error) => (this.#output += error.message));
  }

  /**
   * Starts a back end, and waits until it listens.
   *
   * @throws Error with its output if it ends before, or does not listen in time
   */
  static async start(makeCommand: PeerCommand): Promise<PeerProcess> {
    const folder = temporaryFolder('peer-');
    const socket = join(folder, 'socket');
    const peer = new PeerProcess(makeCommand(socket), folder, socket);
    for (const deadline = Date.now() + PATIENCE; !isListening(socket);) {
      if (peer.hasEnded || Date.now() > deadline) {
        await peer[Symbol.asyncDispose]();
        throw new Error(`${peer.command} does not listen: ${peer.#output}`);
      }
      await sleep(INTERVAL);
    }
    return peer;
  }

  get hasEnded(): boolean {
    const { pid, exitCode, signalCode } = this.#process;
    return pid === undefined || exitCode !== null || signalCode !== null;
  }

  /** Whether it has mapped a memfd, by the label of that: the list of the kernel, not what the process says. */
  hasMapped(label: string): boolean {
    return readFileSync(`/proc/${this.#process.pid ?? 0}/maps`, 'utf8').includes(`/memfd:${label} `);
  }

  /** Kills it, as the kernel would for want of memory. */
  async kill(): Promise<void> {
    if (!this.hasEnded) {
      this.#process.kill('SIGKILL');
      await once(this.#process, 'close');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/**
 * Whether a process listens on a socket, by the kernel's list of sockets: a connection would tell too, but some back ends serve one client
 * only, and end when it leaves.
 */
function isListening(path: string): boolean {
  const ACCEPTS_CONNECTIONS = '00010000';
  return (
    existsSync(path) &&
    readFileSync('/proc/net/unix', 'utf8')
      .split('\n')
      .some((line) => {
        const [, , , flags, , , , bound] = line.trim().split(/ +/);
        return bound === path && flags === ACCEPTS_CONNECTIONS;
      })
  );
}
