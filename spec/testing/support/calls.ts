import { lastValueFrom, Observable } from 'rxjs';
import { DmaError, MemoryRange, type DmaMapRequest, type DmaTarget, type MapChange } from '../../../streams/index.js';
import { mapOf, type RangeLike } from '../../../testing/index.js';

/** The request with which a target gets a map of RAM. */
export function requestOf(
  range: RangeLike,
  options: Partial<Pick<MapChange, 'writable' | 'region'>> & Partial<Pick<DmaMapRequest, 'hostVa' | 'mappable'>> = {},
): DmaMapRequest {
  const { range: at, region, type, writable } = mapOf(range);
  return { range: at, region, type, writable, fileOffset: 0n, ...options };
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
export function mapAt(target: DmaTarget, ...request: Parameters<typeof requestOf>): string | undefined {
  return codeOf(() => target.mapDma(requestOf(...request)));
}

/** Unmaps a range at a target that answers at once. Returns the code of the error if the call fails. */
export function unmapAt(target: DmaTarget, range: string): string | undefined {
  return codeOf(() => target.unmapDma(MemoryRange.parse(range)));
}

/** The result of a call that may end at once, by a promise or by an observable. */
export async function resultOf(answer: unknown): Promise<unknown> {
  return await (answer instanceof Observable ? lastValueFrom(answer, { defaultValue: undefined }) : answer);
}
