import { DmaError } from '../../streams/index.js';
import { withoutCode } from '../../streams/internal.js';
import { requestName } from './messages.js';

/** The path of a back end, and the last request that was sent to it; 0 before the first. */
export interface LastWord {
  readonly path: string;
  readonly lastRequest: number;
  readonly target?: string | undefined;
  /** Whether features were agreed: what answers is a back end. */
  readonly isAgreed?: boolean;
}

const BUSY =
  'qemu-storage-daemon and vhost-device-vsock serve one client at a time: they accept the connection of a second one, and do not answer ' +
  'until the first one has closed its own. Look for another VMM at this socket, and whether the back end hangs.';

/** The back end did not answer within the time limit, in milliseconds. */
export function silentError({ path, lastRequest }: LastWord, timeout: number): DmaError {
  return new DmaError(`the back end at "${path}" did not answer ${requestName(lastRequest)} within ${timeout} ms`, {
    code: 'ETIMEDOUT',
    request: requestName(lastRequest),
    hint: BUSY,
  });
}

/** The back end did what none does: `'sent …'`. */
export function protocolError({ path, isAgreed = false }: LastWord, what: string, cause?: unknown): DmaError {
  const [message, hint] = isAgreed
    ? [
        `the back end at "${path}" does not keep to the protocol: it ${what}`,
        'This is a fault of the back end, whose output may say more; or its protocol is newer than this library, and a request has a reply that is not expected.',
      ]
    : [
        `what answers at "${path}" does not speak vhost-user: it ${what}`,
        'The path must be that of a vhost-user socket: not a monitor (QMP), a vfio-user socket, or a server of another protocol.',
      ];
  return new DmaError(message, { code: 'EPROTO', hint, ...(cause === undefined ? {} : { cause }) });
}

/** The back end ended the connection. `cause`: the error of the socket, if there was one. */
export function hungUpError({ path, lastRequest }: LastWord, cause?: DmaError): DmaError {
  const after = lastRequest === 0 ? 'at once' : `after ${requestName(lastRequest)}`;
  return new DmaError(`the back end at "${path}" closed the connection ${after}`, {
    code: 'ECONNRESET',
    ...(lastRequest === 0 ? {} : { request: requestName(lastRequest) }),
    hint: 'Most back ends refuse a request by closing the connection. Their own output says why, or that they have crashed.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** This side has closed the connection. */
export function closedHereError({ path }: LastWord): DmaError {
  return new DmaError(`the connection to the back end at "${path}" was closed by this process`, {
    code: 'ERR_CLOSED',
    hint: 'Close a connection only when no target uses it any more.',
  });
}

/** Every call after the end of the connection fails with such an error. */
export function goneError({ lastRequest, target }: LastWord, reason: DmaError): DmaError {
  const what = withoutCode(reason);
  const last = requestName(lastRequest);
  const sent = lastRequest === 0 || what.includes(last) ? '' : `; the last request was ${last}`;
  return new DmaError(`the back end is gone: ${what}${sent}`, {
    code: 'ERR_TARGET_GONE',
    ...(lastRequest === 0 ? {} : { request: requestName(lastRequest) }),
    target,
    cause: reason,
    hint: `Connect again, make a new VhostUserTarget of the new connection, and attach it: it gets all memory. ${reason.hint ?? ''}`.trimEnd(),
  });
}

/** A back end that goes on has refused a request. */
export function refusedError(path: string, request: number, answer: bigint): DmaError {
  return new DmaError(`the back end at "${path}" refused ${requestName(request)} with ${answer}`, {
    code: 'EIO',
    request: requestName(request),
    hint: 'The output of the back end says why.',
  });
}
