import { show } from './checks.js';
import { hex } from './hex.js';

/** The last address. */
const LAST_ADDRESS = (1n << 64n) - 1n;

/** The integer that a user has given as a `number` or a `bigint`. @throws TypeError, or RangeError for a number that is no exact integer */
export function toInteger(value: unknown, what: string): bigint {
  if (typeof value === 'bigint') {
    return value;
  }
  if (typeof value !== 'number') {
    throw new TypeError(`${what} must be a bigint or a number of bytes, not ${show(value)}`);
  }
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(
      Number.isInteger(value)
        ? `${what} ${value} is not exact as a number: give a bigint`
        : `${what} must be a whole number of bytes, not ${value}`,
    );
  }
  return BigInt(value);
}

/**
 * An address, an offset or a size, in bytes, that a user has given as a `number` or a `bigint`.
 *
 * @param most the largest value. Default: 2^64 - 1
 * @throws TypeError or RangeError that names it
 */
export function toBytes(value: unknown, what: string, most = LAST_ADDRESS): bigint {
  const bytes = toInteger(value, what);
  if (bytes < 0n || bytes > most) {
    throw new RangeError(
      `${what} must be from 0 to ${most === LAST_ADDRESS ? '2^64 - 1' : hex(most)} bytes, not ${bytes}`,
    );
  }
  return bytes;
}

/** The same, of what must fit into memory: as a number, which is exact. */
export function toByteCount(value: unknown, what: string, most = Number.MAX_SAFE_INTEGER): number {
  // Most are numbers already.
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most
    ? value
    : Number(toBytes(value, what, BigInt(most)));
}
