import { checkArray, checkBytes, checkFd, checkObject } from '../checks.js';
import { checkLengthInHeader, type MessageFraming } from './message-framing.js';

/** A message to send. */
export interface OutgoingMessage {
  /** The whole message, header and payload: as long as its header says. The bytes may change after the call. */
  readonly data: Uint8Array;
  /** File descriptors that go with it, at most 16. They are duplicated: the caller's stay open, and may be closed after the call. */
  readonly fds?: readonly number[] | undefined;
}

/** The most descriptors that one message may have. The kernel's limit is 253. */
const MOST_DESCRIPTORS = 16;

/** Messages as the addon takes them. */
export interface PackedMessages {
  readonly bytes: Uint8Array;
  readonly cells: Int32Array;
}

/** Checks messages, and packs them for one call of the addon. @throws TypeError, RangeError */
export function packMessages(messages: readonly OutgoingMessage[], framing: MessageFraming): PackedMessages {
  checkArray(messages, 'messages');
  const parts: Uint8Array[] = [];
  const cells: number[] = [];
  for (const [index, message] of messages.entries()) {
    const name = `messages[${index}]`;
    const { data, fds = [] } = checkObject(message, name);
    checkBytes(data, `${name}.data`);
    checkLengthInHeader(data, framing, `${name}.data`);
    checkArray(fds, `${name}.fds`);
    if (fds.length > MOST_DESCRIPTORS) {
      throw new RangeError(`${name}.fds has ${fds.length} descriptors, more than ${MOST_DESCRIPTORS}`);
    }
    parts.push(data);
    cells.push(data.byteLength, fds.length);
    for (const [position, fd] of fds.entries()) {
      checkFd(fd, `${name}.fds[${position}]`);
      cells.push(fd);
    }
  }
  const [first = new Uint8Array(0)] = parts;
  return { bytes: parts.length < 2 ? first : Buffer.concat(parts), cells: Int32Array.from(cells) };
}
