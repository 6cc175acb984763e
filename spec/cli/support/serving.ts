import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { MAIN, PACKAGE, plainEnvironment } from './command.js';

/** In milliseconds: how long the command may take to show something. */
const PATIENCE = 15_000;

/** The command, which serves a page until it is told to end. */
export class Serving implements AsyncDisposable {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly #closed: Promise<unknown[]>;

  constructor(...args: readonly string[]) {
    this.child = spawn(process.execPath, [MAIN, ...args], { env: plainEnvironment(), cwd: PACKAGE });
    this.child.stdout?.on('data', (data: Buffer) => (this.stdout += data.toString()));
    this.child.stderr?.on('data', (data: Buffer) => (this.stderr += data.toString()));
    this.#closed = once(this.child, 'close');
  }

  async url(): Promise<string> {
    await this.#until(() => this.stdout.includes('\n'));
    const [, url = ''] = /^Serving (http:\/\/\S+) until Ctrl-C\n$/.exec(this.stdout) ?? [];
    return url;
  }

  async untilSaid(pattern: RegExp): Promise<void> {
    await this.#until(() => pattern.test(this.stderr));
  }

  async end(signal: NodeJS.Signals): Promise<unknown> {
    this.child.kill(signal);
    return (await this.#closed)[0];
  }

  async #until(isThere: () => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE;
    while (!isThere()) {
      if (Date.now() > deadline || this.child.exitCode !== null) {
        throw new Error(`it does not come; status ${String(this.child.exitCode)}, "${this.stdout}", "${this.stderr}"`);
      }
      await sleep(10);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#closed;
  }
}

/** The stream of events, until it has what is looked for. @throws Error with what came, if that does not */
export async function eventsOf(url: string, wanted: string | RegExp): Promise<string> {
  const { body } = await fetch(new URL('events', url), { signal: AbortSignal.timeout(PATIENCE) });
  let received = '';
  try {
    for await (const part of body ?? []) {
      received += Buffer.from(part as Uint8Array).toString();
      if (typeof wanted === 'string' ? received.includes(wanted) : wanted.test(received)) {
        return received;
      }
    }
  } catch {
    // It took too long.
  }
  throw new Error(`${String(wanted)} does not come: ${received}`);
}
