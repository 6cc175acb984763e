import { MemoryRange, type DmaMapRequest } from '../streams/index.js';
import { noRangeError } from '../streams/internal.js';

/**
 * Checks the fields of a request from an untyped caller, except the range, which {@link checkRange} checks.
 *
 * @throws TypeError that names the field
 */
export function checkMapRequest(request: DmaMapRequest): void {
  const {
    region,
    type,
    writable,
    mappable,
    fileOffset,
    hostVa,
  }: Readonly<Partial<Record<keyof DmaMapRequest, unknown>>> = objectOf(request, 'a map request');
  if (typeof region !== 'string') {
    throw new TypeError(`the region of a map request is ${kindOf(region)}, not the name of one`);
  }
  if (type !== 'ram' && type !== 'device') {
    throw new TypeError(`the type of a map request is ${textOf(type)}, not 'ram' or 'device'`);
  }
  // Any value other than false would allow device writes.
  if (typeof writable !== 'boolean') {
    throw new TypeError(`writable of a map request is ${kindOf(writable)}, not true or false`);
  }
  if (typeof fileOffset !== 'bigint') {
    throw new TypeError(
      `the fileOffset of a map request is ${kindOf(fileOffset)}, not a bigint: 0n for private memory`,
    );
  }
  if (mappable !== undefined) {
    objectOf(mappable, 'the mappable of a map request');
  }
  if (hostVa !== undefined && typeof objectOf(hostVa, 'the hostVa of a map request')['address'] !== 'bigint') {
    throw new TypeError('the hostVa of a map request has no address that is a bigint');
  }
}

/** @throws TypeError if it is not a `MemoryRange` */
export function checkRange(range: MemoryRange): void {
  if (!((range as unknown) instanceof MemoryRange)) {
    throw noRangeError(range, 'the range of a request');
  }
}

function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) {
    throw new TypeError(`${what} is ${kindOf(value)}, not an object`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : typeof value;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : kindOf(value);
}
