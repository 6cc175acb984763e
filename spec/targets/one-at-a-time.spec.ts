import { expect } from 'chai';
import { DmaBatch } from '../../binding/index.js';
import { OneAtATime } from '../../targets/kernel/one-at-a-time.js';
import type { Iommu } from '../../targets/kernel/iommu-calls.js';

/** Notes what is begun, and ends it when it is told to. */
class SlowIommu implements Iommu {
  readonly #name: string;
  readonly #journal: string[];
  readonly #ends: ((error?: Error) => void)[] = [];

  constructor(name: string, journal: string[]) {
    this.#name = name;
    this.#journal = journal;
  }

  run(batch: DmaBatch): number {
    this.#journal.push(`${this.#name} at once`);
    return batch.length;
  }

  runAsync(batch: DmaBatch): Promise<number> {
    this.#journal.push(`${this.#name} begins`);
    return new Promise((resolve, reject) => {
      this.#ends.push((error) => {
        this.#journal.push(`${this.#name} ends`);
        if (error === undefined) {
          resolve(batch.length);
        } else {
          reject(error);
        }
      });
    });
  }

  end(error?: Error): void {
    this.#ends.shift()?.(error);
  }
}

describe('containers that take turns', () => {
  let journal: string[];
  let first: SlowIommu;
  let second: SlowIommu;
  const batch = new DmaBatch();

  beforeEach(() => {
    journal = [];
    first = new SlowIommu('first', journal);
    second = new SlowIommu('second', journal);
  });

  it('begin a long call when that of another has ended, and a short one at once', async () => {
    const one = new OneAtATime(first).runAsync(batch);
    const other = new OneAtATime(second).runAsync(batch);
    new OneAtATime(second).run(batch);
    expect(journal).to.deep.equal(['first begins', 'second at once']);
    first.end();
    await one;
    await Promise.resolve();
    expect(journal.slice(2)).to.deep.equal(['first ends', 'second begins']);
    second.end();
    expect(await other).to.equal(0);
  });

  it('go on after one that failed', async () => {
    const one = new OneAtATime(first).runAsync(batch).then(
      () => 'done',
      (error: unknown) => (error as Error).message,
    );
    const other = new OneAtATime(second).runAsync(batch);
    first.end(new Error('closed'));
    expect(await one).to.equal('closed');
    await Promise.resolve();
    second.end();
    expect(await other).to.equal(0);
  });
});
