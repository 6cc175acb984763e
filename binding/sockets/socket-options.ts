import { checkInteger, checkLabel, checkOptions, show } from '../checks.js';
import { checkFraming, type MessageFraming } from './message-framing.js';

/** Options of `DescriptorSocket.listen`. */
export interface ListenOptions {
  /** How messages are told apart. Both sides use the same. */
  readonly framing: MessageFraming;
}

/** Options of `DescriptorSocket.connect`. */
export interface ConnectOptions extends ListenOptions {
  /** How long to wait while too many other connections wait to be accepted, in milliseconds. Default: 10,000. */
  readonly timeout?: number | undefined;
  /** Ends the waiting: the promise rejects with `ABORT_ERR`. */
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_TIMEOUT = 10_000;

/** Checks the options of `listen`. @throws TypeError, RangeError */
export function checkListen(path: string, options: ListenOptions): MessageFraming {
  checkPath(path);
  return checkFraming(checkOptions(options, { framing: true }, 'DescriptorSocket.listen').framing);
}

function checkPath(path: string): void {
  checkLabel(path, 'path');
  if (path === '' || path.includes('\0')) {
    throw new RangeError(`path is ${show(path)}: it has to be the path of a file, without zero bytes`);
  }
}

/** Checks the options of `connect`, and sets what is not given. @throws TypeError, RangeError */
export function checkConnect(path: string, options: ConnectOptions): ConnectOptions & { readonly timeout: number } {
  checkPath(path);
  checkOptions(options, { framing: true, timeout: true, signal: true }, 'DescriptorSocket.connect');
  const { timeout = DEFAULT_TIMEOUT, signal } = options;
  const framing = checkFraming(options.framing);
  checkInteger(timeout, 'options.timeout', 0, 2 ** 31);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`options.signal is ${show(signal)}, not an AbortSignal`);
  }
  return { framing, timeout, signal };
}
