import { expect } from 'chai';
import { DmaMapError, type RegionEvent } from '../../../streams/index.js';
import { addRegion, ledgerOf, mapping, range, rejectionOf, texts, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';
import { describeWithVaBatches } from '../../support/va-batches.js';

describeWithVaBatches('RegionManager: undo of a failed map', (batches) => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage({ batches });
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  it('rejects when a target fails, leaves nothing mapped anywhere, and the same call works once the fault is cleared', async () => {
    const { manager, va } = stage;
    const target = stage.target({ needsVa: true }).failAll('map', 'ENOMEM');
    const attachment = await manager.attach(target);
    const region = await addRegion(manager, 0x0, 0x10000);
    const error = await rejectionOf(region.addMapping(mapping(0x0, 0x4000)));
    expect(error).to.be.instanceOf(DmaMapError);
    expect(target.held()).to.deep.equal([]);
    expect(attachment.ledger()).to.deep.equal([]);
    expect(va.held()).to.deep.equal([]);
    expect(viewOf(manager)).to.deep.equal([]);

    target.clearFailures();
    await region.addMapping(mapping(0x0, 0x4000));
    expect(texts(target.held())).to.deep.equal(['0x0-0x4000']);
    expect(viewOf(manager)).to.deep.equal(['0x0-0x4000 rw']);
  });

  it('makes the first of two targets map 0..4000, unmap 0..4000 when the second fails', async () => {
    const [first, second] = [stage.target({ name: 'first' }), stage.target({ name: 'second' }).failAll('map')];
    await stage.manager.attach(first);
    await stage.manager.attach(second);
    const region = await addRegion(stage.manager, 0x0, 0x10000);
    await rejectionOf(region.addMapping(mapping(0x0, 0x4000)));
    expect(first.calls).to.deep.equal(['map 0x0-0x4000 rw', 'unmap 0x0-0x4000']);
    expect(second.calls).to.deep.equal(['map 0x0-0x4000 rw -> EIO']);
  });

  it('unmaps the first two of three mappings once when the third fails, and leaves the region inactive', async () => {
    const target = stage.target();
    await stage.manager.attach(target);
    const mappings = [mapping(0x0, 0x1000), mapping(0x2000, 0x3000), mapping(0x4000, 0x5000)];
    const region = await addRegion(stage.manager, 0x0, 0x10000, { shown: 'hidden', mappings });
    target.failCall(2);
    await rejectionOf(region.map({ writable: true }));
    expect(target.calls).to.deep.equal([
      'map 0x0-0x1000 rw',
      'map 0x2000-0x3000 rw',
      'map 0x4000-0x5000 rw -> EIO',
      'unmap 0x2000-0x3000',
      'unmap 0x0-0x1000',
    ]);
    expect(region.active).to.equal(false);
    target.clearFailures();
    await region.map({ writable: true });
    expect(region.active).to.equal(true);
  });

  it('unmaps newest first: later targets before earlier ones, and each from its last map back', async () => {
    for (const name of ['a', 'b', 'c']) {
      const target = stage.target({ name });
      if (name === 'c') {
        target.failCall(1);
      }
      await stage.manager.attach(target);
    }
    const region = await addRegion(stage.manager, 0x0, 0x10000, {
      shown: 'hidden',
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
    });
    await rejectionOf(region.map({ writable: true }));
    expect(stage.journal).to.deep.equal([
      'a: map 0x0-0x1000 rw',
      'a: map 0x2000-0x3000 rw',
      'b: map 0x0-0x1000 rw',
      'b: map 0x2000-0x3000 rw',
      'c: map 0x0-0x1000 rw',
      'c: map 0x2000-0x3000 rw -> EIO',
      'c: unmap 0x0-0x1000',
      'b: unmap 0x2000-0x3000',
      'b: unmap 0x0-0x1000',
      'a: unmap 0x2000-0x3000',
      'a: unmap 0x0-0x1000',
    ]);
  });

  it('maps again what the same command had unmapped, in attach order', async () => {
    const { manager } = stage;
    const targets = ['a', 'b'].map((name) => stage.target({ name }));
    for (const target of targets) {
      await manager.attach(target);
    }
    const region = await addRegion(manager, 0x0, 0x10000, {
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
    });
    const before = viewOf(manager);
    stage.takeJournal();
    targets[1]?.takeCalls();
    targets[1]?.failAll('map 0x0-0x1000 ro');
    await rejectionOf(region.map({ writable: false }));
    expect(stage.journal).to.deep.equal([
      'b: unmap 0x0-0x1000',
      'b: unmap 0x2000-0x3000',
      'a: unmap 0x0-0x1000',
      'a: unmap 0x2000-0x3000',
      'a: map 0x0-0x1000 ro',
      'a: map 0x2000-0x3000 ro',
      'b: map 0x0-0x1000 ro -> EIO',
      'a: unmap 0x2000-0x3000',
      'a: unmap 0x0-0x1000',
      'a: map 0x0-0x1000 rw',
      'a: map 0x2000-0x3000 rw',
      'b: map 0x0-0x1000 rw',
      'b: map 0x2000-0x3000 rw',
    ]);
    expect(viewOf(manager)).to.deep.equal(before);
    expect(manager.attachments.map(ledgerOf)).to.deep.equal([before, before]);
  });

  it('maps again one by one what a single unmap of a whole region had unmapped', async () => {
    const { manager } = stage;
    const target = stage.target();
    const attachment = await manager.attach(target);
    await addRegion(manager, 0x0, 0x8000, { mappings: [mapping(0x0, 0x1000), mapping(0x4000, 0x5000)] });
    const cover = await addRegion(manager, 0x0, 0x10000, {
      priority: 1,
      shown: 'hidden',
      mappings: [mapping(0x8000, 0x9000)],
    });
    target.takeCalls();
    target.failAll('map 0x8000');
    await rejectionOf(cover.map({ writable: true }));
    expect(target.calls).to.deep.equal([
      'unmap 0x0-0x8000',
      'map 0x8000-0x9000 rw -> EIO',
      'map 0x0-0x1000 rw',
      'map 0x4000-0x5000 rw',
    ]);
    expect(ledgerOf(attachment)).to.deep.equal(viewOf(manager));
  });

  it('emits no event, no change set, and uses no generation', async () => {
    const { manager } = stage;
    const target = stage.target();
    await manager.attach(target);
    const region = await addRegion(manager, 0x0, 0x10000);
    const events: RegionEvent[] = [];
    const generations: number[] = [];
    manager.events$.subscribe((event) => events.push(event));
    manager.changes().subscribe(({ generation }) => generations.push(generation));
    target.failAll('map');
    await rejectionOf(region.addMapping(mapping(0x0, 0x1000)));
    target.clearFailures();
    await region.addMapping(mapping(0x0, 0x1000));
    expect(events.map(({ kind }) => kind)).to.deep.equal(['mapping-added']);
    expect(generations).to.deep.equal([0, 1]);
  });

  it('names in the error what failed at which target, and what was undone', async () => {
    const [first, second] = [
      stage.target({ name: 'first' }),
      stage.target({ name: 'second' }).failAll('map', 'ENOMEM'),
    ];
    await stage.manager.attach(first);
    await stage.manager.attach(second);
    const region = await addRegion(stage.manager, 0x0, 0x10000, { name: 'low memory' });
    const error = (await rejectionOf(region.addMapping(mapping(0x0, 0x4000)))) as unknown as DmaMapError;
    expect(error).to.include({
      name: 'DmaMapError',
      code: 'ENOMEM',
      errno: -12,
      syscall: 'ioctl',
      request: 'MAP',
      target: 'second',
      region: 'low memory',
    });
    expect(String(error.range)).to.equal('0x0-0x4000');
    expect(error.undone.map((at) => `${at.target} ${at.range.toString()}`)).to.deep.equal(['first 0x0-0x4000']);
    expect(error.missing).to.deep.equal([]);
    expect(error.stuck).to.deep.equal([]);
    expect(error.cause).to.include({ name: 'DmaError', code: 'ENOMEM', target: 'second' });
    expect(error.message).to.include('"second"').and.include('0x0-0x4000').and.include('everything was undone');
  });

  it('undoes the addition of a region, and the removal of one', async () => {
    const { manager } = stage;
    const target = stage.target();
    await manager.attach(target);
    const kept = await addRegion(manager, 0x0, 0x4000, { name: 'kept', mappings: [mapping(0x0, 0x1000)] });
    target.failAll('map 0x1000');
    await rejectionOf(
      manager.transaction((edit) => {
        edit.removeRegion(kept);
        const fresh = edit.addRegion({ name: 'fresh', range: range(0x1000, 0x3000), type: 'ram' });
        edit.addMapping(fresh, mapping(0x0, 0x1000));
        edit.map(fresh, { writable: true });
      }),
    );
    expect(kept.active).to.equal(true);
    expect(viewOf(manager)).to.deep.equal(['0x0-0x1000 rw']);
    expect(
      await rejectionOf(manager.addRegion({ name: 'fresh', range: range(0x3000, 0x5000), type: 'ram' })),
    ).to.include({
      existing: 'kept',
    });
  });

  describe('when a map of the undo fails as well', () => {
    async function losing(): Promise<DmaMapError> {
      const { manager } = stage;
      const [first, second] = [stage.target({ name: 'first' }), stage.target({ name: 'second' })];
      await manager.attach(first);
      await manager.attach(second);
      const region = await addRegion(manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x1000, 0x2000), mapping(0x2000, 0x3000)],
      });
      stage.takeJournal();
      // The first target can put back neither the second mapping nor make it read-only.
      first.failAll('map 0x1000', 'EFAULT');
      return (await rejectionOf(region.map({ writable: false }))) as unknown as DmaMapError;
    }

    it('undoes the rest, and names in the error what is missing at which target', async () => {
      const error = await losing();
      expect(error).to.be.instanceOf(DmaMapError);
      expect(error.missing.map((at) => `${at.target} ${at.range.toString()}`)).to.deep.equal(['first 0x1000-0x2000']);
      expect(error.hint).to.include('heal()');
      expect(stage.journal.slice(6)).to.deep.equal([
        'first: map 0x0-0x1000 ro',
        'first: map 0x1000-0x2000 ro -> EFAULT',
        'first: unmap 0x0-0x1000',
        'first: map 0x0-0x1000 rw',
        'first: map 0x1000-0x2000 rw -> EFAULT',
        'first: map 0x2000-0x3000 rw',
        'second: map 0x0-0x1000 rw',
        'second: map 0x1000-0x2000 rw',
        'second: map 0x2000-0x3000 rw',
      ]);
    });

    it('shows what is missing at the attachment, until heal() has mapped it', async () => {
      await losing();
      const [first, second] = stage.manager.attachments;
      expect(texts(first?.missing() ?? [])).to.deep.equal(['0x1000-0x2000']);
      expect(second?.missing()).to.deep.equal([]);
      expect(first === undefined ? [] : ledgerOf(first)).to.deep.equal(['0x0-0x1000 rw', '0x2000-0x3000 rw']);
      expect(viewOf(stage.manager)).to.have.length(3);
    });
  });
});
