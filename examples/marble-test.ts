/**
 * A custom target, and a test of it without hardware: marble diagrams define when change sets arrive, and when outcomes are expected.
 *
 * The target limits the number of mapped bytes. The test shows that a set over the limit is undone as a whole, and succeeds after
 * other memory is unmapped.
 */
import assert from 'node:assert/strict';
import { DmaError, toTarget, type DmaMapRequest, type DmaTarget, type MemoryRange } from 'dma-streams';
import { marbleTest } from 'dma-streams/testing';

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

const [one, two, three] = ['0x1000-0x2000', '0x3000-0x4000', '0x5000-0x6000'] as const;
const target = new QuotaTarget(0x2000n);

marbleTest(({ sets, expectOutcomes }) => {
  const sets$ = sets('a-b-c-d|', {
    a: { maps: [one] },
    b: { maps: [two, three] },
    c: { unmaps: [one] },
    d: { maps: [two, three] },
  });
  expectOutcomes(sets$.pipe(toTarget(target))).toBe('a-b-c-d|', {
    a: '1 applied',
    b: '2 failed ENOSPC',
    c: '3 applied',
    d: '4 applied',
  });
});
assert.equal(target.used, 0x2000n);

console.log('the outcomes came when they had to, and a set that did not fit left nothing behind');
