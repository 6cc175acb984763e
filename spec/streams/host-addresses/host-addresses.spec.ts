import { expect } from 'chai';
import { DmaMapError, RegionManager, type VaMapper } from '../../../streams/index.js';
import { addRegion, mapping, range, rejectionOf, texts, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';
import { describeWithVaBatches } from '../../support/va-batches.js';

describeWithVaBatches('RegionManager: host virtual addresses', (batches) => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage({ batches });
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  async function two(reply: 'sync' | 'async') {
    const targets = ['a', 'b'].map((name) => stage.target({ name, needsVa: true, reply }));
    for (const target of targets) {
      await stage.manager.attach(target);
    }
    const region = await addRegion(stage.manager, 0x0, 0x10000);
    return { region, targets };
  }

  for (const reply of ['sync', 'async'] as const) {
    describe(`with ${reply} targets`, () => {
      it('are made before the first mapDma, and released after the last unmapDma, once', async () => {
        const { region } = await two(reply);
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

      it('of replaced mappings are released between the unmaps and the maps of all targets', async () => {
        const { region } = await two(reply);
        await region.addMapping(mapping(0x0, 0x2000));
        stage.takeJournal();
        await stage.manager.transaction((edit) => {
          edit.removeMappings(region, range(0x0, 0x2000));
          edit.addMapping(region, mapping(0x1000, 0x3000));
        });
        expect(stage.journal).to.deep.equal([
          'b: unmap 0x0-0x2000',
          'a: unmap 0x0-0x2000',
          'va: release 0x0-0x2000',
          'va: ensure 0x1000-0x3000',
          'a: map 0x1000-0x3000 rw',
          'b: map 0x1000-0x3000 rw',
        ]);
      });

      it('are released when a map fails, after the last undo, and made again for restored mappings', async () => {
        const { region, targets } = await two(reply);
        await region.addMapping(mapping(0x0, 0x2000));
        stage.takeJournal();
        targets[1]?.failAll('map 0x1000');
        await rejectionOf(
          stage.manager.transaction((edit) => {
            edit.removeMappings(region, range(0x0, 0x2000));
            edit.addMapping(region, mapping(0x1000, 0x3000));
          }),
        );
        expect(stage.journal.slice(3)).to.deep.equal([
          'va: ensure 0x1000-0x3000',
          'a: map 0x1000-0x3000 rw',
          'b: map 0x1000-0x3000 rw -> EIO',
          'a: unmap 0x1000-0x3000',
          'va: release 0x1000-0x3000',
          'va: ensure 0x0-0x2000',
          'a: map 0x0-0x2000 rw',
          'b: map 0x0-0x2000 rw',
        ]);
      });
    });
  }

  it('are the same for every target', async () => {
    const { region, targets } = await two('sync');
    await region.addMapping(mapping(0x3000, 0x4000));
    for (const target of targets) {
      expect(target.requests[0]?.hostVa?.address).to.equal(0x7f00_0000_3000n);
      expect(target.requests[0]?.mappable?.label).to.equal('file');
    }
  });

  it('are not made for a target that does not need them', async () => {
    await stage.manager.attach(stage.target());
    await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
    expect(stage.va.calls).to.deep.equal([]);
  });

  it('are made on demand when a target that needs them is attached, and kept when it is detached', async () => {
    const region = await addRegion(stage.manager, 0x0, 0x10000, {
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
    });
    expect(stage.va.calls).to.deep.equal([]);
    const attachment = await stage.manager.attach(stage.target({ needsVa: true }));
    expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000', '0x2000-0x3000']);
    await attachment.detach();
    expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000', '0x2000-0x3000']);
    await region.removeMappings(range(0x0, 0x1000));
    expect(texts(stage.va.held())).to.deep.equal(['0x2000-0x3000']);
  });

  it('are released when the region is hidden', async () => {
    const { region } = await two('sync');
    await region.addMapping(mapping(0x0, 0x1000));
    await region.addMapping(mapping(0x4000, 0x5000));
    await region.unmap();
    expect(stage.va.held()).to.deep.equal([]);
  });

  it('change when the mapping becomes read-only, which makes it another mapping', async () => {
    const { region } = await two('sync');
    await region.addMapping(mapping(0x0, 0x1000));
    stage.va.takeCalls();
    await region.map({ writable: false });
    expect(stage.va.calls).to.deep.equal(['release 0x0-0x1000', 'ensure 0x0-0x1000']);
  });

  it('that fail to be made fail the command before a target is called with the map, and it is undone', async () => {
    const { region, targets } = await two('sync');
    stage.va.failAll('ensure 0x2000', 'ENOMEM');
    const error = await rejectionOf(
      stage.manager.transaction((edit) => {
        edit.addMapping(region, mapping(0x0, 0x1000));
        edit.addMapping(region, mapping(0x2000, 0x3000));
      }),
    );
    expect(error).to.be.instanceOf(DmaMapError).and.include({ code: 'ENOMEM', syscall: 'mmap', region: 'ram' });
    expect(targets[0]?.calls).to.deep.equal(['map 0x0-0x1000 rw', 'unmap 0x0-0x1000']);
    expect(targets[1]?.calls).to.deep.equal([]);
    expect(stage.va.held()).to.deep.equal([]);
    expect(viewOf(stage.manager)).to.deep.equal([]);
    stage.va.clearFailures();
    await region.addMapping(mapping(0x2000, 0x3000));
  });

  it('that fail to be released cause a warning, and no failure', async () => {
    const { region } = await two('sync');
    await region.addMapping(mapping(0x0, 0x1000));
    stage.va.failAll('release', 'EINVAL');
    await region.removeMappings(range(0x0, 0x1000));
    expect(stage.warnings.map(({ code }) => code)).to.deep.equal(['EINVAL']);
    expect(viewOf(stage.manager)).to.deep.equal([]);
  });

  it('of a mapper that throws no Error in release cause a warning as well', async () => {
    const warnings: unknown[] = [];
    const clumsy: VaMapper = {
      ensureMapped: () => ({ address: 1n }),
      release: () => {
        throw new Error('oops');
      },
    };
    const manager = new RegionManager({ vaMapper: clumsy, onWarning: ({ code }) => warnings.push(code) });
    await manager.attach(stage.target({ needsVa: true }));
    const region = await addRegion(manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
    await region.remove();
    expect(warnings).to.deep.equal(['ERR_VA_RELEASE']);
  });

  for (const [what, answer] of [
    ['nothing', undefined],
    ['an object without an address', {}],
    ['an address that is no bigint', { address: 5 }],
  ] as const) {
    it(`of a mapper that returns ${what} fail the command`, async () => {
      const mapper = { ensureMapped: () => answer, release: () => undefined } as unknown as VaMapper;
      const manager = new RegionManager({ vaMapper: mapper });
      const target = stage.target({ needsVa: true });
      await manager.attach(target);
      const region = await addRegion(manager, 0x0, 0x10000);
      const error = await rejectionOf(region.addMapping(mapping(0x0, 0x1000)));
      expect(error).to.be.instanceOf(DmaMapError).and.include({ code: 'ERR_VA_MAPPER' });
      expect(target.calls).to.deep.equal([]);
    });
  }

  it('are required by a target that needs them: it is not attached without a VA mapper', async () => {
    const bare = new Stage({ withVaMapper: false });
    const error = await rejectionOf(bare.manager.attach(bare.target({ needsVa: true })));
    expect(error).to.include({
      code: 'ERR_NO_VA_MAPPER',
      target: 'T',
      hint: 'new RegionManager({ vaMapper: new RamBlocks() })',
    });
    expect(bare.manager.attachments).to.deep.equal([]);
  });
});
