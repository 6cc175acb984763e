import { markAsUntransferable } from 'node:worker_threads';
import { DmaError } from '../../streams/index.js';

/** A message that has arrived on a {@link DescriptorSocket}. */
export interface DescriptorMessage {
  /**
   * The whole message, header and payload. Messages that arrive together share an `ArrayBuffer`, which cannot be transferred to another
   * thread: transfer a copy.
   */
  readonly data: Buffer;
  /** Number of file descriptors that came with the message, from 0 to 16, taken or not. */
  readonly descriptorCount: number;
  /**
   * The file descriptors that came with the message, in order. From now on they are the caller's, who closes them. A second call returns none.
   *
   * Call it before the subscriber of `messages$` returns: after that, descriptors that were not taken are closed.
   *
   * @throws DmaError `ERR_CLOSED` if they are closed already
   */
  takeDescriptors(): readonly number[];
}

/** Numbers before the descriptors of each message: its length, the number of descriptors, whether they were taken. */
const CELLS = 3;

/**
 * The messages of one batch of the addon, in order, as long as they are wanted; the others come again. `cells` is shared with the addon: the number of messages that were delivered is written
 * into it before each message, and which messages had their descriptors taken.
 */
export function* messagesOf(
  bytes: ArrayBuffer,
  cells: Int32Array,
  areWanted: () => boolean,
): Generator<DescriptorMessage, void, void> {
  markAsUntransferable(bytes);
  let offset = 0;
  let delivered = 0;
  let at = 1;
  while (at < cells.length && areWanted()) {
    const length = cells[at] ?? 0;
    const message = new ReceivedMessage(Buffer.from(bytes, offset, length), cells, at);
    offset += length;
    at += CELLS + message.descriptorCount;
    delivered += 1;
    cells[0] = delivered;
    try {
      yield message;
    } finally {
      message.close();
    }
  }
}

class ReceivedMessage implements DescriptorMessage {
  readonly data: Buffer;
  readonly descriptorCount: number;
  readonly #cells: Int32Array;
  readonly #at: number;
  #state: 'open' | 'taken' | 'closed' = 'open';

  constructor(data: Buffer, cells: Int32Array, at: number) {
    this.data = data;
    this.descriptorCount = cells[at + 1] ?? 0;
    this.#cells = cells;
    this.#at = at;
  }

  takeDescriptors(): readonly number[] {
    if (this.descriptorCount === 0 || this.#state === 'taken') {
      return [];
    }
    if (this.#state === 'closed') {
      throw new DmaError('the descriptors of this message are closed', {
        code: 'ERR_CLOSED',
        hint: 'Call takeDescriptors before the subscriber of messages$ returns, not in a later turn of the event loop.',
      });
    }
    this.#state = 'taken';
    this.#cells[this.#at + 2] = 1;
    const first = this.#at + CELLS;
    return [...this.#cells.subarray(first, first + this.descriptorCount)];
  }

  /** Called when the subscribers have returned. The addon closes the descriptors if they were not taken. */
  close(): void {
    if (this.#state === 'open') {
      this.#state = 'closed';
    }
  }
}
