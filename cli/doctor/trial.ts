import { codeOf, hintOf, messageOf } from '../errors.js';
import type { Trial } from './report.js';

/** Tries an operation and reports the result. */
export function attempt(what: () => void): Trial {
  try {
    what();
    return { works: true };
  } catch (error) {
    return failure(error);
  }
}

export async function attemptLater(what: () => Promise<void>): Promise<Trial> {
  try {
    await what();
    return { works: true };
  } catch (error) {
    return failure(error);
  }
}

/** The result of an operation that failed. */
export function failure(error: unknown): Extract<Trial, { works: false }> {
  return { works: false, code: codeOf(error) ?? 'ERR_UNKNOWN', message: messageOf(error), hint: hintOf(error) ?? null };
}
