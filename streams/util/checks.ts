import { functionText, isClass } from './classes.js';

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean';
}

/** @throws TypeError */
export function checkObject(value: unknown, what: string): asserts value is object {
  if (typeof value !== 'object' || value === null) {
    throw new TypeError(`${what}: an object is needed, not ${show(value)}`);
  }
}

/**
 * Checks the names of options or members. A misspelt one would be ignored.
 *
 * @throws TypeError
 */
export function checkNames(options: object, names: readonly string[], what: string): void {
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) {
      throw new TypeError(`${what} has no "${name}"; it has ${names.join(', ')}`);
    }
  }
}

/**
 * Checks that the options of a call are an object, and that there are no others. Returns it, so that each can be checked.
 *
 * @param names of all options
 * @param where what takes them: `'serveInspector'`
 * @throws TypeError
 */
export function checkOptions<T extends object>(
  options: T,
  names: { readonly [Name in keyof Required<T>]: true },
  where: string,
): T {
  checkObject(options, `the options of ${where}`);
  checkNames(options, Object.keys(names), where);
  return options;
}

/** @throws TypeError */
export function checkCallback(callback: unknown, what: string): void {
  if (callback !== undefined) {
    checkFunction(callback, what);
  }
}

/** @throws TypeError */
export function checkFunction(value: unknown, what: string): void {
  if (typeof value !== 'function' || isClass(value)) {
    throw new TypeError(`${what} must be a function, not ${show(value)}`);
  }
}

/** Longest time that timers take, in milliseconds. */
const MILLISECONDS_MAX = 2 ** 31 - 1;

/** @throws TypeError when it is not a number, RangeError when it is less than `min` or too long for a timer */
export function checkMilliseconds(value: unknown, min: number, what: string): void {
  if (typeof value !== 'number') {
    throw new TypeError(`${what} must be a number of milliseconds, not ${show(value)}`);
  }
  if (!(value >= min && value <= MILLISECONDS_MAX)) {
    throw new RangeError(`${what} must be ${min} to ${MILLISECONDS_MAX} milliseconds, not ${value}`);
  }
}

/** @throws TypeError when it is not a number, RangeError when it is not an integer of at least 1 */
export function checkCount(value: unknown, what: string): void {
  if (typeof value !== 'number') {
    throw new TypeError(`${what} must be a number, not ${show(value)}`);
  }
  if (!Number.isInteger(value) || value < 1) {
    throw new RangeError(`${what} must be an integer from 1 on, not ${value}`);
  }
}

/** @throws TypeError */
export function checkBoolean(value: unknown, what: string): void {
  if (value !== undefined && !isBoolean(value)) {
    throw new TypeError(`${what} must be true or false, not ${show(value)}`);
  }
}

/** @throws TypeError */
export function checkOneOf(value: unknown, values: readonly string[], what: string): void {
  if (!values.includes(value as string)) {
    throw new TypeError(`${what} must be ${values.map((one) => `'${one}'`).join(' or ')}, not ${show(value)}`);
  }
}

/** @throws TypeError */
export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`signal must be an AbortSignal, not ${show(signal)}`);
  }
}

/** Formats a value for an error message. */
export function show(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `'${value}'`;
    case 'bigint':
      return `${value}n`;
    case 'function':
      return functionText(value);
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? 'an array' : 'an object';
    default:
      return String(value);
  }
}
