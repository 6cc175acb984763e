import type { DmaMapRequest } from '../../streams/index.js';

/**
 * Looks at what a caller without types may have got wrong; the range has a check of its own.
 *
 * @throws TypeError that names the field
 */
export function checkMapRequest(request: DmaMapRequest): void {
  const { mappable, fileOffset, hostVa }: Readonly<Partial<Record<keyof DmaMapRequest, unknown>>> = objectOf(
    request,
    'a map request',
  );
  if (mappable !== undefined) {
    objectOf(mappable, 'the mappable of a map request');
    if (typeof fileOffset !== 'bigint') {
      throw new TypeError(`the fileOffset of a map request is ${String(fileOffset)}, not a bigint`);
    }
  }
  if (hostVa !== undefined && typeof objectOf(hostVa, 'the hostVa of a map request')['address'] !== 'bigint') {
    throw new TypeError('the hostVa of a map request has no address that is a bigint');
  }
}

function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) {
    throw new TypeError(`${what} is ${value === null ? 'null' : typeof value}, not an object`);
  }
  return value as Readonly<Record<string, unknown>>;
}
