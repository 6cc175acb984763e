import { hex } from '../util/hex.js';
import { textOf } from './thrown-value.js';

/** Most causes of an error that are written: those of users may form a circle. */
const CAUSES_MAX = 8;

/** The properties of an error and its causes, for JSON. */
export function errorToJson(error: Error, causesLeft = CAUSES_MAX): Record<string, unknown> {
  const { name, message, cause } = error;
  const own = Object.entries(error).map(([key, value]: [string, unknown]) => [
    key,
    typeof value === 'bigint' ? hex(value) : value,
  ]);
  return {
    name,
    message,
    ...(Object.fromEntries(own) as Record<string, unknown>),
    ...(cause === undefined || causesLeft === 0
      ? {}
      : { cause: cause instanceof Error ? errorToJson(cause, causesLeft - 1) : textOf(cause) }),
  };
}
