import { resolve } from 'node:path';
import { Observable, Subject } from 'rxjs';
import { checkPass, PASS } from '../constructor-pass.js';
import { closedError, systemError } from '../errors.js';
import { native, type FileHandle, type ListenerHandle, type SocketHandle } from '../native.js';
import { listenError } from './address-errors.js';
import { connectTo } from './connect.js';
import { messagesOf, type DescriptorMessage } from './descriptor-message.js';
import type { MessageFraming } from './message-framing.js';
import type { OutgoingMessage } from './outgoing-messages.js';
import { SendQueue } from './send-queue.js';
import { receiveError, sendError } from './socket-errors.js';
import { checkConnect, checkListen, type ConnectOptions, type ListenOptions } from './socket-options.js';
import { madeBy, printable } from '../../streams/internal.js';

/** Kinds of events of the addon: see `binding/src/sockets/descriptor_socket.h`. */
const MESSAGES = 0;
const END = 1;
const TAKEN = 2;

/**
 * A unix stream socket: messages with file descriptors, to and from another process. Made by `connect`, or by a {@link DescriptorListener}.
 *
 * Nothing blocks the event loop. In one turn of it, reading stops after 64 messages, 1 MiB or 32 descriptors. The socket keeps the process alive
 * while there is a subscriber of `messages$`, and while messages wait to be sent. It is closed when it is collected.
 *
 * @example
 * ```ts
 * import { firstValueFrom } from 'rxjs';
 * import { DescriptorSocket } from 'dma-streams/binding';
 *
 * // Messages begin with their length, which counts the bytes after it.
 * const framing = { headerBytes: 4, lengthAt: 0, lengthOf: 'payload', maxBytes: 4096 } as const;
 * const path = `/tmp/dma-streams-${process.pid}.sock`;
 * using listener = await DescriptorSocket.listen(path, { framing });
 * const accepted = firstValueFrom(listener.connections$);
 * using client = await DescriptorSocket.connect(path, { framing });
 * using server = await accepted;
 *
 * await client.send([{ data: Buffer.from([2, 0, 0, 0, 0x68, 0x69]), fds: [2] }]);
 * const message = await firstValueFrom(server.messages$);
 * console.log(message.data.toString('latin1', 4), message.descriptorCount); // hi 1
 * ```
 */
export class DescriptorSocket implements Disposable {
  /**
   * Hot. The messages that arrive, whole and in order. All subscribers get the same messages; a late one gets later messages only. Descriptors
   * belong to the first one that takes them. The socket is read only while there is a subscriber; otherwise messages wait in the kernel, and the
   * peer cannot send more than fits there. Messages are never delivered within `subscribe`. Completes when the peer has ended the connection between two messages, and when the socket
   * is closed here. Errors with a `DmaError`, and closes the socket: `EPROTO` for an end within a message, `EMSGSIZE` and `EBADMSG` for a message
   * that is too long or shorter than its header, `E2BIG` for more than 16 descriptors, `EMFILE` without room for descriptors, `ECONNRESET`, `EPIPE`.
   * A message that did not arrive as a whole is dropped, and its descriptors are closed.
   */
  readonly messages$ = new Observable<DescriptorMessage>((subscriber) => {
    const subscription = this.#messages.subscribe(subscriber);
    this.#read(true);
    return () => {
      subscription.unsubscribe();
      if (!this.#messages.observed) {
        this.#read(false);
      }
    };
  });

  readonly #messages = new Subject<DescriptorMessage>();
  readonly #sends: SendQueue;
  readonly #framing: MessageFraming;
  #socket: SocketHandle | undefined;
  /** Whether a call of socketDeliver is due. */
  #isDelivering = false;

