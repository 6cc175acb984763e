import { checkInteger, checkOptions, show } from '../checks.js';

/** How a receiver finds the end of a message: its header contains a length. */
export interface MessageFraming {
  /** Length of the header in bytes, from 4 to 4096. */
  readonly headerBytes: number;
  /** Offset in the header of the length, a little-endian u32. */
  readonly lengthAt: number;
  /** What the length counts: the bytes after the header, or all bytes. */
  readonly lengthOf: 'payload' | 'message';
  /** Limit for a whole message in bytes, up to 64 MiB. A longer message ends the connection (`EMSGSIZE`). */
  readonly maxBytes: number;
}

/** The most that one side keeps of messages that the other side does not read, and the limit of one message: 64 MiB. */
export const MOST_BYTES = 0x400_0000;

/** Checks a framing, and returns a copy. @throws TypeError, RangeError */
export function checkFraming(value: MessageFraming): MessageFraming {
  const { headerBytes, lengthAt, lengthOf, maxBytes } = checkOptions(
    value,
    { headerBytes: true, lengthAt: true, lengthOf: true, maxBytes: true },
    'framing',
  );
  checkInteger(headerBytes, 'framing.headerBytes', 4, 4097);
  checkInteger(lengthAt, 'framing.lengthAt', 0, headerBytes - 3);
  checkInteger(maxBytes, 'framing.maxBytes', headerBytes, MOST_BYTES + 1);
  // A caller in JavaScript may pass anything.
  if (!['payload', 'message'].includes(lengthOf)) {
    throw new TypeError(`framing.lengthOf is ${show(lengthOf)}, not 'payload' or 'message'`);
  }
  return { headerBytes, lengthAt, lengthOf, maxBytes };
}

/**
 * Checks that a message is as long as its header says: another length would make the receiver take the next message for a part of this one,
 * or the reverse.
 *
 * @throws RangeError
 */
export function checkLengthInHeader(data: Uint8Array, framing: MessageFraming, name: string): void {
  const { headerBytes, lengthAt, lengthOf, maxBytes } = framing;
  if (data.byteLength < headerBytes) {
    throw new RangeError(`${name} has ${data.byteLength} bytes, less than the header, which has ${headerBytes}`);
  }
  if (data.byteLength > maxBytes) {
    throw new RangeError(`${name} has ${data.byteLength} bytes, more than maxBytes, which is ${maxBytes}`);
  }
  const announced = new DataView(data.buffer, data.byteOffset).getUint32(lengthAt, true);
  const length = lengthOf === 'payload' ? headerBytes + announced : announced;
  if (length !== data.byteLength) {
    throw new RangeError(
      `${name} has ${data.byteLength} bytes, but the length in its header, at offset ${lengthAt}, makes ${length}`,
    );
  }
}
