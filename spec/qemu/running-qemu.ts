import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { missingPackages } from '../../lab/packages.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';
import { QmpClient } from '../../sources/qmp-client.js';
import type { Machine } from './machines.js';
import { record, type Recording } from './recording.js';

/** Why QEMU cannot be started here; `undefined` if it can. */
export function whyNoQemu(): string | undefined {
  const missing = missingPackages().filter((name) => name === 'qemu-system-x86' || name === 'util-linux');
  return missing.length === 0 ? undefined : `${missing.join(', ')} not installed: npm run lab:setup installs it`;
}

/** In milliseconds: the firmware takes less than a second on an idle computer. */
const FIRMWARE_PATIENCE = 90_000;

/** A machine whose processor stands still, except while `runFirmware` lets it run. It ends with this process. */
export class RunningQemu implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #folder: string;
  readonly #monitor: QmpClient;

  private constructor(process: ChildProcess, folder: string, monitor: QmpClient) {
    this.#process = process;
    this.#folder = folder;
    this.#monitor = monitor;
  }

  /** Path of a QMP socket that nobody is connected to. */
  get qmpSocket(): string {
    return socketIn(this.#folder, 'other');
  }

  /** @throws Error with the output of QEMU if it does not start */
  static async start(machine: Machine): Promise<RunningQemu> {
    const folder = temporaryFolder('qemu-');
    const flash = join(folder, 'flash');
    copyFileSync(firmwareImage(), flash);
    const sockets = ['own', 'other'].map((name) => socketIn(folder, name));
    const qemu = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', 'qemu-system-x86_64', '-accel', 'tcg', '-S', '-display', 'none'],
        ...['-nodefaults', '-no-user-config'],
        ...sockets.flatMap((path) => ['-qmp', `unix:${path},server=on,wait=off`]),
        ...[
          '-chardev',
          `file,id=said,path=${join(folder, 'said')}`,
          '-device',
          'isa-debugcon,iobase=0x402,chardev=said',
        ],
        ...machine.qemuArguments(flash),
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let complaints = '';
    qemu.stderr.on('data', (data: Buffer) => (complaints += data.toString()));
    let ended = false;
    qemu.once('close', () => (ended = true));
    let monitor: QmpClient | undefined;
    while (monitor === undefined && !ended) {
      // The socket is there before somebody listens.
      monitor = await QmpClient.connect(sockets[0] ?? '', { timeout: FIRMWARE_PATIENCE }).catch(() =>
        sleep(20, undefined),
      );
    }
    if (monitor === undefined) {
      rmSync(folder, { recursive: true, force: true });
      throw new Error(`QEMU did not start as ${machine.name}: ${complaints}`);
    }
    return new RunningQemu(qemu, folder, monitor);
  }

  record(): Promise<Recording> {
    return record((line) => this.#monitor.humanMonitor(line));
  }

  /**
   * Lets the firmware run until it finds nothing to boot from. Stops it often.
   *
   * @returns each memory map that was met on the way, the last one included
   */
  async runFirmware(): Promise<readonly Recording[]> {
    const met = new Map<string, Recording>();
    const deadline = Date.now() + FIRMWARE_PATIENCE;
    for (let hasEnded = false; !hasEnded;) {
      await this.#monitor.humanMonitor('cont');
      await sleep(2);
      await this.#monitor.humanMonitor('stop');
      const text = this.said;
      hasEnded = text.includes('No bootable device');
      if (!hasEnded && Date.now() > deadline) {
        throw new Error(`the firmware does not end; it said:\n${text.slice(-1000)}`);
      }
      const recording = await this.record();
      // What was met before and is met again, comes last.
      met.delete(recording.flat);
      met.set(recording.flat, recording);
    }
    return [...met.values()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#monitor.close();
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'close');
      this.#process.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Lets the firmware run, and does not stop it. */
  async run(): Promise<void> {
    await this.#monitor.humanMonitor('cont');
  }

  /** What the firmware has printed so far. */
  get said(): string {
    return readFileSync(join(this.#folder, 'said'), 'latin1');
  }

  /** What its monitor answers to a line. */
  async say(line: string): Promise<string> {
    return this.#monitor.humanMonitor(line);
  }

  /** Ends QEMU as its user would. */
  async quit(): Promise<void> {
    await this.#monitor.humanMonitor('quit').catch(() => undefined);
  }

  get pid(): number {
    return this.#process.pid ?? NaN;
  }
}

function socketIn(folder: string, name: string): string {
  return join(folder, `${name}.qmp`);
}

/** The firmware for PCs that QEMU uses by itself, as an image for a flash. */
function firmwareImage(): string {
  const { stdout } = spawnSync('qemu-system-x86_64', ['-L', 'help'], { encoding: 'utf8' });
  const found = stdout
    .split('\n')
    .map((folder) => join(folder, 'bios-256k.bin'))
    .find(existsSync);
  if (found === undefined) {
    throw new Error(`bios-256k.bin is in none of the folders of QEMU: ${stdout}`);
  }
  return found;
}
