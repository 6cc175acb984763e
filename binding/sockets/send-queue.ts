import type { DmaError } from '../../streams/index.js';
import { native } from '../native.js';
import type { SocketHandle } from '../native.js';
import type { MessageFraming } from './message-framing.js';
import { packMessages, type OutgoingMessage } from './outgoing-messages.js';
import { refusedError, sendError } from './socket-errors.js';

/** What socketSend returns if the kernel is short of memory or descriptors; then `socketFlush` tries again after so many milliseconds. */
const SHORTAGE = 2;
const SHORTAGE_PAUSE = 5;

interface Waiting {
  /** Number of messages, counted from the first one on the socket, that the kernel has to take first. */
  readonly upTo: number;
  readonly resolve: () => void;
  readonly reject: (error: DmaError) => void;
}

/** Sends the messages of one socket. What the kernel does not take at once is in a queue of the addon; here are its promises. */
export class SendQueue {
  readonly #framing: MessageFraming;
  /** Number of messages that were given to the addon so far. */
  #given = 0;
  #waiting: Waiting[] = [];

  constructor(framing: MessageFraming) {
    this.#framing = framing;
  }

  /** As {@link DescriptorSocket.send}. */
  send(socket: SocketHandle, messages: readonly OutgoingMessage[]): Promise<void> | undefined {
    const { bytes, cells } = packMessages(messages, this.#framing);
    const result = native().socketSend(socket, bytes, cells);
    if (result < 0) {
      const refused = refusedError(result, messages, cells);
      if (refused === undefined) {
        this.fail(() => sendError(result));
      }
      throw refused ?? sendError(result);
    }
    this.#given += messages.length;
    if (result === SHORTAGE) {
      this.#flushLater(socket);
    }
    return result === 0 ? undefined : this.#wait();
  }

  /** The kernel has taken so many messages in all. `isShort`: it cannot take more now, though the peer may read. */
  taken(socket: SocketHandle, count: number, isShort: boolean): void {
    while (this.#waiting[0] !== undefined && this.#waiting[0].upTo <= count) {
      this.#waiting.shift()?.resolve();
    }
    if (isShort) {
      this.#flushLater(socket);
    }
  }

  /** Nothing more is sent. */
  fail(makeError: () => DmaError): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) {
      reject(makeError());
    }
  }

  #wait(): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ upTo: this.#given, resolve, reject });
    });
    // `messages$` reports the end of the connection, too: nobody has to wait for this promise.
    promise.catch(() => undefined);
    return promise;
  }

  #flushLater(socket: SocketHandle): void {
    setTimeout(() => native().socketFlush(socket), SHORTAGE_PAUSE);
  }
}
