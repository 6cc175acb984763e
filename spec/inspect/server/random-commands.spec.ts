import fc from 'fast-check';
import { RandomWorld, step, type Step } from './support/random-world.js';
import { serve } from './support/served.js';

const RUNS = Number(process.env['DMA_STREAMS_MODEL_RUNS'] ?? 60);

describe('serveInspector: pages that come and go while random commands run and fail', function () {
  this.timeout(600_000);

  for (const mode of ['few at a time', 'faster than they can be seen'] as const) {
    // Slices of one step: commands run in the middle of each comparison.
    for (const slice of [2, 0]) {
      it(`know in the end what the manager says, and have been told of each set: ${mode}, slices of ${slice} ms`, async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(step(mode), { minLength: 4, maxLength: 30 }), async (steps: readonly Step[]) => {
            await using world = new RandomWorld();
            await using served = await serve(world.manager, { slice });
            for (const one of steps) {
              await world.do(one, served.url);
            }
            if (world.pages.length === 0) {
              await world.do({ kind: 'open' }, served.url);
            }
            await world.agree();
          }),
          { numRuns: RUNS, endOnFailure: true },
        );
      });
    }
  }
});
