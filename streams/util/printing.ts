import { hex } from './hex.js';

/** The symbol by which `console.log` of Node.js asks an object for its text. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom');

interface InspectOptions {
  readonly depth?: number | null;
}

/**
 * Gives the objects of a class a `toJSON`, and makes `console.log` print the same with the name of the class.
 *
 * A `bigint`, which JSON does not have, becomes a string of hexadecimal digits: `'0x1000'`. What throws, because the object is closed for
 * example, is left out: neither of the two ever throws.
 *
 * @param describe what is shown of an object, without circles
 * @param name printed before it. Default: the name of the class
 */
export function printable<T extends object>(
  type: { readonly prototype: T; readonly name: string },
  describe: (object: T) => Readonly<Record<string, unknown>>,
  name?: string,
): void {
  const toJSON = (object: T): Record<string, unknown> => {
    try {
      return Object.fromEntries(
        Object.entries(describe(object)).map(([key, value]) => [key, typeof value === 'bigint' ? hex(value) : value]),
      );
    } catch {
      return {};
    }
  };
  Object.defineProperty(type.prototype, 'toJSON', {
    configurable: true,
    writable: true,
    value(this: T): Record<string, unknown> {
      return toJSON(this);
    },
  });
  Object.defineProperty(type.prototype, INSPECT, {
    configurable: true,
    writable: true,
    value(
      this: T,
      depth: number,
      options: InspectOptions,
      inspect?: (value: unknown, options: object) => string,
    ): unknown {
      const shown = toJSON(this);
      return inspect === undefined
        ? shown
        : `${name ?? this.constructor.name} ${depth < 0 ? '{ … }' : inspect(shown, { ...options, depth: options.depth === null ? null : depth })}`;
    },
  });
}

/** The value that a getter returns; `undefined` if it throws, because the object is closed for example. */
export function readable<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch {
    return undefined;
  }
}
