import type { Subscription } from 'rxjs';
import type { DescriptorMessage, DescriptorSocket } from '../../binding/index.js';
import { DmaError } from '../../streams/index.js';
import {
  closedHereError,
  goneError,
  hungUpError,
  protocolError,
  silentError,
  type LastWord,
} from './connection-errors.js';
import { isReplyTo, requestName, type Outgoing } from './messages.js';

/** Answers that are waited for: `count` of them, in a row, all to the same request. */
export interface Expected {
  readonly request: number;
  readonly count: number;
  /** Takes one answer, the header of which has been checked. Returns what is wrong with its payload. */
  readonly take: (message: DescriptorMessage, index: number) => string | undefined;
  /** The connection has ended. */
  readonly fail: (reason: DmaError) => void;
}

/** Errors of a socket after which it can be used as before. */
const NOTHING_SENT: ReadonlySet<string> = new Set(['EBADF', 'EMFILE', 'ENOBUFS']);

/**
 * Messages to a back end, and its answers in order. Any number of messages may be on the way. One time limit applies to the next answer, or,
 * where there is none, to the taking of what was sent.
 */
export class Exchange implements LastWord {
  readonly path: string;
  /** Name of the target that uses the connection, for messages. */
  target: string | undefined;
  /** Whether REPLY_ACK was agreed: requests without a reply of their own are answered by an ack. */
  acks = false;
  lastRequest = 0;
  isAgreed = false;
  /** The reason why the connection has ended. */
  end: DmaError | undefined;
  readonly #socket: DescriptorSocket;
  readonly #timeout: number;
  readonly #onEnd: (error: DmaError | undefined) => void;
  readonly #expected: Expected[] = [];
  readonly #subscription: Subscription;
  #answered = 0; // Of the first that is expected.
  #hasAnswered = false;
  #unsent = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param timeout in milliseconds
   * @param onEnd called once, with an error as requests fail with; `undefined` when this side has closed the connection
   */
  constructor(socket: DescriptorSocket, path: string, timeout: number, onEnd: (error: DmaError | undefined) => void) {
    this.path = path;
    this.#socket = socket;
    this.#timeout = timeout;
    this.#onEnd = onEnd;
    this.#subscription = socket.messages$.subscribe({
      next: (message) => {
        this.#answer(message);
      },
      error: (error: unknown) => {
        this.close(this.#causeOf(error));
      },
      complete: () => {
        this.close(hungUpError(this));
      },
    });
  }

  /**
   * Sends messages, whose answers are then expected after those that already are. To be called only while `end` is undefined.
   *
   * @param request for messages of errors: what is sent, barriers aside
   * @returns `undefined` if the kernel has taken all, or the connection has ended; otherwise a promise that resolves then
   * @throws DmaError `EBADF`, `EMFILE` or `ENOBUFS`; nothing was sent
   */
  send(messages: readonly Outgoing[], request: number, ...expected: readonly Expected[]): undefined | Promise<void> {
    this.lastRequest = request;
    const isIdle = !this.#isWaiting;
    let sent: undefined | Promise<void>;
    try {
      sent = this.#socket.send(messages);
    } catch (error) {
      if (!(error instanceof DmaError) || NOTHING_SENT.has(error.code)) {
        throw error;
      }
      const reason = this.#causeOf(error);
      for (const { fail } of expected) {
        fail(reason);
      }
      this.close(reason);
      return undefined;
    }
    this.#expected.push(...expected);
    const taken = sent === undefined ? undefined : this.#whenTaken(sent);
    if (isIdle) {
      this.#restartTimer();
    }
    return taken;
  }

  /** Ends the connection. All that is waited for fails with the reason. Calling it again has no effect. */
  close(error?: DmaError): void {
    if (this.end !== undefined) {
      return;
    }
    const reason = (this.end = error ?? closedHereError(this));
    clearTimeout(this.#timer);
    this.#subscription.unsubscribe();
    this.#socket.close();
    for (const expected of this.#expected.splice(0)) {
      expected.fail(reason);
    }
    this.#onEnd(error === undefined ? undefined : goneError(this, reason));
  }

  /**
   * Ends the connection to a back end that does not keep the protocol.
   *
   * @param what it did: `'sent …'`
   * @param answered what was waited for, and is no longer in the list
   * @returns the error that open and later requests fail with
   */
  breakOff(what: string, answered?: Expected): DmaError {
    const reason = protocolError(this, what);
    answered?.fail(reason);
    this.close(reason);
    return goneError(this, reason);
  }

  #answer(message: DescriptorMessage): void {
    const [first] = this.#expected;
    if (first === undefined) {
      this.breakOff(`sent a message that was not asked for, ${describe(message)}`);
      return;
    }
    if (!isReplyTo(first.request, message.data)) {
      this.breakOff(`sent ${describe(message)} where an answer to ${requestName(first.request)} was due`);
      return;
    }
    const index = this.#answered++;
    if (this.#answered === first.count) {
      this.#expected.shift();
      this.#answered = 0;
    }
    this.#hasAnswered = true;
    const wrong = first.take(message, index);
    if (wrong === undefined) {
      this.#restartTimer();
    } else {
      this.breakOff(`sent ${wrong} as an answer to ${requestName(first.request)}`, first);
    }
  }

  async #whenTaken(sent: Promise<void>): Promise<void> {
    this.#unsent += 1;
    try {
      await sent;
    } catch (error) {
      this.close(this.#causeOf(error));
    } finally {
      this.#unsent -= 1;
      this.#restartTimer();
    }
  }

  get #isWaiting(): boolean {
    return this.#expected.length > 0 || this.#unsent > 0;
  }

  /** The timer is made once. It keeps the process running only while something is waited for. */
  #restartTimer(): void {
    if (this.end !== undefined) {
      return;
    }
    if (!this.#isWaiting) {
      this.#timer?.unref();
    } else if (this.#timer === undefined) {
      this.#timer = setTimeout(() => {
        this.#expire();
      }, this.#timeout);
    } else {
      this.#timer.ref().refresh();
    }
  }

  #expire(): void {
    if (this.#isWaiting) {
      const waitedFor = this.#expected[0]?.request ?? this.lastRequest;
      this.close(silentError({ path: this.path, lastRequest: waitedFor }, this.#timeout));
    }
  }

  /** The socket's error, told in terms of the protocol where the peer sent what is no message. */
  #causeOf(error: unknown): DmaError {
    const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
    // A message without its end is a crash of the back end, or, as the first one, something else than a message.
    if (code === 'EMSGSIZE' || (code === 'EPROTO' && !this.#hasAnswered) || !(error instanceof DmaError)) {
      return protocolError(this, `sent what is no message (${String(message)})`, error);
    }
    return code === 'ECONNRESET' || code === 'EPIPE' ? hungUpError(this, error) : error;
  }
}

/** `'request 5, flags 0x1, 12 bytes'`. */
function describe({ data }: DescriptorMessage): string {
  return `request ${data.readUInt32LE(0)}, flags 0x${data.readUInt32LE(4).toString(16)}, ${data.length} bytes`;
}
