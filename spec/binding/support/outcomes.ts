import { DmaError } from '../../../streams/index.js';

/** What a call returns, or throws. */
export function attempt(use: () => unknown): unknown {
  try {
    return use();
  } catch (error) {
    return error;
  }
}

/** `'ok'`, or the code of an error. */
export function codeOf(result: unknown): string {
  return result instanceof DmaError ? result.code : result instanceof Error ? result.name : 'ok';
}
