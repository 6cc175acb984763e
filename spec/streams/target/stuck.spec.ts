import { expect } from 'chai';
import { DmaMapError, DmaUnmapError, type Region } from '../../../streams/index.js';
import { addRegion, ledgerOf, mapping, nextTurn, range, rejectionOf, texts, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';
import { describeWithVaBatches } from '../../support/va-batches.js';

describeWithVaBatches('RegionManager: a failed unmap', (batches) => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage({ batches });
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  async function three(reply: 'sync' | 'async' = 'sync') {
    const targets = ['a', 'b', 'c'].map((name) => stage.target({ name, needsVa: true, reply }));
    for (const target of targets) {
      await stage.manager.attach(target);
    }
    const region = await addRegion(stage.manager, 0x0, 0x10000, {
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
    });
    stage.takeJournal();
    const [a, b, c] = targets;
    const [first, second, third] = stage.manager.attachments;
    if (!a || !b || !c || !first || !second || !third) {
      throw new Error('three targets are needed');
    }
    return { region, targets: { a, b, c }, attachments: { a: first, b: second, c: third } };
  }

  for (const reply of ['sync', 'async'] as const) {
    it(`rejects after every other target has been served (${reply})`, async () => {
      const { region, targets } = await three(reply);
      targets.b.failAll('unmap', 'EBUSY');
      const error = await rejectionOf(region.removeMappings(range(0x0, 0x1000)));
      expect(stage.journal).to.deep.equal([
        'c: unmap 0x0-0x1000',
        'b: unmap 0x0-0x1000 -> EBUSY',
        'a: unmap 0x0-0x1000',
      ]);
      expect(error).to.be.instanceOf(DmaUnmapError).and.include({ code: 'EBUSY', errno: -16, target: 'b' });
      const { stuck } = error as unknown as DmaUnmapError;
      expect(stuck.map((at) => `${at.target} ${at.range.toString()}`)).to.deep.equal(['b 0x0-0x1000']);
      expect(error.message).to.include('0x0-0x1000 at "b"');
      expect(error.cause).to.include({ code: 'EBUSY' });
    });
  }

  it('takes effect: view, events and generation change', async () => {
    const { region, targets } = await three();
    const kinds: string[] = [];
    stage.manager.events$.subscribe(({ kind }) => kinds.push(kind));
    const { generation } = stage.manager.snapshot();
    targets.b.failAll('unmap');
    await rejectionOf(region.removeMappings(range(0x0, 0x1000)));
    expect(viewOf(stage.manager)).to.deep.equal(['0x2000-0x3000 rw']);
    expect(stage.manager.snapshot().generation).to.equal(generation + 1);
    expect(kinds).to.deep.equal(['mapping-removed']);
  });

  it('keeps the range in the ledger as stuck, and its VA, until retryStuck() has unmapped it', async () => {
    const { region, targets, attachments } = await three();
    targets.b.failAll('unmap');
    await rejectionOf(region.removeMappings(range(0x0, 0x1000)));
    expect(ledgerOf(attachments.b)).to.deep.equal(['0x0-0x1000 rw stuck', '0x2000-0x3000 rw']);
    expect(ledgerOf(attachments.a)).to.deep.equal(['0x2000-0x3000 rw']);
    expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000', '0x2000-0x3000']);
    stage.takeJournal();

    expect(await rejectionOf(attachments.b.retryStuck())).to.be.instanceOf(DmaUnmapError);
    expect(stage.takeJournal()).to.deep.equal(['b: unmap 0x0-0x1000 -> EIO']);
    expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000', '0x2000-0x3000']);

    targets.b.clearFailures();
    await attachments.b.retryStuck();
    expect(stage.takeJournal()).to.deep.equal(['b: unmap 0x0-0x1000', 'va: release 0x0-0x1000']);
    expect(ledgerOf(attachments.b)).to.deep.equal(['0x2000-0x3000 rw']);
    await attachments.b.retryStuck();
    expect(stage.takeJournal()).to.deep.equal([]);
  });

  it('at two targets keeps the VA until both have unmapped it', async () => {
    const { region, targets, attachments } = await three();
    targets.a.failAll('unmap');
    targets.c.failAll('unmap');
    const error = await rejectionOf(region.removeMappings(range(0x0, 0x1000)));
    expect((error as unknown as DmaUnmapError).stuck.map(({ target }) => target)).to.deep.equal(['c', 'a']);
    targets.a.clearFailures();
    await attachments.a.retryStuck();
    expect(texts(stage.va.held())).to.include('0x0-0x1000');
    targets.c.clearFailures();
    await attachments.c.retryStuck();
    expect(texts(stage.va.held())).not.to.include('0x0-0x1000');
  });

  it('of a whole region leaves every mapping of it stuck, which are then retried one by one', async () => {
    const { region, targets, attachments } = await three();
    targets.b.failAll('unmap');
    await rejectionOf(region.unmap());
    expect(ledgerOf(attachments.b)).to.deep.equal(['0x0-0x1000 rw stuck', '0x2000-0x3000 rw stuck']);
    targets.b.clearFailures();
    stage.takeJournal();
    await attachments.b.retryStuck();
    expect(stage.takeJournal()).to.deep.equal([
      'b: unmap 0x0-0x1000',
      'b: unmap 0x2000-0x3000',
      'va: release 0x0-0x1000',
      'va: release 0x2000-0x3000',
    ]);
  });

  it('of many mappings is reported with their number', async () => {
    const { region, targets } = await three();
    for (const start of [0x4000, 0x6000]) {
      await region.addMapping(mapping(start, start + 0x1000));
    }
    targets.b.failAll('unmap');
    const error = await rejectionOf(region.unmap());
    expect(error.message).to.include('4 mappings');
    expect((error as unknown as DmaUnmapError).stuck).to.have.length(4);
  });

  it('does not stop the maps of the same command', async () => {
    const { region, targets } = await three();
    targets.b.failAll('unmap');
    const error = await rejectionOf(
      stage.manager.transaction((edit) => {
        edit.removeMappings(region, range(0x0, 0x1000));
        edit.addMapping(region, mapping(0x8000, 0x9000));
      }),
    );
    expect(error).to.be.instanceOf(DmaUnmapError);
    expect(viewOf(stage.manager)).to.deep.equal(['0x2000-0x3000 rw', '0x8000-0x9000 rw']);
    expect(texts(targets.b.held())).to.deep.equal(['0x0-0x1000', '0x2000-0x3000', '0x8000-0x9000']);
  });

  describe('and then a new map over the stuck range', () => {
    let at: Awaited<ReturnType<typeof three>>;

    beforeEach(async () => {
      at = await three();
      at.targets.b.failAll('unmap 0x0');
      await rejectionOf(at.region.removeMappings(range(0x0, 0x1000)));
      stage.takeJournal();
    });

    it('first retries the unmap, and maps when that succeeds', async () => {
      at.targets.b.clearFailures();
      await at.region.addMapping(mapping(0x0, 0x2000, { fileOffset: 0x7000n }));
      expect(stage.journal).to.deep.equal([
        'b: unmap 0x0-0x1000',
        'va: release 0x0-0x1000',
        'va: ensure 0x0-0x2000',
        'a: map 0x0-0x2000 rw',
        'b: map 0x0-0x2000 rw',
        'c: map 0x0-0x2000 rw',
      ]);
      expect(ledgerOf(at.attachments.b)).to.deep.equal(['0x0-0x2000 rw', '0x2000-0x3000 rw']);
    });

    it('fails with ERR_RANGE_STUCK when the unmap fails again, and is undone', async () => {
      const error = await rejectionOf(at.region.addMapping(mapping(0x0, 0x2000)));
      expect(error).to.be.instanceOf(DmaMapError).and.include({ code: 'ERR_RANGE_STUCK' });
      expect(error.hint).to.include('retryStuck');
      expect(stage.journal).to.deep.equal(['b: unmap 0x0-0x1000 -> EIO']);
      expect(viewOf(stage.manager)).to.deep.equal(['0x2000-0x3000 rw']);
      expect(ledgerOf(at.attachments.b)).to.deep.equal(['0x0-0x1000 rw stuck', '0x2000-0x3000 rw']);
    });

    it('retries also for the very same mapping', async () => {
      at.targets.b.clearFailures();
      await at.region.addMapping(mapping(0x0, 0x1000));
      expect(stage.journal).to.include('b: unmap 0x0-0x1000').and.include('b: map 0x0-0x1000 rw');
      expect(ledgerOf(at.attachments.b)).to.deep.equal(['0x0-0x1000 rw', '0x2000-0x3000 rw']);
    });

    it('does not retry the stuck range for a map elsewhere', async () => {
      await at.region.addMapping(mapping(0x1000, 0x2000));
      expect(stage.journal).not.to.include('b: unmap 0x0-0x1000 -> EIO');
    });

    it('never unmaps a region with one call over what is stuck in it', async () => {
      await at.region.addMapping(mapping(0x4000, 0x5000));
      stage.takeJournal();
      await at.region.unmap();
      expect(stage.takeJournal()).to.deep.equal([
        'c: unmap 0x0-0x10000',
        'b: unmap 0x2000-0x3000',
        'b: unmap 0x4000-0x5000',
        'a: unmap 0x0-0x10000',
        'va: release 0x2000-0x3000',
        'va: release 0x4000-0x5000',
      ]);
      expect(ledgerOf(at.attachments.b)).to.deep.equal(['0x0-0x1000 rw stuck']);
    });

    it('works also after the failing target was detached', async () => {
      await rejectionOf(at.attachments.b.detach());
      stage.takeJournal();
      const refused = await rejectionOf(at.region.addMapping(mapping(0x0, 0x2000)));
      expect(refused).to.include({ code: 'ERR_RANGE_STUCK' });
      expect(stage.takeJournal()).to.deep.equal(['b: unmap 0x0-0x1000 -> EIO']);
      at.targets.b.clearFailures();
      await at.region.addMapping(mapping(0x0, 0x2000));
      expect(texts(at.targets.b.held())).to.deep.equal([]);
      expect(texts(at.targets.a.held())).to.deep.equal(['0x0-0x2000', '0x2000-0x3000']);
    });
  });

  describe('of a mapping that the same command replaces', () => {
    async function replace(region: Region): Promise<Error & Record<string, unknown>> {
      return rejectionOf(
        stage.manager.transaction((edit) => {
          edit.removeMappings(region, range(0x0, 0x1000));
          edit.addMapping(region, mapping(0x0, 0x1000, { fileOffset: 0x9000n }));
        }),
      );
    }

    it('is tried once more, then fails the map, and the command is undone', async () => {
      const { region, targets, attachments } = await three();
      targets.b.failAll('unmap 0x0');
      const error = await replace(region);
      expect(error).to.be.instanceOf(DmaMapError).and.include({ code: 'ERR_RANGE_STUCK' });
      expect((error as unknown as DmaMapError).stuck).to.deep.equal([]);
      expect((error as unknown as DmaMapError).missing).to.deep.equal([]);
      for (const attachment of Object.values(attachments)) {
        expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw', '0x2000-0x3000 rw']);
      }
      for (const target of Object.values(targets)) {
        expect(texts(target.held())).to.deep.equal(['0x0-0x1000', '0x2000-0x3000']);
      }
      expect(stage.manager.snapshot().mappings[0]?.backing).to.deep.include({ fileOffset: 0n });
      expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000', '0x2000-0x3000']);
    });

    it('is no failure when it succeeds the second time', async () => {
      const { region, targets, attachments } = await three();
      targets.b.takeCalls();
      targets.b.failCall(0);
      await stage.manager.transaction((edit) => {
        edit.removeMappings(region, range(0x0, 0x1000));
        edit.addMapping(region, mapping(0x0, 0x1000, { fileOffset: 0x9000n }));
      });
      expect(ledgerOf(attachments.b)).to.deep.equal(['0x0-0x1000 rw', '0x2000-0x3000 rw']);
      expect(targets.b.calls).to.deep.equal(['unmap 0x0-0x1000 -> EIO', 'unmap 0x0-0x1000', 'map 0x0-0x1000 rw']);
    });
  });

  describe('at targets that need no VA', () => {
    let region: Region;

    beforeEach(async () => {
      const [a, b] = [stage.target({ name: 'a' }), stage.target({ name: 'b' })];
      await stage.manager.attach(a);
      await stage.manager.attach(b);
      region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      b.takeCalls();
      b.failCall(0).failCall(1);
      await rejectionOf(region.removeMappings(range(0x0, 0x1000)));
      stage.takeJournal();
    });

    it('is tried again once, not twice, for one command', async () => {
      const error = await rejectionOf(region.addMapping(mapping(0x0, 0x2000)));
      expect(error).to.include({ name: 'DmaMapError', code: 'ERR_RANGE_STUCK', target: 'b' });
      expect(stage.takeJournal()).to.deep.equal([
        'b: unmap 0x0-0x1000 -> EIO',
        'a: map 0x0-0x2000 rw',
        'a: unmap 0x0-0x2000',
      ]);
      await region.addMapping(mapping(0x0, 0x2000));
      expect(stage.takeJournal()).to.deep.equal([
        'b: unmap 0x0-0x1000',
        'a: map 0x0-0x2000 rw',
        'b: map 0x0-0x2000 rw',
      ]);
    });

    it('is tried again for each command, also when an earlier one has succeeded', async () => {
      const b = stage.manager.attachments[1];
      await rejectionOf(b?.retryStuck() ?? Promise.resolve());
      await b?.retryStuck();
      await region.addMapping(mapping(0x0, 0x1000));
      stage.takeJournal();
      const [, second] = stage.targets;
      second?.takeCalls();
      second?.clearFailures().failCall(0);
      await stage.manager.transaction((edit) => {
        edit.removeMappings(region, range(0x0, 0x1000));
        edit.addMapping(region, mapping(0x0, 0x2000));
      });
      expect(second?.calls).to.deep.equal(['unmap 0x0-0x1000 -> EIO', 'unmap 0x0-0x1000', 'map 0x0-0x2000 rw']);
    });
  });

  it('during an undo leaves that range stuck, names it in the error, and undoes the rest', async () => {
    const { manager } = stage;
    const [first, second] = [
      stage.target({ name: 'first', needsVa: true }),
      stage.target({ name: 'second', needsVa: true }),
    ];
    const attachment = await manager.attach(first);
    await manager.attach(second);
    const region = await addRegion(manager, 0x0, 0x10000, {
      shown: 'hidden',
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
    });
    second.failAll('map 0x2000', 'ENOMEM');
    first.failAll('unmap 0x0', 'EBUSY');
    const error = (await rejectionOf(region.map({ writable: true }))) as unknown as DmaMapError;
    expect(error).to.include({ code: 'ENOMEM', target: 'second' });
    expect(error.stuck.map((at) => `${at.target} ${at.range.toString()}`)).to.deep.equal(['first 0x0-0x1000']);
    expect(error.undone.map((at) => `${at.target} ${at.range.toString()}`)).to.deep.equal([
      'second 0x0-0x1000',
      'first 0x2000-0x3000',
    ]);
    expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw stuck']);
    expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000']);
    expect(region.active).to.equal(false);
    first.clearFailures();
    await attachment.retryStuck();
    expect(stage.va.held()).to.deep.equal([]);
  });

  it('is tried again before an attach maps over it', async () => {
    const { manager } = stage;
    const first = stage.target({ name: 'first', needsVa: true });
    const attachment = await manager.attach(first);
    const region = await addRegion(manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
    first.failAll('unmap');
    await rejectionOf(attachment.detach());
    await region.removeMappings(range(0x0, 0x1000));
    await region.addMapping(mapping(0x0, 0x1000, { fileOffset: 0x9000n }));
    const second = stage.target({ name: 'second', needsVa: true });
    expect(await rejectionOf(manager.attach(second))).to.include({ code: 'ERR_RANGE_STUCK' });
    first.clearFailures();
    stage.takeJournal();
    await manager.attach(second);
    expect(stage.journal).to.deep.equal([
      'first: unmap 0x0-0x1000',
      'va: release 0x0-0x1000',
      'va: ensure 0x0-0x1000',
      'second: map 0x0-0x1000 rw',
    ]);
  });

  it('of a target that is being detached does not prevent the release of VAs of others', async () => {
    const { region, targets, attachments } = await three();
    targets.b.failAll('unmap');
    await rejectionOf(attachments.b.detach());
    await region.remove();
    expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000', '0x2000-0x3000']);
    targets.b.clearFailures();
    await attachments.b.retryStuck();
    await nextTurn();
    expect(stage.va.held()).to.deep.equal([]);
    expect(attachments.b.ledger()).to.deep.equal([]);
  });
});
