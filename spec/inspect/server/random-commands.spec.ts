import fc from 'fast-check';
import { serveInspector } from '../../../inspect/index.js';
import { RandomWorld, step, type Step } from './support/random-world.js';

const RUNS = Number(process.env['DMA_STREAMS_MODEL_RUNS'] ?? 60);

describe('serveInspector: pages that come and go while random commands run and fail', function () {
  this.timeout(600_000);

  for (const mode of ['few at a time', 'faster than they can be seen'] as const) {
    it(`know in the end what the manager says, and have been told of each set: ${mode}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step(mode), { minLength: 4, maxLength: 30 }), async (steps: readonly Step[]) => {
          await using world = new RandomWorld();
          await using inspector = await serveInspector(world.manager);
          for (const one of steps) {
            await world.do(one, inspector.url);
          }
          if (world.pages.length === 0) {
            await world.do({ kind: 'open' }, inspector.url);
          }
          await world.agree();
        }),
        { numRuns: RUNS, endOnFailure: true },
      );
    });
  }
});
