import fc from 'fast-check';
import { expect } from 'chai';
import { commands, START } from '../support/model-commands.js';
import { PAGES } from '../support/model-edits.js';
import { VA_BATCHES } from '../../support/va-batches.js';
import { fakes, Real } from '../support/model-world.js';
import { PageModel } from '../support/page-model.js';

/** How many random runs: `npm run test:soak` makes more. */
const RUNS = Number(process.env['DMA_STREAMS_MODEL_RUNS'] ?? 500);

/** To see a failure again: the seed that it printed. */
const SEED = process.env['DMA_STREAMS_MODEL_SEED'];

describe('RegionManager, compared with a model that is an array of pages', () => {
  it(`agrees on the view, the ledgers and the VAs, and makes no call for an unchanged mapping (${RUNS} runs)`, async function () {
    this.timeout(60_000 + RUNS * 100);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...VA_BATCHES), commands, async (batches, run) => {
        const real = new Real(fakes(batches));
        await real.attach(real.wide);
        await real.run(START);
        const model = new PageModel(PAGES).after(START);
        if (model === undefined) {
          throw new Error('the model refuses the regions that each run starts with');
        }
        await fc.asyncModelRun(() => ({ model: { model }, real }), run);
        await real.manager.close();
        expect([real.wide.held(), real.exact.held(), real.va.held()]).to.deep.equal([[], [], []]);
      }),
      { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
    );
  });
});
