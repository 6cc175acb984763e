import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { missingPackages } from '../../lab/packages.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';
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
  readonly #socket: Socket;
  readonly #answers: AsyncIterator<string>;

  private constructor(process: ChildProcess, folder: string, socket: Socket) {
    this.#process = process;
    this.#folder = folder;
    this.#socket = socket;
    this.#answers = createInterface({ input: socket })[Symbol.asyncIterator]();
  }

  /** @throws Error with the output of QEMU if it does not start */
  static async start(machine: Machine): Promise<RunningQemu> {
    const folder = temporaryFolder('qemu-');
    const flash = join(folder, 'flash');
    copyFileSync(firmwareImage(), flash);
    const socketPath = join(folder, 'qmp');
    const qemu = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', 'qemu-system-x86_64', '-accel', 'tcg', '-S', '-display', 'none'],
        ...['-nodefaults', '-no-user-config', '-qmp', `unix:${socketPath},server=on,wait=off`],
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
    while (!existsSync(socketPath) && !ended) {
      await sleep(20);
    }
    if (ended) {
      rmSync(folder, { recursive: true, force: true });
      throw new Error(`QEMU did not start as ${machine.name}: ${complaints}`);
    }
    const socket = connect(socketPath);
    await once(socket, 'connect');
    const running = new RunningQemu(qemu, folder, socket);
    await running.#next();
    await running.#command('qmp_capabilities');
    return running;
  }

  record(): Promise<Recording> {
    return record((line) => this.#command('human-monitor-command', { 'command-line': line }));
  }

  /**
   * Lets the firmware run until it finds nothing to boot from. Stops it often.
   *
   * @returns each memory map that was met on the way, the last one included
   */
  async runFirmware(): Promise<readonly Recording[]> {
    const met = new Map<string, Recording>();
    const said = join(this.#folder, 'said');
    const deadline = Date.now() + FIRMWARE_PATIENCE;
    for (let hasEnded = false; !hasEnded;) {
      await this.#command('cont');
      await sleep(2);
      await this.#command('stop');
      const text = readFileSync(said, 'latin1');
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
    this.#socket.destroy();
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'close');
      this.#process.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** @returns the result, if it is a text */
  async #command(execute: string, args: object = {}): Promise<string> {
    this.#socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    for (;;) {
      const answer = await this.#next();
      if ('error' in answer) {
        throw new Error(`${execute} failed: ${JSON.stringify(answer['error'])}`);
      }
      // Everything else is an event.
      if ('return' in answer) {
        return String(answer['return']);
      }
    }
  }

  async #next(): Promise<Record<string, unknown>> {
    const line = await this.#answers.next();
    if (line.done === true) {
      throw new Error('QEMU has closed its monitor');
    }
    return JSON.parse(line.value) as Record<string, unknown>;
  }
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
