import type { MapChange } from '../contracts/change-set.js';
import { DmaError } from '../contracts/errors.js';
import type { HostVa } from '../contracts/host-va.js';
import type { VaMapper } from '../contracts/va-mapper.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { mapperError, noVaError, releaseError, reportReleaseFailures } from './va-errors.js';
import { isPromiseLike } from '../util/coroutine.js';

/** Makes the calls of one VA mapper, and checks what it returns. What it throws becomes a `DmaError`. */
export class MapperCalls {
  readonly #mapper: VaMapper;

  constructor(mapper: VaMapper) {
    this.#mapper = mapper;
  }

  /** Whether the mapper makes several addresses in one call. */
  get takesBatches(): boolean {
    return this.#has('ensureMappedBatch');
  }

  /** @throws DmaError when the mapper throws, or returns no address */
  ensure(mapping: MapChange): HostVa {
    const answer = answerTo(mapping, () => this.#mapper.ensureMapped(mapping));
    if (answer instanceof DmaError) {
      throw answer;
    }
    return answer;
  }

  /** Makes several addresses in one call. Returns for each mapping its address, or the error. */
  ensureBatch(mappings: readonly MapChange[]): readonly (HostVa | DmaError)[] {
    let answers: unknown;
    try {
      answers = this.#mapper.ensureMappedBatch?.(mappings);
    } catch (error) {
      return mappings.map((mapping) => mapperError(error, mapping));
    }
    const rows: readonly unknown[] = Array.isArray(answers) ? answers : [];
    return mappings.map((mapping, index) => answerTo(mapping, () => rows[index]));
  }

  /**
   * Releases addresses, in one call if the mapper takes batches. A failure is reported, and the address counts as
   * released.
   *
   * @returns a promise if the mapper releases asynchronously. It never rejects
   */
  release(ranges: readonly MemoryRange[], report: (error: DmaError) => void): Promise<void> | undefined {
    if (!this.#has('releaseBatch')) {
      this.releaseEach(ranges, report);
      return undefined;
    }
    if (ranges.length === 0) {
      return undefined;
    }
    const reportAll = (error: unknown): void => {
      ranges.forEach((range) => {
        report(releaseError({ range, error }));
      });
    };
    try {
      const answer: unknown = this.#mapper.releaseBatch?.(ranges);
      if (isPromiseLike(answer)) {
        return Promise.resolve(answer).then((late) => {
          reportReleaseFailures(late, report);
        }, reportAll);
      }
      reportReleaseFailures(answer, report);
    } catch (error) {
      reportAll(error);
    }
    return undefined;
  }

  /** Releases addresses by one call each. A failure is reported, and the address counts as released. */
  releaseEach(ranges: readonly MemoryRange[], report: (error: DmaError) => void): void {
    for (const range of ranges) {
      try {
        this.#mapper.release(range);
      } catch (error) {
        report(releaseError({ range, error }));
      }
    }
  }

  /** Whether the mapper has an optional method. One that cannot be read is there: the call of it fails, and says why. */
  #has(method: 'ensureMappedBatch' | 'releaseBatch'): boolean {
    try {
      return this.#mapper[method] !== undefined;
    } catch {
      return true;
    }
  }
}

/** The address that a mapper has returned for a mapping, or the error that it has returned or thrown. */
function answerTo(mapping: MapChange, read: () => unknown): HostVa | DmaError {
  try {
    const answer = read();
    if (answer instanceof Error) {
      return mapperError(answer, mapping);
    }
    return typeof (answer as HostVa | undefined | null)?.address === 'bigint' ? (answer as HostVa) : noVaError(mapping);
  } catch (error) {
    return mapperError(error, mapping);
  }
}
