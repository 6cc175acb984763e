import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { stallScenes } from '../../../bench/stalls/index.js';
import { limitsOf } from '../support/turn-limits.js';
import type { TurnWork } from '../support/turn-work.js';

describe('RegionManager: the event loop has its turn', () => {
  const played = new Map<string, TurnWork>();

  before(async function () {
    this.timeout(600_000);
    const worker = new Worker(new URL('../support/turn-work.js', import.meta.url), {
      workerData: { names: stallScenes.map(({ name }) => name) },
    });
    await new Promise((resolve, reject) => {
      worker.on('message', (work: TurnWork) => {
        played.set(work.scene, work);
      });
      worker.once('error', reject);
      worker.once('exit', resolve);
    });
  });

  for (const scene of stallScenes) {
    it(`within a number of steps that does not grow with the number of mappings: ${scene.name}`, () => {
      const { times, code, failure } = played.get(scene.name) ?? { times: NaN, code: '', failure: 'it was not played' };
      expect(failure).to.equal(undefined);
      expect(times, code).to.be.at.most(limitsOf(scene).atMost);
    });
  }
});
