import { of } from 'rxjs';
import { DmaError, MemoryRange, type BatchStop, type DmaMapRequest, type DmaTarget } from '../../../streams/index.js';

/** What a call of a target may return. */
export type Answer = ReturnType<DmaTarget['mapDma']>;
export type BatchAnswer = ReturnType<NonNullable<DmaTarget['mapDmaBatch']>>;

/** The addresses that a `SmallTarget` refuses. */
export const REFUSED = MemoryRange.of(0xfee00000, 0xfee02000);

/** A correct target, of which the breaches override one method. */
export class SmallTarget implements DmaTarget {
  readonly name: string = 'small';
  protected readonly maps: MemoryRange[] = [];

  mapDma(request: DmaMapRequest): Answer {
    this.insert(request);
  }

  unmapDma(range: MemoryRange): Answer {
    this.remove(range);
  }

  mapDmaBatch(requests: readonly DmaMapRequest[]): BatchAnswer {
    return this.serve(requests, (request) => {
      this.insert(request);
    });
  }

  unmapDmaBatch(ranges: readonly MemoryRange[]): BatchAnswer {
    return this.serve(ranges, (range) => {
      this.remove(range);
    });
  }

  checkMaps(requests: readonly DmaMapRequest[]): void {
    const refused = requests.find(({ type, range }) => type === 'ram' && range.overlaps(REFUSED));
    if (refused !== undefined) {
      throw failure('EINVAL', refused.range);
    }
  }

  mappedRanges(): readonly MemoryRange[] {
    return [...this.maps];
  }

  protected insert({ range }: DmaMapRequest): void {
    if (this.maps.some((one) => one.overlaps(range))) {
      throw failure('EEXIST', range);
    }
    if (range.overlaps(REFUSED)) {
      throw failure('EINVAL', range);
    }
    this.maps.push(range);
  }

  protected remove(range: MemoryRange): void {
    const inside = this.maps.filter((one) => one.overlaps(range));
    if (!inside.every((one) => range.contains(one))) {
      throw failure('EINVAL', range);
    }
    for (const one of inside) {
      this.drop(one);
    }
  }

  protected drop(range: MemoryRange): void {
    this.maps.splice(this.maps.indexOf(range), 1);
  }

  protected serve<T>(items: readonly T[], call: (item: T) => void): BatchStop | undefined {
    for (const [done, item] of items.entries()) {
      try {
        call(item);
      } catch (error) {
        return { done, error };
      }
    }
    return undefined;
  }
}

export function failure(code: string, range: MemoryRange): DmaError {
  return new DmaError('refused', { code, target: 'small', range });
}

/** A target that only counts its maps. */
export class CountingTarget extends SmallTarget {
  override mappedRanges = undefined as never;
  mappedCount(): ReturnType<NonNullable<DmaTarget['mappedCount']>> {
    return of(this.maps.length);
  }
}

/** A target that is told of sets, and refuses calls outside of one. */
export class ToldOfSets extends SmallTarget {
  #inSet = false;

  beginSet(): void {
    this.#expect(false);
    this.#inSet = true;
  }

  endSet(): void {
    this.#expect(true);
    this.#inSet = false;
  }

  override checkMaps(requests: readonly DmaMapRequest[]): void {
    this.#expect(true);
    super.checkMaps(requests);
  }

  protected override insert(request: DmaMapRequest): void {
    this.#expect(true);
    super.insert(request);
  }

  protected override remove(range: MemoryRange): void {
    this.#expect(true);
    super.remove(range);
  }

  #expect(inSet: boolean): void {
    if (this.#inSet !== inSet) {
      throw failure('EPROTO', REFUSED);
    }
  }
}
