import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { temporaryFolder } from '../../../lab/temporary-folder.js';

const GREETING = { QMP: { version: { qemu: { major: 11, minor: 1, micro: 3 }, package: '' }, capabilities: [] } };

export interface FakeQmpOptions {
  /** What is sent to a new client, instead of the greeting of QMP. */
  readonly greeting?: string;
  /** Does what QEMU does when it is asked for the memory map, instead of answering with `text`. */
  readonly answer?: (socket: Socket, asked: number) => void;
}

/** A socket that speaks QMP, as far as `QemuSource` needs it. */
export class FakeQmp implements AsyncDisposable {
  readonly #folder = temporaryFolder('fake-qmp-');
  readonly path = join(this.#folder, 'qmp');
  readonly #options: FakeQmpOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  /** What `info mtree -f` answers. */
  text: string;
  /** How often it was asked for the memory map. */
  asked = 0;
  /** How many clients have connected. */
  clients = 0;
  /** Whether new clients wait for their greeting, until `greetAll`. */
  isSilent = false;

  private constructor(text: string, options: FakeQmpOptions) {
    this.text = text;
    this.#options = options;
  }

  static async listen(text = '', options: FakeQmpOptions = {}): Promise<FakeQmp> {
    const fake = new FakeQmp(text, options);
    await fake.open();
    return fake;
  }

  /** Listens, again if it did before. */
  async open(): Promise<void> {
    this.#server = createServer((socket) => {
      this.#serve(socket);
    });
    this.#server.listen(this.path);
    await once(this.#server, 'listening');
  }

  /** Ends as QEMU does: its connections and its socket go. */
  async quit(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    if (server !== undefined) {
      const closed = once(server, 'close');
      server.close();
      await closed;
    }
  }

  greetAll(): void {
    this.isSilent = false;
    for (const socket of this.#sockets) {
      this.#greet(socket);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.quit();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #greet(socket: Socket): void {
    socket.write(this.#options.greeting ?? `${JSON.stringify(GREETING)}\r\n`);
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    this.clients++;
    if (!this.isSilent) {
      this.#greet(socket);
    }
    const lines = createInterface({ input: socket });
    // It passes on the errors of the socket: a client that was killed.
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      const { execute } = JSON.parse(line) as { readonly execute: string };
      if (execute === 'qmp_capabilities') {
        // An event may come at any time.
        socket.write(`{"event":"RESUME","data":{}}\r\n${answerOf({})}`);
        return;
      }
      this.asked++;
      if (this.#options.answer === undefined) {
        socket.write(answerOf(this.text));
      } else {
        this.#options.answer(socket, this.asked);
      }
    });
  }
}

export function answerOf(result: unknown): string {
  return `${JSON.stringify({ return: result })}\r\n`;
}

/** A line of `info mtree -f`. `last` is the address of the last byte. */
export function sectionLine(start: number, last: number, name: string, kind = 'ram', offset = 0): string {
  const hex = (value: number): string => value.toString(16).padStart(16, '0');
  return `  ${hex(start)}-${hex(last)} (prio 0, ${kind}): ${name}${offset === 0 ? '' : ` @${hex(offset)}`}\r\n`;
}

/** What `info mtree -f` prints for one address space. */
export function flatViewText(lines: readonly string[], addressSpace = 'memory'): string {
  const all = lines.length === 0 ? '  No rendered FlatView\r\n' : lines.join('');
  return `FlatView #0\r\n AS "${addressSpace}", root: system\r\n Root memory region: system\r\n${all}\r\n`;
}
