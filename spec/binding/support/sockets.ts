import { readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { DescriptorSocket, type DescriptorListener, type DescriptorMessage } from '../../../binding/index.js';
import { codeOf } from './outcomes.js';
import { native } from '../../../binding/native.js';
import type { FileHandle, SocketHandle } from '../../../binding/native.js';
import { temporaryFolder } from '../../../lab/temporary-folder.js';

/** A header of 8 bytes: a number, and the length of the payload. */
export const FRAMING = { headerBytes: 8, lengthAt: 4, lengthOf: 'payload', maxBytes: 1 << 20 } as const;

/** A message in `FRAMING`. */
export function message(number: number, payload: Uint8Array | number = 0): Buffer {
  const bytes = typeof payload === 'number' ? Buffer.alloc(payload, number) : payload;
  const header = Buffer.alloc(FRAMING.headerBytes);
  header.writeUInt32LE(number);
  header.writeUInt32LE(bytes.byteLength, FRAMING.lengthAt);
  return Buffer.concat([header, bytes]);
}

export function numberOf({ data }: DescriptorMessage): number {
  return data.readUInt32LE();
}

/** Which file a descriptor belongs to. */
export function fileOf(fd: number): string {
  return readlinkSync(`/proc/self/fd/${fd}`);
}

/** A folder for sockets, which is removed with all that is in it. */
export class SocketFolder implements Disposable {
  readonly folder = temporaryFolder('dma-streams-');

  path(name = 'socket'): string {
    return join(this.folder, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Two connected sockets, and the listener that connected them. */
export class SocketPair implements Disposable {
  readonly folder: SocketFolder;
  readonly listener: DescriptorListener;
  readonly client: DescriptorSocket;
  readonly server: DescriptorSocket;

  private constructor(
    folder: SocketFolder,
    listener: DescriptorListener,
    client: DescriptorSocket,
    server: DescriptorSocket,
  ) {
    this.folder = folder;
    this.listener = listener;
    this.client = client;
    this.server = server;
  }

  static async make(): Promise<SocketPair> {
    const folder = new SocketFolder();
    const listener = await DescriptorSocket.listen(folder.path(), { framing: FRAMING });
    const accepted = firstValueFrom(listener.connections$);
    const client = await DescriptorSocket.connect(folder.path(), { framing: FRAMING });
    return new SocketPair(folder, listener, client, await accepted);
  }

  [Symbol.dispose](): void {
    this.client.close();
    this.server.close();
    this.listener.close();
    this.folder[Symbol.dispose]();
  }
}

/** A peer that sends any bytes with any descriptors, in any parts: what `DescriptorSocket` refuses to send. */
export class RawPeer implements Disposable {
  /** The side under test. */
  readonly socket: DescriptorSocket;
  readonly #raw: SocketHandle;
  readonly #folder: SocketFolder;
  readonly #listener: DescriptorListener;

  private constructor(folder: SocketFolder, listener: DescriptorListener, raw: SocketHandle, socket: DescriptorSocket) {
    this.#folder = folder;
    this.#listener = listener;
    this.#raw = raw;
    this.socket = socket;
  }

  static async make(framing: DescriptorFraming = FRAMING): Promise<RawPeer> {
    const folder = new SocketFolder();
    const listener = await DescriptorSocket.listen(folder.path(), { framing });
    const accepted = firstValueFrom(listener.connections$);
    const file = native().socketConnect(folder.path()) as FileHandle;
    const raw = native().socketAdopt(file, 4, 0, false, 4096, () => undefined) as SocketHandle;
    return new RawPeer(folder, listener, raw, await accepted);
  }

  /** Sends some bytes, at least one, with up to 16 descriptors. Returns what `socketSend` does. */
  send(bytes: Uint8Array, fds: readonly number[] = []): number {
    return native().socketSend(this.#raw, bytes, Int32Array.of(bytes.byteLength, fds.length, ...fds));
  }

  close(): void {
    native().socketClose(this.#raw);
  }

  [Symbol.dispose](): void {
    this.close();
    this.socket.close();
    this.#listener.close();
    this.#folder[Symbol.dispose]();
  }
}

type DescriptorFraming = Parameters<typeof DescriptorSocket.listen>[1]['framing'];

/** Everything that arrives until the end, and the end: `'complete'`, or the code of the error. */
export function collect(socket: DescriptorSocket): Promise<{ numbers: number[]; end: string; error?: Error }> {
  return new Promise((settle) => {
    const numbers: number[] = [];
    socket.messages$.subscribe({
      next: (arrived) => numbers.push(numberOf(arrived)),
      error: (error: unknown) => {
        settle({ numbers, end: codeOf(error), error: error as Error });
      },
      complete: () => {
        settle({ numbers, end: 'complete' });
      },
    });
  });
}
