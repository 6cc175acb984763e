import fc from 'fast-check';
import { expect } from 'chai';
import { AddressSpace, Memfd } from '../../binding/index.js';
import { commands, START } from '../streams/support/model-commands.js';
import { PAGES } from '../streams/support/model-edits.js';
import { Real } from '../streams/support/model-world.js';
import { PageModel } from '../streams/support/page-model.js';
import { WatchedSpace } from '../support/watched-space.js';
import { pinnedKilobytes, unmapInKernel } from './support/accounts.js';
import { iommufd, type1, type Way } from './support/machine.js';

const RUNS = Number(process.env['DMA_STREAMS_MODEL_RUNS'] ?? 25);
const SEED = process.env['DMA_STREAMS_MODEL_SEED'];

for (const make of [type1, () => iommufd('va')]) {
  const probe = make();
  const { name } = probe;
  probe.close();

  describe(`the model, with ${name}`, () => {
    let way: Way;
    let space: AddressSpace;
    let files: Map<string, Memfd>;

    before(() => {
      way = make();
      way.openDevice();
      space = new AddressSpace({ size: 1n << 32n });
      files = new Map(['a', 'b'].map((label) => [label, Memfd.create(label, BigInt(2 * PAGES) * 4096n)]));
    });

    after(() => {
      way.close();
      space.close();
      files.forEach((file) => {
        file.close();
      });
    });

    it(`the kernel unmaps exactly what the ledger holds, mapping by mapping, and nothing else (${RUNS} runs)`, async () => {
      await fc.assert(
        fc.asyncProperty(commands, async (run) => {
          const { target } = way;
          const inner = {
            name: target.name,
            mapDma: target.mapDma.bind(target),
            unmapDma: target.unmapDma.bind(target),
          };
          const real = new Real({ files, vaMapper: () => new WatchedSpace(space), inner });
          try {
            await real.attach(real.wide);
            await real.run(START);
            const model = new PageModel(PAGES).after(START);
            if (model === undefined) {
              throw new Error('the model refuses the regions that each run starts with');
            }
            await fc.asyncModelRun(() => ({ model: { model }, real }), run);
            const held = (real.attachments.get(real.wide)?.ledger() ?? []).map(({ range }) => range);
            const pinned = held.reduce((sum, { length }) => sum + Number(length), 0) / 1024;
            expect(pinnedKilobytes()[way.container === undefined ? 1 : 0]).to.equal(pinned);
            expect(unmapInKernel(way, held)).to.deep.equal([...held.map(({ length }) => length), 0n]);
            // As if they had never been there: then the close, which finds nothing, is no failure.
            await real.manager.close();
            expect(real.va.held()).to.deep.equal([]);
          } finally {
            unmapInKernel(way, []);
            await real.manager.close().catch(() => undefined);
          }
          expect(pinnedKilobytes()).to.deep.equal([0, 0]);
        }),
        { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
      );
    }).timeout(600_000);
  });
}
