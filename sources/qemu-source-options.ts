import { checkOptions, show } from '../streams/internal.js';

/** Options of `QemuSource.connect`. */
export interface QemuSourceOptions {
  /** From the beginning of one look at the memory map to that of the next one, in milliseconds. At least 1. Default: 100. */
  readonly interval?: number | undefined;
  /** The address space to follow. Default: `'memory'`, what the processors see. */
  readonly addressSpace?: string | undefined;
  /** For the greeting, and for each answer, in milliseconds. Default: 5,000. */
  readonly timeout?: number | undefined;
  /** How long to try to connect again after QEMU has ended, in milliseconds. Default: 0, which does not try. */
  readonly reconnect?: number | undefined;
  /** Ends the connecting: the promise rejects with `ABORT_ERR`. */
  readonly signal?: AbortSignal | undefined;
}

export interface CheckedOptions {
  readonly interval: number;
  readonly addressSpace: string;
  readonly timeout: number;
  readonly reconnect: number;
  readonly signal: AbortSignal | undefined;
}

/** The longest time that a timer of Node.js takes, in milliseconds. */
const LONGEST_TIME = 2 ** 31 - 1;

/** Checks the arguments of `QemuSource.connect`, and sets what is not given. @throws TypeError, RangeError */
export function checkQemuOptions(path: string, options: QemuSourceOptions): CheckedOptions {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new TypeError(`qmpSocket is ${show(path)}: it has to be the path of a socket, without zero bytes`);
  }
  checkOptions(
    options,
    { interval: true, addressSpace: true, timeout: true, reconnect: true, signal: true },
    'QemuSource.connect',
  );
  const { interval = 100, addressSpace = 'memory', timeout = 5000, reconnect = 0, signal } = options;
  checkTime(interval, 'interval', 1);
  checkTime(timeout, 'timeout', 1);
  checkTime(reconnect, 'reconnect', 0);
  if (typeof addressSpace !== 'string') {
    throw new TypeError(`options.addressSpace is ${show(addressSpace)}, not a text`);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`options.signal is ${show(signal)}, not an AbortSignal`);
  }
  return { interval, addressSpace, timeout, reconnect, signal };
}

function checkTime(value: number, name: string, least: number): void {
  if (typeof value !== 'number') {
    throw new TypeError(`options.${name} is ${show(value)}, not a number of milliseconds`);
  }
  if (!(value >= least && value <= LONGEST_TIME)) {
    throw new RangeError(`options.${name} is ${value}: it has to be in [${least}, ${LONGEST_TIME}] milliseconds`);
  }
}