  private constructor(pass: symbol, file: FileHandle, framing: MessageFraming) {
    checkPass(pass, DescriptorSocket);
    this.#framing = framing;
    this.#sends = new SendQueue(framing);
    const { headerBytes, lengthAt, lengthOf, maxBytes } = framing;
    const socket = native().socketAdopt(
      file,
      headerBytes,
      lengthAt,
      lengthOf === 'message',
      maxBytes,
      (kind, first, second) => {
        this.#handle(kind, first, second);
      },
    );
    if (typeof socket === 'number') {
      native().fileClose(file);
      throw systemError(socket, { what: 'cannot watch a socket', syscall: 'epoll_ctl' });
    }
    this.#socket = socket;
  }

  /** @internal */
  static ofFile(file: FileHandle, framing: MessageFraming): DescriptorSocket {
    return new DescriptorSocket(PASS, file, framing);
  }

  /**
   * Connects to a socket that another process listens on.
   *
   * @param path at most 107 bytes
   * @throws DmaError by the promise, with a hint: `ENOENT`, `ECONNREFUSED` if nobody listens or it is no socket, `EACCES`, `ENAMETOOLONG`,
   * `EPROTOTYPE`, `ETIMEDOUT`, `ABORT_ERR`, `EMFILE`; TypeError, RangeError. Nothing is left behind
   */
  static async connect(path: string, options: ConnectOptions): Promise<DescriptorSocket> {
    const { framing, timeout, signal } = checkConnect(path, options);
    return new DescriptorSocket(PASS, await connectTo(path, timeout, signal), framing);
  }

  /**
   * Listens for connections at a path, where there must be nothing. The permissions of the socket are those of a new file: see umask(2).
   *
   * @param path at most 107 bytes
   * @throws DmaError by the promise, with a hint: `EADDRINUSE`, `ENOENT`, `EACCES`, `ENAMETOOLONG`, `EMFILE`; TypeError, RangeError. Nothing is
   * left behind
   */
  static listen(path: string, options: ListenOptions): Promise<DescriptorListener> {
    return new Promise((settle) => {
      settle(DescriptorListener.open(path, checkListen(path, options)));
    });
  }

  /** Bytes of messages that were given to `send`, and that the kernel has not taken yet. */
  get bufferedBytes(): number {
    return this.#socket === undefined ? 0 : native().socketQueued(this.#socket);
  }

  /** Whether it was closed, by either side. */
  get isClosed(): boolean {
    return this.#socket === undefined;
  }

  /**
   * Sends messages, in order, with their descriptors. What the kernel does not take within the call is kept, up to 64 MiB in all, and sent when
   * the peer reads. Each message must be as long as its header says.
   *
   * A failure before anything was sent (wrong arguments, `EBADF`, `EMFILE`, `ENOBUFS`) changes nothing. After any other failure nothing more
   * can be sent, and the peer may have got a part of the messages; those that it has sent can still be read.
   *
   * @returns `undefined` if the kernel has taken all; otherwise a promise that resolves when it has, and rejects when the connection ends
   * before. The promise may be ignored: a rejection is not reported as unhandled
   * @throws DmaError `EBADF` for a descriptor that is not open, `EMFILE`, `ENOBUFS` above 64 MiB, `EPIPE` or `ECONNRESET` if the peer is gone,
   * `ERR_CLOSED`; TypeError, RangeError
   */
  send(messages: readonly OutgoingMessage[]): undefined | Promise<void> {
    return this.#sends.send(this.#open(), messages);
  }

