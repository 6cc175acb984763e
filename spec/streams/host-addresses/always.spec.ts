import { expect } from 'chai';
import fc from 'fast-check';
import { DmaError, DmaMapError, RegionManager } from '../../../streams/index.js';
import { addRam, FakeVaMapper } from '../../../testing/index.js';
import { describeWithVaBatches, VA_BATCHES } from '../../support/va-batches.js';
import { edit, fitted, PAGES } from '../support/model-edits.js';
import { fakes, rangeOf, Real } from '../support/model-world.js';
import { PageModel, type Edit } from '../support/page-model.js';
import { addRegion, mapping, range, rejectionOf, texts } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

describeWithVaBatches("RegionManager: hostAddresses 'always'", (batches) => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage({ batches, hostAddresses: 'always' });
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  it('gives an active mapping its address without any target, and releases it when it is no longer active', async () => {
    const { manager } = stage;
    const region = await addRegion(manager, 0x0, 0x10000);
    await region.addMapping(mapping(0x0, 0x1000));
    expect(stage.takeJournal()).to.deep.equal(['va: ensure 0x0-0x1000']);
    await region.unmap();
    expect(stage.takeJournal()).to.deep.equal(['va: release 0x0-0x1000']);
    await region.addMapping(mapping(0x1000, 0x2000));
    expect(stage.takeJournal()).to.deep.equal([]);
    await region.map({ writable: false });
    expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000', '0x1000-0x2000']);
    await manager.close();
    expect(stage.va.held()).to.deep.equal([]);
  });

  it('makes the address before the first map of the targets, and releases it after their last unmap', async () => {
    const { manager } = stage;
    for (const [name, needsVa] of [
      ['a', true],
      ['b', false],
    ] as const) {
      await manager.attach(stage.target({ name, needsVa }));
    }
    const region = await addRegion(manager, 0x0, 0x10000);
    await region.addMapping(mapping(0x0, 0x1000));
    await region.removeMappings(range(0x0, 0x1000));
    expect(stage.journal).to.deep.equal([
      'va: ensure 0x0-0x1000',
      'a: map 0x0-0x1000 rw',
      'b: map 0x0-0x1000 rw',
      'b: unmap 0x0-0x1000',
      'a: unmap 0x0-0x1000',
      'va: release 0x0-0x1000',
    ]);
  });

  it('keeps the address when a target is attached, which uses it, and detached', async () => {
    const { manager } = stage;
    await addRam(manager, range(0x0, 0x4000));
    stage.takeJournal();
    const attachment = await manager.attach(stage.target({ name: 'a', needsVa: true }));
    await attachment.detach();
    expect(stage.takeJournal()).to.deep.equal(['a: map 0x0-0x4000 rw', 'a: unmap 0x0-0x4000']);
    expect(texts(stage.va.held())).to.deep.equal(['0x0-0x4000']);
  });

  it('releases it when a later target fails, and makes it again for what is restored', async () => {
    const { manager } = stage;
    const target = stage.target({ name: 'a' });
    await manager.attach(target);
    const region = await addRegion(manager, 0x0, 0x10000);
    await region.addMapping(mapping(0x0, 0x2000));
    target.failAll('map 0x1000');
    await rejectionOf(
      manager.transaction((draft) => {
        draft.removeMappings(region, range(0x0, 0x2000));
        draft.addMapping(region, mapping(0x1000, 0x3000));
      }),
    );
    expect(texts(stage.va.held())).to.deep.equal(['0x0-0x2000']);
  });

  it('fails the command if RAM gets no address, and changes nothing', async () => {
    const { manager, va } = stage;
    const region = await addRegion(manager, 0x0, 0x10000);
    va.failAll('ensure', 'ENOMEM');
    const error = await rejectionOf(region.addMapping(mapping(0x0, 0x1000)));
    expect(error).to.be.instanceOf(DmaMapError);
    expect(error).to.include({ code: 'ENOMEM', target: 'host addresses' });
    expect(manager.snapshot().mappings).to.deep.equal([]);
    va.clearFailures();
    await region.addMapping(mapping(0x0, 0x1000));
    expect(texts(va.held())).to.deep.equal(['0x0-0x1000']);
  });

  it('reports device memory that gets no address, which is not read by address', async () => {
    const { manager, va, warnings } = stage;
    va.failAll('ensure', 'ENODEV');
    const region = await addRegion(manager, 0x0, 0x10000, { type: 'device' });
    await region.addMapping(mapping(0x0, 0x1000));
    expect(manager.snapshot().mappings).to.have.length(1);
    expect(warnings.map(({ code, target }) => [code, target])).to.deep.equal([['ENODEV', 'host addresses']]);
  });

  it('repairs by heal() what an undo could not make again', async () => {
    const { manager, va } = stage;
    const target = stage.target({ name: 'a' });
    await manager.attach(target);
    const region = await addRegion(manager, 0x0, 0x10000);
    await region.addMapping(mapping(0x0, 0x2000));
    target.failAll('map 0x1000');
    va.failAll('ensure 0x0', 'ENOMEM');
    const error = await rejectionOf(
      manager.transaction((draft) => {
        draft.removeMappings(region, range(0x0, 0x2000));
        draft.addMapping(region, mapping(0x1000, 0x3000));
      }),
    );
    expect((error as unknown as DmaMapError).missing.map((at) => `${at.target} ${at.range.toString()}`)).to.deep.equal([
      'host addresses 0x0-0x2000',
    ]);
    va.clearFailures();
    await manager.attachments[0]?.heal();
    expect(texts(va.held())).to.deep.equal(['0x0-0x2000']);
  });

  it('is the target "host addresses", the first of attachments; detached, addresses are made on demand', async () => {
    const { manager, va } = stage;
    await manager.attach(stage.target({ name: 'a', needsVa: false }));
    expect(manager.attachments.map(({ target }) => target)).to.deep.equal(['host addresses', 'a']);
    await addRam(manager, range(0x0, 0x1000));
    expect(manager.attachments[0]?.ledger()).to.have.length(1);
    await manager.attachments[0]?.detach();
    await addRam(manager, range(0x1000, 0x2000));
    expect(texts(va.held())).to.deep.equal(['0x0-0x1000']);
  });
});

