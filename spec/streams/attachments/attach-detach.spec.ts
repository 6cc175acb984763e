import { expect } from 'chai';
import { DmaMapError, DmaUnmapError, type DmaTarget, type Outcome } from '../../../streams/index.js';
import { addRegion, gate, ledgerOf, mapping, nextTurn, range, rejectionOf, texts, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';
import { describeWithVaBatches } from '../../support/va-batches.js';

describeWithVaBatches('RegionManager: attach and detach', (batches) => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage({ batches });
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  describe('attach', () => {
    it('maps exactly the active mappings: map 0..4000, map 8000..c000', async () => {
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x4000), mapping(0x8000, 0xc000)] });
      const target = stage.target();
      const attachment = await stage.manager.attach(target);
      expect(target.calls).to.deep.equal(['map 0x0-0x4000 rw', 'map 0x8000-0xc000 rw']);
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x4000 rw', '0x8000-0xc000 rw']);
    });

    it('maps in ascending order, whatever the order in which mappings were added', async () => {
      await addRegion(stage.manager, 0x20000, 0x30000, { mappings: [mapping(0x8000, 0x9000), mapping(0x0, 0x1000)] });
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x4000, 0x5000), mapping(0x1000, 0x2000)] });
      const target = stage.target();
      await stage.manager.attach(target);
      expect(target.calls).to.deep.equal([
        'map 0x1000-0x2000 rw',
        'map 0x4000-0x5000 rw',
        'map 0x20000-0x21000 rw',
        'map 0x28000-0x29000 rw',
      ]);
    });

    it('replays as one change set, which has one outcome', async () => {
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x4000), mapping(0x8000, 0xc000)] });
      const blocked = gate();
      const outcomes: Outcome[] = [];
      const attaching = stage.manager.attach(stage.target({ reply: () => blocked.opened }));
      stage.manager.attachments[0]?.outcomes$.subscribe((outcome) => outcomes.push(outcome));
      blocked.open();
      await attaching;
      expect(outcomes).to.deep.equal([{ generation: 1, target: 'T', status: 'applied', skipped: [] }]);
    });

    it('maps a mapping when it is added later, and unmaps it when it is removed', async () => {
      const target = stage.target();
      await stage.manager.attach(target);
      const region = await addRegion(stage.manager, 0x0, 0x10000);
      await region.addMapping(mapping(0x0, 0x4000));
      expect(target.takeCalls()).to.deep.equal(['map 0x0-0x4000 rw']);
      await region.removeMappings(range(0x0, 0x4000));
      expect(target.takeCalls()).to.deep.equal(['unmap 0x0-0x4000']);
    });

    it('makes no call at a target while nothing is active', async () => {
      const target = stage.target();
      const attachment = await stage.manager.attach(target);
      expect(target.calls).to.deep.equal([]);
      expect(attachment.ledger()).to.deep.equal([]);
    });

    it('makes a request with all members for each mapping', async () => {
      const { manager } = stage;
      await addRegion(manager, 0x100000, 0x110000, {
        name: 'low memory',
        mappings: [mapping(0x1000, 0x3000, { fileOffset: 0x7000n })],
      });
      const target = stage.target();
      await manager.attach(target);
      expect(target.requests[0]).to.include({ region: 'low memory', type: 'ram', writable: true, fileOffset: 0x7000n });
      expect(target.requests[0]?.range.toString()).to.equal('0x101000-0x103000');
      expect(target.requests[0]?.mappable?.label).to.equal('file');
      expect(target.requests[0]).not.to.have.property('hostVa');
    });

    it('delivers commands that are given during its replay once', async () => {
      const { manager } = stage;
      const region = await addRegion(manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x1000, 0x2000)],
      });
      const target = stage.target({ reply: 'async' });
      const attaching = manager.attach(target);
      const commands = [
        region.addMapping(mapping(0x2000, 0x3000)),
        region.removeMappings(range(0x0, 0x1000)),
        region.addMapping(mapping(0x0, 0x1000, { fileOffset: 0x9000n })),
      ];
      await Promise.all([attaching, ...commands]);
      expect(target.calls).to.deep.equal([
        'map 0x0-0x1000 rw',
        'map 0x1000-0x2000 rw',
        'map 0x2000-0x3000 rw',
        'unmap 0x0-0x1000',
        'map 0x0-0x1000 rw',
      ]);
      expect(texts(target.held())).to.deep.equal(['0x0-0x1000', '0x1000-0x2000', '0x2000-0x3000']);
    });

    it('is pending during its replay', async () => {
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      const blocked = gate();
      const attaching = stage.manager.attach(stage.target({ name: 'slow', reply: () => blocked.opened }));
      expect(stage.manager.attachments.map(({ target, pending }) => [target, pending])).to.deep.equal([['slow', true]]);
      blocked.open();
      await attaching;
      expect(stage.manager.attachments.map(({ target, pending }) => [target, pending])).to.deep.equal([
        ['slow', false],
      ]);
    });

    it('unmaps everything that a failed replay has mapped, newest first, and does not attach', async () => {
      const { manager } = stage;
      const mappings = [mapping(0x0, 0x1000), mapping(0x2000, 0x3000), mapping(0x4000, 0x5000)];
      const region = await addRegion(manager, 0x0, 0x10000, { mappings });
      const target = stage.target({ needsVa: true }).failCall(2, 'ENOSPC');
      const error = await rejectionOf(manager.attach(target));
      expect(error).to.be.instanceOf(DmaMapError).and.include({ code: 'ENOSPC', target: 'T', region: 'ram' });
      expect(texts((error as unknown as DmaMapError).undone.map((at) => at.range))).to.deep.equal([
        '0x2000-0x3000',
        '0x0-0x1000',
      ]);
      expect(target.takeCalls()).to.deep.equal([
        'map 0x0-0x1000 rw',
        'map 0x2000-0x3000 rw',
        'map 0x4000-0x5000 rw -> ENOSPC',
        'unmap 0x2000-0x3000',
        'unmap 0x0-0x1000',
      ]);
      expect(manager.attachments).to.deep.equal([]);
      expect(region.active).to.equal(true);
      await region.addMapping(mapping(0x6000, 0x7000));
      expect(target.calls).to.deep.equal([]);
      target.clearFailures();
      await manager.attach(target);
      expect(target.held()).to.have.length(4);
    });

    it('makes no call at other targets when it fails', async () => {
      const { manager } = stage;
      await addRegion(manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      const first = stage.target({ name: 'first' });
      await manager.attach(first);
      first.takeCalls();
      await rejectionOf(manager.attach(stage.target({ name: 'second' }).failAll('map')));
      expect(first.calls).to.deep.equal([]);
    });

    it('refuses the same target object twice', async () => {
      const target = stage.target();
      const attachment = await stage.manager.attach(target);
      expect(await rejectionOf(stage.manager.attach(target))).to.include({ code: 'ERR_ALREADY_ATTACHED', target: 'T' });
      await attachment.detach();
      await stage.manager.attach(target);
    });

    it('accepts two targets with the same name', async () => {
      await stage.manager.attach(stage.target({ name: 'twin' }));
      await stage.manager.attach(stage.target({ name: 'twin' }));
      expect(stage.manager.attachments.map(({ target }) => target)).to.deep.equal(['twin', 'twin']);
    });

    it('refuses an object that is not a target, with a TypeError that says what is missing', async () => {
      const incomplete = { name: 'half', mapDma: () => undefined };
      for (const wrong of [undefined, null, 3, 'T', {}, incomplete, { ...incomplete, unmapDma: 5 }]) {
        expect(await rejectionOf(stage.manager.attach(wrong as DmaTarget))).to.be.instanceOf(TypeError);
      }
      const error = await rejectionOf(stage.manager.attach(incomplete as unknown as DmaTarget));
      expect(error.message).to.include('unmapDma');
    });

    it('refuses invalid options', async () => {
      const attached = stage.manager.attach(stage.target(), 5 as unknown as object);
      expect(await rejectionOf(attached)).to.be.instanceOf(TypeError);
      expect(stage.manager.attachments).to.deep.equal([]);
    });
  });

  describe('detach', () => {
    it('unmaps exactly what the ledger holds: unmap 0..4000, unmap 8000..c000', async () => {
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x4000), mapping(0x8000, 0xc000)] });
      const target = stage.target();
      const attachment = await stage.manager.attach(target);
      target.takeCalls();
      await attachment.detach();
      expect(target.calls).to.deep.equal(['unmap 0x0-0x4000', 'unmap 0x8000-0xc000']);
      expect(attachment.ledger()).to.deep.equal([]);
    });

    it('has no effect the second time', async () => {
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x4000)] });
      const target = stage.target();
      const attachment = await stage.manager.attach(target);
      await Promise.all([attachment.detach(), attachment.detach()]);
      target.takeCalls();
      await attachment.detach();
      await attachment[Symbol.asyncDispose]();
      expect(target.calls).to.deep.equal([]);
    });

    it('ends all calls at its target, and at no other', async () => {
      const { manager } = stage;
      const [first, second] = [stage.target({ name: 'first' }), stage.target({ name: 'second' })];
      const attachment = await manager.attach(first);
      await manager.attach(second);
      await attachment.detach();
      await addRegion(manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x4000)] });
      expect(first.calls).to.deep.equal([]);
      expect(second.calls).to.deep.equal(['map 0x0-0x4000 rw']);
    });

    it('runs after the commands before it', async () => {
      const { manager } = stage;
      const region = await addRegion(manager, 0x0, 0x10000);
      const target = stage.target({ reply: 'async' });
      const attachment = await manager.attach(target);
      await Promise.all([
        region.addMapping(mapping(0x0, 0x1000)),
        attachment.detach(),
        region.addMapping(mapping(0x1000, 0x2000)),
      ]);
      expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw', 'unmap 0x0-0x1000']);
      expect(viewOf(manager)).to.deep.equal(['0x0-0x1000 rw', '0x1000-0x2000 rw']);
    });

    it('completes the outcomes', async () => {
      const attachment = await stage.manager.attach(stage.target());
      let completed = false;
      attachment.outcomes$.subscribe({ complete: () => (completed = true) });
      await attachment.detach();
      expect(completed).to.equal(true);
      expect(stage.manager.attachments).to.deep.equal([]);
    });

    it('runs at the end of an `await using` block', async () => {
      const target = stage.target();
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x4000)] });
      {
        await using attachment = await stage.manager.attach(target);
        expect(attachment.target).to.equal('T');
      }
      expect(target.held()).to.deep.equal([]);
    });

    it('rejects when something is stuck, and is complete once retryStuck() has unmapped it', async () => {
      const { manager } = stage;
      const region = await addRegion(manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x4000), mapping(0x8000, 0xc000)],
      });
      const target = stage.target({ needsVa: true });
      const attachment = await manager.attach(target);
      let completed = false;
      attachment.outcomes$.subscribe({ complete: () => (completed = true) });
      target.takeCalls();
      target.failAll('unmap 0x8000');
      const error = await rejectionOf(attachment.detach());
      expect(error).to.be.instanceOf(DmaUnmapError).and.include({ code: 'EIO', target: 'T' });
      expect(texts((error as unknown as DmaUnmapError).stuck.map((at) => at.range))).to.deep.equal(['0x8000-0xc000']);
      expect(ledgerOf(attachment)).to.deep.equal(['0x8000-0xc000 rw stuck']);

      await region.addMapping(mapping(0xc000, 0xd000));
      expect(target.takeCalls()).to.deep.equal(['unmap 0x0-0x4000', 'unmap 0x8000-0xc000 -> EIO']);
      expect(await rejectionOf(attachment.retryStuck())).to.be.instanceOf(DmaUnmapError);
      expect(completed).to.equal(false);

      target.clearFailures();
      await attachment.retryStuck();
      expect(completed).to.equal(true);
      expect(target.held()).to.deep.equal([]);
      expect(attachment.ledger()).to.deep.equal([]);
    });

    it('unmaps what is stuck again when it is called again, or when the same target is attached again', async () => {
      const { manager } = stage;
      await addRegion(manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x4000)] });
      const target = stage.target();
      const attachment = await manager.attach(target);
      target.failAll('unmap');
      await rejectionOf(attachment.detach());
      await rejectionOf(attachment.detach());
      expect(await rejectionOf(manager.attach(target))).to.be.instanceOf(DmaUnmapError);
      target.clearFailures();
      target.takeCalls();
      const again = await manager.attach(target);
      expect(target.takeCalls()).to.deep.equal(['unmap 0x0-0x4000', 'map 0x0-0x4000 rw']);
      await attachment.detach();
      expect(target.calls).to.deep.equal([]);
      expect(ledgerOf(again)).to.deep.equal(['0x0-0x4000 rw']);
    });
  });

  it('attaches and detaches many times without a memory leak', async () => {
    const { manager } = stage;
    await addRegion(manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x4000)] });
    const target = stage.target({ needsVa: true });
    for (let round = 0; round < 200; round++) {
      const attachment = await manager.attach(target);
      await attachment.detach();
    }
    expect(manager.attachments).to.deep.equal([]);
    expect(target.held()).to.deep.equal([]);
    expect(stage.va.takeCalls().filter((call) => call.startsWith('ensure'))).to.have.length(1);
    await nextTurn();
  });
});