  /** Closes the socket. Messages that wait to be sent are dropped, and their promises reject. Calling it again has no effect. */
  close(): void {
    if (this.#end()) {
      this.#messages.complete();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(): SocketHandle {
    if (this.#socket === undefined) {
      throw closedError('this socket');
    }
    return this.#socket;
  }

  /** Closes the descriptor. Returns whether it was open. */
  #end(): boolean {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket !== undefined) {
      native().socketClose(socket);
      this.#sends.fail(() => closedError('this socket'));
    }
    return socket !== undefined;
  }

  #read(on: boolean): void {
    if (this.#socket !== undefined && native().socketRead(this.#socket, on) === 1 && on && !this.#isDelivering) {
      this.#isDelivering = true;
      setImmediate(() => {
        this.#isDelivering = false;
        if (this.#socket !== undefined) {
          native().socketDeliver(this.#socket);
        }
      });
    }
  }

  #handle(kind: number, first: ArrayBuffer | number, second: Int32Array | number | boolean): void {
    if (kind === MESSAGES) {
      this.#deliver(first as ArrayBuffer, second as Int32Array);
    } else if (kind === END) {
      this.#finish(first as number, second as number);
    } else if (kind === TAKEN) {
      this.#sends.taken(this.#open(), first as number, second as boolean);
    } else {
      this.#sends.fail(() => sendError(first as number));
    }
  }

  #deliver(bytes: ArrayBuffer, cells: Int32Array): void {
    for (const message of messagesOf(bytes, cells, () => this.#messages.observed)) {
      this.#messages.next(message);
    }
  }

  #finish(errno: number, length: number): void {
    if (errno === 0) {
      this.#messages.complete();
      return;
    }
    const error = receiveError(errno, this.#framing, length);
    this.#sends.fail(() => error);
    this.#end();
    this.#messages.error(error);
  }
}

madeBy(DescriptorSocket, 'DescriptorSocket.connect or DescriptorSocket.listen');
printable(DescriptorSocket, ({ bufferedBytes, isClosed: closed }) => ({ bufferedBytes, closed }));

/** A unix stream socket that listens for connections. Made by {@link DescriptorSocket.listen}. */
export class DescriptorListener implements Disposable {
  /**
   * Hot. The connections, in order, each at its time from the event loop. They are accepted only while there is a subscriber; up to 128 wait. All
   * subscribers get the same connections, a late one later ones only; the first one should close each. A subscription keeps the process alive.
   *
   * Completes when the listener is closed. Errors with a `DmaError`, `EMFILE` or `ENFILE`, if one cannot be accepted: a new subscription tries again.
   */
  readonly connections$ = new Observable<DescriptorSocket>((subscriber) => {
    const subscription = this.#connections.subscribe(subscriber);
    this.#accept(true);
    return () => {
      subscription.unsubscribe();
      if (!this.#connections.observed) {
        this.#accept(false);
      }
    };
  });

  /** Another one after each error. */
  #connections = new Subject<DescriptorSocket>();
  #listener: ListenerHandle | undefined;

  private constructor(pass: symbol, path: string, framing: MessageFraming) {
    checkPass(pass, DescriptorListener);
    const listener = native().listenerOpen(path, resolve(path), (connection) => {
      if (typeof connection !== 'number') {
        this.#connections.next(DescriptorSocket.ofFile(connection, framing));
        return;
      }
      const connections = this.#connections;
      this.#connections = new Subject();
      connections.error(systemError(connection, { what: `cannot accept a connection at ${path}`, syscall: 'accept4' }));
    });
    if (typeof listener === 'number') {
      throw listenError(listener, path);
    }
    this.#listener = listener;
  }

  /** @internal */
  static open(path: string, framing: MessageFraming): DescriptorListener {
    return new DescriptorListener(PASS, path, framing);
  }

  /** Whether `close` was called. */
  get isClosed(): boolean {
    return this.#listener === undefined;
  }

  /**
   * Closes the socket, and removes its path, if what is there is the socket that `listen` has made. Connections stay open. Calling it again has no
   * effect. A listener that is collected, or whose thread ends, does the same; `process.exit` leaves the path behind.
   */
  close(): void {
    const listener = this.#listener;
    this.#listener = undefined;
    if (listener !== undefined) {
      native().listenerClose(listener);
      this.#connections.complete();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #accept(on: boolean): void {
    if (this.#listener !== undefined) {
      native().listenerAccept(this.#listener, on);
    }
  }
}

madeBy(DescriptorListener, 'DescriptorSocket.listen');
printable(DescriptorListener, ({ isClosed: closed }) => ({ closed }));
