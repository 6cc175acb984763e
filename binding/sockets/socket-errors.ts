import type { DmaError } from '../../streams/index.js';
import { ERRNO } from '../../streams/internal.js';
import { systemError } from '../errors.js';
import { MOST_BYTES, type MessageFraming } from './message-framing.js';
import type { OutgoingMessage } from './outgoing-messages.js';

/** The error that ends the messages of a connection: `errno` as `MessageReader::end` has it. */
export function receiveError(errno: number, framing: MessageFraming, length: number): DmaError {
  const what = 'the connection has failed';
  switch (errno) {
    case ERRNO.EPROTO:
      return systemError(errno, {
        what,
        because: 'the peer has closed it in the middle of a message',
        syscall: 'recvmsg',
        hint: 'The peer may have ended unexpectedly: look at its output and its exit status.',
      });
    case ERRNO.EMSGSIZE:
      return systemError(errno, {
        what,
        because: `a message of ${length} bytes is announced, and at most ${framing.maxBytes} are allowed`,
        syscall: 'recvmsg',
        hint: 'The peer speaks another protocol, or framing.maxBytes is too small.',
      });
    case ERRNO.EBADMSG:
      return systemError(errno, {
        what,
        because: `a message of ${length} bytes is announced, less than its header, which has ${framing.headerBytes}`,
        syscall: 'recvmsg',
        hint: "The peer speaks another protocol, or framing.lengthOf should be 'payload'.",
      });
    case ERRNO.E2BIG:
      return systemError(errno, {
        what,
        because: 'a message came with more than 16 descriptors',
        syscall: 'recvmsg',
        hint: 'All of them were closed.',
      });
    case ERRNO.EMFILE:
      return systemError(errno, {
        what,
        because: 'this process has no room for the descriptors of a message',
        syscall: 'recvmsg',
        hint: 'See ulimit -n. Those of the message were closed.',
      });
    case ERRNO.ECONNRESET:
      return systemError(errno, {
        what,
        because: 'the peer has closed it without reading all that was sent',
        syscall: 'recvmsg',
        hint: 'The peer has refused a message, or has ended: look at its output.',
      });
    case ERRNO.EPIPE:
      return sendError(errno);
    default:
      return systemError(errno, { what, syscall: 'recvmsg' });
  }
}

/** The error of messages that could not be sent. */
export function sendError(errno: number): DmaError {
  return systemError(errno, {
    what: 'cannot send',
    because: errno === ERRNO.EPIPE ? 'the peer has closed the connection' : undefined,
    syscall: 'sendmsg',
    hint:
      errno === ERRNO.EPIPE || errno === ERRNO.ECONNRESET
        ? 'Messages that it has sent before can still be read from messages$. Then connect again.'
        : undefined,
  });
}

/**
 * The error of messages that were refused before anything was sent; `undefined` if it was another failure. `cells` as `socketSend` has left
 * them.
 */
export function refusedError(
  errno: number,
  messages: readonly OutgoingMessage[],
  cells: Int32Array,
): DmaError | undefined {
  const [message = 0, position = 0] = cells;
  switch (errno) {
    case ERRNO.EBADF:
    case ERRNO.EMFILE:
      return systemError(errno, {
        what: `cannot send messages[${message}].fds[${position}], descriptor ${messages[message]?.fds?.[position]}`,
        syscall: 'fcntl',
        hint: `Nothing was sent.${errno === ERRNO.EMFILE ? ' This process has too many open files: see ulimit -n.' : ''}`,
      });
    case ERRNO.ENOBUFS:
      return systemError(errno, {
        what: 'cannot send',
        because: `more than ${MOST_BYTES} bytes would wait for the peer to read them`,
        hint: 'Nothing of this call was sent. Wait for the promises of earlier calls, or send fewer messages in one call.',
      });
    default:
      return undefined;
  }
}
