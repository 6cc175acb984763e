import { MemoryRange } from '../streams/index.js';
import { checkOptions, noRangeError, show, toByteCount, toBytes } from '../streams/internal.js';

export { checkOptions, show, toByteCount, toBytes };

/** Checks of arguments. Each throws a `TypeError` or a `RangeError` that names the argument. */

/** Returns the object, so that its fields can be checked separately. */
export function checkObject<T>(value: T, name: string): T & object {
  if (typeof value !== 'object' || value === null) {
    throw new TypeError(`${name} is ${show(value)}, not an object`);
  }
  return value;
}

export function checkArray(value: unknown, name: string): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) {
    throw new TypeError(`${name} is ${show(value)}, not an array`);
  }
}

export function checkRange(value: unknown, name: string): asserts value is MemoryRange {
  // An object made with the prototype alone is an instance too, but its pages were not checked by the constructor.
  if (!(value instanceof MemoryRange) || !(value.startPage < value.endPage)) {
    throw noRangeError(value, name);
  }
}

/** Labels appear in messages and in kernel interfaces. */
export function checkLabel(value: unknown, name: string): asserts value is string {
  if (typeof value !== 'string') {
    throw new TypeError(`${name} is ${show(value)}, not a string`);
  }
}

export function checkFd(value: unknown, name: string): asserts value is number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 0x7fff_ffff) {
    throw new TypeError(`${name} is ${show(value)}, not a file descriptor`);
  }
}

export function checkBytes(value: unknown, name: string): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array)) {
    throw new TypeError(`${name} is ${show(value)}, not a Uint8Array`);
  }
}

const ADDRESS_LIMIT = 1n << 64n;

function notBigint(value: unknown, name: string): TypeError {
  const cure = Number.isSafeInteger(value) ? `: write ${String(value)}n` : '';
  return new TypeError(`${name} is ${show(value)}, not a bigint${cure}`);
}

/** A bigint in [0, 2^64): the value of a register or a counter. Addresses and sizes may be numbers, too: see `toBytes`. */
export function checkU64(value: unknown, name: string): asserts value is bigint {
  if (typeof value !== 'bigint') {
    throw notBigint(value, name);
  }
  if (value < 0n || value >= ADDRESS_LIMIT) {
    throw new RangeError(`${name} ${value} is outside of [0, 2^64)`);
  }
}

/** An integer in [least, limit). */
export function checkInteger(value: unknown, name: string, least: number, limit: number): asserts value is number {
  if (typeof value !== 'number') {
    throw new TypeError(`${name} is ${show(value)}, not a number`);
  }
  if (!Number.isInteger(value) || value < least || value >= limit) {
    throw new RangeError(`${name} ${value} is not an integer in [${least}, ${limit})`);
  }
}

/** A positive multiple of `unit` bytes, below 2^63. */
export function toSize(value: unknown, name: string, unit: bigint): bigint {
  const size = toBytes(value, name);
  if (size <= 0n || size >= 1n << 63n || size % unit !== 0n) {
    throw new RangeError(`${name} ${size} is not a positive multiple of 0x${unit.toString(16)} below 2^63`);
  }
  return size;
}

export function checkSwitch(value: unknown, name: string): asserts value is boolean {
  if (typeof value !== 'boolean') {
    throw new TypeError(`${name} is ${show(value)}, not a boolean`);
  }
}
