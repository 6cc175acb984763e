import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import type { ChangeWork } from '../support/change-work.js';

/** How much more work a change may take when the memory map has ten times as many pieces or regions: the searches go one or two nodes deeper. */
const GROWTH_MAX = 1.3;

describe('the work of a change where regions overlap in any way', () => {
  it('grows with the logarithm of the number of pieces, and of regions that overlap', async function () {
    this.timeout(120_000);
    const works = await count();
    const changes = [...new Set(works.map(({ change }) => change))];
    expect(changes).to.have.length(3);
    for (const change of changes) {
      const times = works.filter((one) => one.change === change);
      expect(times.length, change).to.be.at.least(2);
      for (const [index, { times: now, size }] of times.entries()) {
        const before = times[index - 1];
        if (before !== undefined) {
          expect(
            now / before.times,
            `${change}: ${size} after ${before.size}, ${now} after ${before.times}`,
          ).to.be.below(GROWTH_MAX);
        }
      }
    }
  });
});

async function count(): Promise<readonly ChangeWork[]> {
  const works: ChangeWork[] = [];
  const worker = new Worker(new URL('../support/change-work.js', import.meta.url));
  await new Promise((resolve, reject) => {
    worker.on('message', (work: ChangeWork) => works.push(work));
    worker.once('error', reject);
    worker.once('exit', resolve);
  });
  return works;
}