describe("RegionManager: hostAddresses 'always', in any order of edits", () => {
  it('gives exactly the active mappings and private memory an address', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...VA_BATCHES),
        fc.array(edit, { maxLength: 30, size: 'max' }),
        async (batches, some) => {
          const real = new Real(fakes(batches), { hostAddresses: 'always' });
          let model = new PageModel(PAGES);
          for (const any of some) {
            const one: Edit = fitted(model, any);
            const next = model.after([one]);
            await real.run([one]).catch((error: unknown) => {
              expect(next, String(error)).to.equal(undefined);
            });
            model = next ?? model;
            const privates = model.privateMemory().filter((memory) => memory !== undefined);
            const addressed = new Set([...model.mappings(), ...privates].map((words) => rangeOf(words).toString()));
            expect(new Set(texts(real.va.held()))).to.deep.equal(addressed);
          }
          await real.manager.close();
          expect(real.va.held()).to.deep.equal([]);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('new RegionManager() with hostAddresses', () => {
  it("'always' needs a VA mapper", () => {
    expect(() => new RegionManager({ hostAddresses: 'always' }))
      .to.throw(DmaError, "hostAddresses: 'always' needs a VA mapper, and this manager has none")
      .that.includes({
        code: 'ERR_NO_VA_MAPPER',
        hint: "new RegionManager({ vaMapper: new RamBlocks(), hostAddresses: 'always' })",
      });
  });

  it('refuses what is neither of its values, and takes no mapper then', () => {
    const vaMapper = new FakeVaMapper();
    for (const wrong of ['Always', true, null, 1n]) {
      expect(() => new RegionManager({ vaMapper, hostAddresses: wrong as never })).to.throw(
        TypeError,
        "hostAddresses of a RegionManager must be 'on-demand' or 'always', not ",
      );
    }
    expect(new RegionManager({ vaMapper }).attachments).to.deep.equal([]);
  });
});
