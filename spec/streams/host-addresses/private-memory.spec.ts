import { expect } from 'chai';
import type { Region, RegionEdit } from '../../../streams/index.js';
import { addRegion, mapping, privateMapping, range, rejectionOf, texts, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';
import { describeWithVaBatches } from '../../support/va-batches.js';

describeWithVaBatches('RegionManager: private memory', (batches) => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage({ batches });
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  describe('in maps and streams', () => {
    it('is mapped by VA without an fd in the replay', async () => {
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [privateMapping(0x0, 0x4000)] });
      const target = stage.target({ needsVa: true });
      await stage.manager.attach(target);
      expect(target.calls).to.deep.equal(['map 0x0-0x4000 rw']);
      expect(target.requests[0]).not.to.have.property('mappable');
      expect(target.requests[0]).to.deep.include({ fileOffset: 0n, hostVa: { address: 0x7f00_0000_0000n } });
    });

    it('is mapped by VA without an fd in a change', async () => {
      const target = stage.target({ needsVa: true });
      await stage.manager.attach(target);
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [privateMapping(0x1000, 0x4000)] });
      expect(target.calls).to.deep.equal(['map 0x1000-0x4000 rw']);
      expect(target.requests[0]).not.to.have.property('mappable');
      expect(target.requests[0]?.hostVa?.address).to.equal(0x7f00_0000_1000n);
    });

    it('carries its VA also to a target that needs none', async () => {
      const target = stage.target();
      await stage.manager.attach(target);
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [privateMapping(0x0, 0x4000)] });
      expect(target.requests[0]?.hostVa?.address).to.equal(0x7f00_0000_0000n);
    });

    it('shows with its VA in changes() and snapshot(), and is not shareable', async () => {
      const { manager } = stage;
      const maps: unknown[] = [];
      manager.changes().subscribe((set) => maps.push(...set.maps.map(({ hostVa }) => hostVa?.address)));
      await addRegion(manager, 0x0, 0x10000, { mappings: [privateMapping(0x0, 0x4000)] });
      expect(maps).to.deep.equal([0x7f00_0000_0000n]);
      expect(manager.snapshot().mappings[0]?.hostVa?.address).to.equal(0x7f00_0000_0000n);
      manager.shareable().subscribe((shareable) => {
        expect(shareable).to.deep.equal([]);
      });
    });
  });

  describe('a target that needs an fd', () => {
    it('is refused while a private mapping exists, and sees no call', async () => {
      await addRegion(stage.manager, 0x0, 0x10000, {
        name: 'scratch',
        mappings: [mapping(0x0, 0x1000), privateMapping(0x1000, 0x4000)],
      });
      const target = stage.target({ needsFd: true });
      expect(await rejectionOf(stage.manager.attach(target))).to.include({
        code: 'ERR_NO_FD',
        target: 'T',
        region: 'scratch',
      });
      expect(target.calls).to.deep.equal([]);
      expect(stage.manager.attachments).to.deep.equal([]);
    });

    it('is refused also while the private mapping is hidden', async () => {
      await addRegion(stage.manager, 0x0, 0x10000, { shown: 'hidden', mappings: [privateMapping(0x1000, 0x4000)] });
      expect(await rejectionOf(stage.manager.attach(stage.target({ needsFd: true })))).to.include({
        code: 'ERR_NO_FD',
      });
    });

    it('prevents a private mapping when it is attached first, and accepts one of a file', async () => {
      const { manager, va } = stage;
      const target = stage.target({ needsFd: true });
      await manager.attach(target);
      const region = await addRegion(manager, 0x0, 0x10000);
      expect(await rejectionOf(region.addMapping(privateMapping(0x0, 0x4000)))).to.include({
        code: 'ERR_NO_FD',
        target: 'T',
        region: 'ram',
      });
      expect(target.calls).to.deep.equal([]);
      expect(va.calls).to.deep.equal([]);
      await region.addMapping(mapping(0x0, 0x4000));
      expect(target.calls).to.deep.equal(['map 0x0-0x4000 rw']);
    });

    it('prevents it also in a hidden region, and behind fanOut', async () => {
      const { fanOut, toTarget } = await import('../../../streams/index.js');
      const { manager } = stage;
      await manager.attach(fanOut(toTarget(stage.target()), toTarget(stage.target({ needsFd: true }))));
      const region = await addRegion(manager, 0x0, 0x10000, { shown: 'hidden' });
      expect(await rejectionOf(region.addMapping(privateMapping(0x0, 0x4000)))).to.include({ code: 'ERR_NO_FD' });
    });

    it('can be attached once the private memory is gone, which can be added once the target is gone', async () => {
      const { manager } = stage;
      const region = await addRegion(manager, 0x0, 0x10000, { mappings: [privateMapping(0x0, 0x4000)] });
      const target = stage.target({ needsFd: true });
      await rejectionOf(manager.attach(target));
      await region.removeMappings(range(0x0, 0x4000));
      const attachment = await manager.attach(target);
      await rejectionOf(region.addMapping(privateMapping(0x0, 0x4000)));
      await attachment.detach();
      await region.addMapping(privateMapping(0x0, 0x4000));
    });
  });

  describe('its addresses', () => {
    it('are made when the mapping is added, also in a hidden region, and released when it is removed', async () => {
      const { manager, va } = stage;
      const region = await addRegion(manager, 0x0, 0x10000, {
        shown: 'hidden',
        mappings: [privateMapping(0x0, 0x4000)],
      });
      expect(va.takeCalls()).to.deep.equal(['ensure 0x0-0x4000']);
      await region.map({ writable: true });
      await region.unmap();
      expect(va.takeCalls()).to.deep.equal([]);
      await region.removeMappings(range(0x0, 0x4000));
      expect(va.takeCalls()).to.deep.equal(['release 0x0-0x4000']);
    });

    it('are released when the region is removed', async () => {
      const { manager, va } = stage;
      const region = await addRegion(manager, 0x0, 0x10000, {
        mappings: [privateMapping(0x0, 0x4000), privateMapping(0x8000, 0x9000)],
      });
      await region.remove();
      expect(va.held()).to.deep.equal([]);
    });

    it('stay the same while the region is hidden and shown, read-only and writable', async () => {
      const { manager, va } = stage;
      const target = stage.target({ needsVa: true });
      await manager.attach(target);
      const region = await addRegion(manager, 0x0, 0x10000, { mappings: [privateMapping(0x0, 0x4000)] });
      await region.map({ writable: false });
      await region.unmap();
      await region.map({ writable: true });
      expect(target.requests.map((request) => request.hostVa?.address)).to.deep.equal(Array(3).fill(0x7f00_0000_0000n));
      expect(va.calls.filter((call) => call.startsWith('release'))).to.deep.equal([]);
      expect(texts(va.held())).to.deep.equal(['0x0-0x4000']);
    });

    it('are released when the command that adds it fails', async () => {
      const { manager, va } = stage;
      const target = stage.target({ needsVa: true });
      await manager.attach(target);
      const region = await addRegion(manager, 0x0, 0x10000);
      target.failAll('map');
      await rejectionOf(region.addMapping(privateMapping(0x0, 0x4000)));
      expect(va.held()).to.deep.equal([]);
      target.clearFailures();
      await region.addMapping(privateMapping(0x0, 0x4000));
      expect(texts(va.held())).to.deep.equal(['0x0-0x4000']);
    });

    it('cannot be made when the VA mapper fails: nothing changes, and no target is called', async () => {
      const { manager, va } = stage;
      const target = stage.target();
      await manager.attach(target);
      const region = await addRegion(manager, 0x0, 0x10000);
      va.failCall(1, 'ENOMEM');
      const error = await rejectionOf(
        manager.transaction((edit) => {
          edit.addMapping(region, privateMapping(0x0, 0x4000));
          edit.addMapping(region, privateMapping(0x8000, 0x9000));
        }),
      );
      expect(error).to.include({ code: 'ENOMEM' });
      expect(target.calls).to.deep.equal([]);
      expect(va.held()).to.deep.equal([]);
      expect(viewOf(manager)).to.deep.equal([]);
      va.clearFailures();
      await region.addMapping(privateMapping(0x0, 0x4000));
    });

    it('cannot be made without a VA mapper', async () => {
      const bare = new Stage({ withVaMapper: false });
      const region = await addRegion(bare.manager, 0x0, 0x10000);
      const error = await rejectionOf(region.addMapping(privateMapping(0x0, 0x4000)));
      expect(error).to.include({
        code: 'ERR_NO_VA_MAPPER',
        region: 'ram',
        hint: 'new RegionManager({ vaMapper: new RamBlocks() })',
      });
    });
  });

  describe('and other mappings at its place', () => {
    let owner: Region;

    beforeEach(async () => {
      owner = await addRegion(stage.manager, 0x0, 0x10000, {
        name: 'owner',
        priority: 1,
        mappings: [privateMapping(0x4000, 0x8000)],
      });
    });

    async function expectRefused(command: Promise<unknown>): Promise<void> {
      const before = viewOf(stage.manager);
      const calls = stage.journal.length;
      expect(await rejectionOf(command)).to.include({ code: 'ERR_PRIVATE_MEMORY' });
      expect(viewOf(stage.manager)).to.deep.equal(before);
      expect(stage.journal).to.have.length(calls);
    }

    it('cannot be covered with another mapping', async () => {
      await stage.manager.attach(stage.target({ needsVa: true }));
      const cover = await addRegion(stage.manager, 0x0, 0x20000, {
        name: 'cover',
        priority: 2,
        shown: 'hidden',
        mappings: [mapping(0x7000, 0x9000)],
      });
      await expectRefused(cover.map({ writable: true }));
      await cover.removeMappings(range(0x0, 0x20000));
      await cover.map({ writable: true });
      await expectRefused(cover.addMapping(mapping(0x0, 0x5000)));
      await cover.addMapping(mapping(0x0, 0x4000));
      await cover.addMapping(mapping(0x8000, 0x9000));
      expect(owner.active).to.equal(false);
    });

    it('cannot be hidden when that uncovers another mapping', async () => {
      await addRegion(stage.manager, 0x0, 0x10000, { name: 'lower', mappings: [mapping(0x5000, 0x6000)] });
      await expectRefused(owner.unmap());
      await expectRefused(owner.remove());
      await owner.removeMappings(range(0x4000, 0x8000));
      await owner.unmap();
      expect(viewOf(stage.manager)).to.deep.equal(['0x5000-0x6000 rw']);
    });

    it('cannot be replaced by a mapping of a file within one transaction', async () => {
      await expectRefused(
        stage.manager.transaction((edit) => {
          edit.removeMappings(owner, range(0x4000, 0x8000));
          edit.addMapping(owner, mapping(0x4000, 0x8000));
        }),
      );
      await owner.removeMappings(range(0x4000, 0x8000));
      await owner.addMapping(mapping(0x4000, 0x8000));
    });

    it('cannot be made where a mapping of a file is active, nor replace one within one transaction', async () => {
      await owner.addMapping(mapping(0x0, 0x1000));
      const lower = await addRegion(stage.manager, 0x0, 0x10000, { name: 'lower' });
      await expectRefused(lower.addMapping(privateMapping(0x0, 0x1000)));
      await expectRefused(
        stage.manager.transaction((edit) => {
          edit.removeMappings(owner, range(0x0, 0x1000));
          edit.addMapping(owner, privateMapping(0x0, 0x1000));
        }),
      );
      await owner.removeMappings(range(0x0, 0x1000));
      await owner.addMapping(privateMapping(0x0, 0x1000));
    });

    it('cannot be made twice at the same place, in any region', async () => {
      const lower = await addRegion(stage.manager, 0x0, 0x10000, { name: 'lower', shown: 'hidden' });
      await expectRefused(lower.addMapping(privateMapping(0x7000, 0x9000)));
    });

    it('can be covered by a region that shows nothing there', async () => {
      const cover = await addRegion(stage.manager, 0x0, 0x10000, { name: 'cover', priority: 5 });
      expect(viewOf(stage.manager)).to.deep.equal([]);
      await cover.unmap();
      expect(viewOf(stage.manager)).to.deep.equal(['0x4000-0x8000 rw']);
    });
  });

  for (const [how, end] of [
    ['removed', (edit: RegionEdit, region: Region) => edit.removeMappings(region, range(0x0, 0x4000))],
    ['gone with its region', (edit: RegionEdit, region: Region) => edit.removeRegion(region)],
  ] as const) {
    it(`added and ${how} in one transaction, beneath a mapping of the same range, leaves that one its VA`, async () => {
      const { manager, va } = stage;
      await manager.attach(stage.target({ needsVa: true }));
      await addRegion(manager, 0x0, 0x10000, { priority: 1, mappings: [mapping(0x0, 0x4000)] });
      const below = await addRegion(manager, 0x0, 0x10000, { shown: 'hidden' });
      va.takeCalls();
      await manager.transaction((edit) => {
        edit.addMapping(below, privateMapping(0x0, 0x4000));
        end(edit, below);
      });
      expect(va.calls).to.deep.equal([]);
      expect(texts(va.held())).to.deep.equal(['0x0-0x4000']);
    });
  }

  describe('whose unmap fails', () => {
    it('keeps its addresses until the target has unmapped it', async () => {
      const { manager, va } = stage;
      const target = stage.target({ needsVa: true });
      const attachment = await manager.attach(target);
      const region = await addRegion(manager, 0x0, 0x10000, { mappings: [privateMapping(0x0, 0x4000)] });
      target.failAll('unmap');
      expect(await rejectionOf(region.remove())).to.include({ name: 'DmaUnmapError' });
      expect(texts(va.held())).to.deep.equal(['0x0-0x4000']);
      target.clearFailures();
      await attachment.retryStuck();
      expect(va.held()).to.deep.equal([]);
    });

    it('keeps them, when it was hidden and stuck, also after the target has unmapped it', async () => {
      const { manager, va } = stage;
      const target = stage.target({ needsVa: true });
      const attachment = await manager.attach(target);
      const region = await addRegion(manager, 0x0, 0x10000, { mappings: [privateMapping(0x0, 0x4000)] });
      target.failAll('unmap');
      await rejectionOf(region.unmap());
      target.clearFailures();
      await attachment.retryStuck();
      expect(texts(va.held())).to.deep.equal(['0x0-0x4000']);
      expect(va.calls).to.deep.equal(['ensure 0x0-0x4000']);
    });

    it('is not made where something else is stuck, until that has been unmapped', async () => {
      const { manager } = stage;
      const target = stage.target({ needsVa: true });
      const attachment = await manager.attach(target);
      const region = await addRegion(manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x4000)] });
      target.failAll('unmap');
      await rejectionOf(region.removeMappings(range(0x0, 0x4000)));
      expect(await rejectionOf(region.addMapping(privateMapping(0x2000, 0x6000)))).to.include({
        code: 'ERR_RANGE_STUCK',
        region: 'ram',
      });
      target.clearFailures();
      await attachment.retryStuck();
      await region.addMapping(privateMapping(0x2000, 0x6000));
      expect(viewOf(manager)).to.deep.equal(['0x2000-0x6000 rw']);
    });
  });

  it('is the same memory when it is removed and added at the same place in one transaction, without a call', async () => {
    const { manager } = stage;
    const target = stage.target({ needsVa: true });
    await manager.attach(target);
    const region = await addRegion(manager, 0x0, 0x10000, { mappings: [privateMapping(0x0, 0x4000)] });
    stage.takeJournal();
    await manager.transaction((edit) => {
      edit.removeMappings(region, range(0x0, 0x4000));
      edit.addMapping(region, privateMapping(0x0, 0x4000));
    });
    expect(stage.takeJournal()).to.deep.equal([]);
    await region.unmap();
    await region.map({ writable: true });
    expect(target.requests.at(-1)?.hostVa?.address).to.equal(0x7f00_0000_0000n);
    await region.remove();
    expect(stage.va.held()).to.deep.equal([]);
  });

  it('added and removed does not prevent the replacement of file mappings elsewhere in the same transaction', async () => {
    const { manager } = stage;
    const target = stage.target({ needsVa: true });
    await manager.attach(target);
    const region = await addRegion(manager, 0x0, 0x10000, {
      mappings: [mapping(0x0, 0x1000), privateMapping(0x4000, 0x5000)],
    });
    await manager.transaction((edit) => {
      edit.removeMappings(region, range(0x0, 0x5000));
      edit.addMapping(region, mapping(0x0, 0x1000, { fileOffset: 0x9000n }));
      edit.addMapping(region, privateMapping(0x8000, 0x9000));
    });
    expect(viewOf(manager)).to.deep.equal(['0x0-0x1000 rw', '0x8000-0x9000 rw']);
    expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000', '0x8000-0x9000']);
  });

  it('added and removed in one transaction is never made', async () => {
    const region = await addRegion(stage.manager, 0x0, 0x10000);
    await stage.manager.transaction((edit) => {
      edit.addMapping(region, privateMapping(0x0, 0x4000));
      edit.removeMappings(region, range(0x0, 0x4000));
      edit.addMapping(region, mapping(0x0, 0x4000));
    });
    expect(stage.journal).to.deep.equal([]);
    expect(viewOf(stage.manager)).to.deep.equal(['0x0-0x4000 rw']);
  });
});
