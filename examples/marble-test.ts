/**
 * A custom target, and a test of it without hardware: marble diagrams define when change sets arrive, and when outcomes are expected.
 *
 * The target limits the number of mapped bytes. The test shows that a set over the limit is undone as a whole, and succeeds after
 * other memory is unmapped.
 */
import assert from 'node:assert/strict';
import {
  DmaError,
  MemoryRange,
  toTarget,
  type ChangeSet,
  type DmaMapRequest,
  type DmaTarget,
  type MapChange,
} from 'dma-streams';
import { map } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';

class QuotaTarget implements DmaTarget {
  readonly name = 'quota';
  readonly #limit: bigint;
  readonly #mapped = new Map<bigint, bigint>();

  constructor(limit: bigint) {
    this.#limit = limit;
  }

  get used(): bigint {
    return [...this.#mapped.values()].reduce((sum, length) => sum + length, 0n);
  }

  mapDma({ range }: DmaMapRequest): void {
    if (this.used + range.length > this.#limit) {
      throw new DmaError(`${this.used} of ${this.#limit} bytes are in use`, {
        code: 'ENOSPC',
        range,
        target: this.name,
      });
    }
    this.#mapped.set(range.start, range.length);
  }

  unmapDma(range: MemoryRange): void {
    for (const start of this.#mapped.keys()) {
      if (start >= range.start && start < range.end) {
        this.#mapped.delete(start);
      }
    }
  }
}

function mapOf(start: number): MapChange {
  const range = MemoryRange.ofLength(start, 0x1000);
  const backing = { mappable: { fd: 0, label: 'none' }, fileOffset: 0n };
  return { range, region: 'ram', type: 'ram', writable: true, backing };
}

function setOf(generation: number, maps: readonly MapChange[], unmaps: readonly MapChange[] = []): ChangeSet {
  return {
    generation,
    snapshot: false,
    unmaps: unmaps.map(({ range, region, type }) => ({ range, region, type, covers: [range] })),
    maps,
  };
}

const [one, two, three] = [mapOf(0x1000), mapOf(0x3000), mapOf(0x5000)];
const target = new QuotaTarget(0x2000n);
const scheduler = new TestScheduler((actual, expected) => {
  assert.deepEqual(actual, expected);
});

scheduler.run(({ cold, expectObservable }) => {
  const sets = { a: setOf(1, [one]), b: setOf(2, [two, three]), c: setOf(3, [], [one]), d: setOf(4, [two, three]) };
  const outcomes$ = cold('a-b-c-d|', sets).pipe(
    toTarget(target),
    map(({ generation, status, error }) => `${generation} ${status} ${error?.code ?? ''}`.trim()),
  );

  expectObservable(outcomes$).toBe('a-b-c-d|', {
    a: '1 applied',
    b: '2 failed ENOSPC',
    c: '3 applied',
    d: '4 applied',
  });
});
assert.equal(target.used, 0x2000n);

console.log('the outcomes came when they had to, and a set that did not fit left nothing behind');
