import { connect, type Socket } from 'node:net';
import { DmaError } from '../streams/index.js';
import { SerialQueue } from '../streams/internal.js';
import { connectError, protocolError, QmpEnded, refusal, silenceError, tooLongError } from './qmp-errors.js';

export interface QmpOptions {
  /** For the greeting, and for each answer, in milliseconds. */
  readonly timeout: number;
  /** Ends the connecting: the promise rejects with `ABORT_ERR`. */
  readonly signal?: AbortSignal | undefined;
}

const LONGEST_PATH = 107;

/** In characters. The answers that are asked for here have some ten thousand. */
const LONGEST_LINE = 1 << 26;

interface Awaited {
  /** For messages; `undefined` is the greeting. */
  readonly what: string | undefined;
  readonly resolve: (message: Readonly<Record<string, unknown>>) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A connection to QEMU's monitor, by the QEMU Machine Protocol: JSON objects, one a line. One command at a
 * time, in the order of the calls.
 *
 * A failure of the connection, and an answer that does not come in time, end it: every later command rejects with the same error.
 */
export class QmpClient {
  readonly #path: string;
  readonly #socket: Socket;
  readonly #timeout: number;
  readonly #queue = new SerialQueue();
  #unfinished: string[] = [];
  #unfinishedLength = 0;
  #awaited: Awaited | undefined;
  #failure: Error | undefined;
  #version = '';
  /** Called once, when the connection has ended. */
  onEnd: (() => void) | undefined;

  private constructor(path: string, timeout: number) {
    this.#path = path;
    this.#timeout = timeout;
    this.#socket = connect(path);
    this.#socket.setEncoding('utf8');
    this.#socket.on('data', (text: string) => {
      this.#receive(text);
    });
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#fail(error.syscall === 'connect' ? connectError(path, error) : this.#ended(error));
    });
    this.#socket.on('close', () => {
      this.#fail(this.#ended());
    });
  }

  /**
   * Connects and negotiates.
   *
   * @throws DmaError `ENOENT`, `ENOTSOCK`, `ECONNREFUSED`, `EACCES`, `ENAMETOOLONG`, `ETIMEDOUT` if no greeting comes, `EPROTO` if something else
   * comes, `ECONNRESET`, `ABORT_ERR`. Nothing is left open.
   */
  static async connect(path: string, { timeout, signal }: QmpOptions): Promise<QmpClient> {
    if (Buffer.byteLength(path) > LONGEST_PATH) {
      throw tooLongError(path);
    }
    const abortError = (): DmaError =>
      new DmaError(`the connection to ${path} was aborted`, { code: 'ABORT_ERR', cause: signal?.reason });
    if (signal?.aborted === true) {
      throw abortError();
    }
    const client = new QmpClient(path, timeout);
    const abort = (): void => {
      client.#fail(abortError());
    };
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const greeting = await client.#next(undefined);
      client.#version = versionIn(greeting['QMP']);
      await client.#command('qmp_capabilities', {});
      return client;
    } catch (error) {
      client.close();
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** The version of QEMU, such as `'7.2.22'`. */
  get version(): string {
    return this.#version;
  }

  /** Whether it has ended or was closed. */
  get isClosed(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * What the human monitor prints for a command.
   *
   * @throws QmpEnded; DmaError `ETIMEDOUT`, `EPROTO`, `ERR_CLOSED`
   */
  async humanMonitor(commandLine: string): Promise<string> {
    const result = await this.#command('human-monitor-command', { 'command-line': commandLine }, commandLine);
    if (typeof result !== 'string') {
      throw protocolError(this.#path, `the answer to '${commandLine}' is not a text`, false);
    }
    return result;
  }

  /** Closes the connection. Calling it again has no effect. */
  close(): void {
    this.#fail(new DmaError(`the connection to ${this.#path} was closed`, { code: 'ERR_CLOSED' }));
  }

  /** `asked` is what an error of silence names. */
  #command(execute: string, args: object, asked = execute): Promise<unknown> {
    return this.#queue.run(async () => {
      const answer = this.#next(`'${asked}'`);
      if (this.#failure === undefined) {
        this.#socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
      }
      const message = await answer;
      if ('error' in message) {
        throw refusal(this.#path, `'${execute}'`, message['error']);
      }
      return message['return'];
    });
  }

  #next(what: string | undefined): Promise<Readonly<Record<string, unknown>>> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      const timer = setTimeout(() => {
        const started = this.#unfinishedLength > 0 && what === undefined;
        this.#fail(
          started
            ? protocolError(
                this.#path,
                `it has sent ${JSON.stringify(this.#beginning())}, and no greeting of QMP`,
                true,
              )
            : silenceError(this.#path, this.#timeout, what),
        );
      }, this.#timeout);
      const settle =
        <T>(done: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          this.#awaited = undefined;
          done(value);
        };
      this.#awaited = { what, resolve: settle(resolve), reject: settle(reject) };
    });
  }

  #receive(text: string): void {
    let start = 0;
    for (let end = text.indexOf('\n'); end !== -1 && this.#failure === undefined; end = text.indexOf('\n', start)) {
      const line = this.#unfinished.join('') + text.slice(start, end);
      this.#unfinished = [];
      this.#unfinishedLength = 0;
      start = end + 1;
      this.#readLine(line);
    }
    if (start < text.length && this.#failure === undefined) {
      this.#unfinished.push(text.slice(start));
      this.#unfinishedLength += text.length - start;
      if (this.#unfinishedLength > LONGEST_LINE) {
        this.#fail(protocolError(this.#path, `a message is longer than ${LONGEST_LINE} characters`, false));
      }
    }
  }

  #readLine(line: string): void {
    const isGreeting = this.#awaited !== undefined && this.#awaited.what === undefined;
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      message = undefined;
    }
    if (typeof message !== 'object' || message === null || (isGreeting && !('QMP' in message))) {
      const shown = JSON.stringify(line.slice(0, 80));
      const expected = isGreeting ? 'the greeting of QMP' : 'a message of QMP';
      this.#fail(protocolError(this.#path, `it has sent ${shown}, which is not ${expected}`, isGreeting));
      return;
    }
    const fields = message as Readonly<Record<string, unknown>>;
    // Everything else is an event.
    if (isGreeting || 'return' in fields || 'error' in fields) {
      this.#awaited?.resolve(fields);
    }
  }

  #beginning(): string {
    return this.#unfinished.join('').slice(0, 80);
  }

  #ended(cause?: Error): QmpEnded {
    const state = { isMidAnswer: this.#unfinishedLength > 0, hasGreeted: this.#version !== '' };
    return new QmpEnded(this.#path, state, cause);
  }

  /** The first failure stays. */
  #fail(error: Error): void {
    if (this.#failure !== undefined) {
      return;
    }
    this.#failure = error;
    this.#socket.destroy();
    this.#unfinished = [];
    this.#awaited?.reject(error);
    this.onEnd?.();
  }
}

function versionIn(greeting: unknown): string {
  const { qemu } = ((greeting as Record<string, unknown> | null)?.['version'] ?? {}) as Record<string, unknown>;
  const { major, minor, micro } = (qemu ?? {}) as Record<string, unknown>;
  return [major, minor, micro].map((part) => (typeof part === 'number' ? String(part) : '?')).join('.');
}
