import { lastValueFrom, Observable } from 'rxjs';
import { DmaError, MemoryRange, type DmaMapRequest, type DmaTarget } from '../../../streams/index.js';
import type { RangeLike } from '../../../testing/index.js';
import { request, type RequestOptions } from '../../targets/support/requests.js';

/** A map request, writable RAM but for what is given. */
export function requestAt(range: RangeLike, options?: RequestOptions): DmaMapRequest {
  return request(typeof range === 'string' ? MemoryRange.parse(range) : range, options);
}

/** The code of the error that `work` throws; `undefined` if it throws nothing. */
export function codeOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof DmaError) {
      return error.code;
    }
    throw error;
  }
  return undefined;
}

/** Maps a range at a target that answers at once. Returns the code of the error if the call fails. */
export function mapAt(target: DmaTarget, ...request: Parameters<typeof requestAt>): string | undefined {
  return codeOf(() => target.mapDma(requestAt(...request)));
}

/** Unmaps a range at a target that answers at once. Returns the code of the error if the call fails. */
export function unmapAt(target: DmaTarget, range: string): string | undefined {
  return codeOf(() => target.unmapDma(MemoryRange.parse(range)));
}

/** The result of a call that may end at once, by a promise or by an observable. */
export async function resultOf(answer: unknown): Promise<unknown> {
  return await (answer instanceof Observable ? lastValueFrom(answer, { defaultValue: undefined }) : answer);
}
