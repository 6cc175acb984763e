import { expect } from 'chai';
import { DmaUnmapError, RegionManager, type Region } from '../../../streams/index.js';
import { addRegion, ledgerOf, mapping, privateMapping, range, rejectionOf, texts } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

describe('RegionManager: lifetime', () => {
  let stage: Stage;
  let region: Region;

  beforeEach(async () => {
    stage = new Stage();
    region = await addRegion(stage.manager, 0x0, 0x10000, {
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
    });
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  describe('close()', () => {
    it('unmaps everything at every target, in reverse attach order, then releases the VAs', async () => {
      for (const name of ['a', 'b']) {
        await stage.manager.attach(stage.target({ name, needsVa: true }));
      }
      stage.takeJournal();
      await stage.manager.close();
      expect(stage.journal).to.deep.equal([
        'b: unmap 0x0-0x1000',
        'b: unmap 0x2000-0x3000',
        'a: unmap 0x0-0x1000',
        'a: unmap 0x2000-0x3000',
        'va: release 0x0-0x1000',
        'va: release 0x2000-0x3000',
      ]);
      expect(stage.manager.attachments).to.deep.equal([]);
    });

    it('releases private memory, visible or not', async () => {
      await region.addMapping(privateMapping(0x4000, 0x5000));
      await addRegion(stage.manager, 0x20000, 0x30000, { shown: 'hidden', mappings: [privateMapping(0x0, 0x1000)] });
      await stage.manager.close();
      expect(stage.va.held()).to.deep.equal([]);
    });

    it('runs after all queued commands', async () => {
      const target = stage.target({ reply: 'async' });
      await stage.manager.attach(target);
      target.takeCalls();
      await Promise.all([region.addMapping(mapping(0x4000, 0x5000)), stage.manager.close()]);
      expect(target.calls).to.deep.equal([
        'map 0x4000-0x5000 rw',
        'unmap 0x0-0x1000',
        'unmap 0x2000-0x3000',
        'unmap 0x4000-0x5000',
      ]);
    });

    it('returns the same promise to a target that calls it meanwhile', async () => {
      const { manager } = new Stage();
      let inner: Promise<void> | undefined;
      await manager.attach({
        name: 'closer',
        mapDma: () => undefined,
        unmapDma: () => void (inner ??= manager.close()),
      });
      await addRegion(manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      const outer = manager.close();
      await outer;
      expect(inner).to.equal(outer);
    });

    it('returns the same promise when it is called again', async () => {
      const target = stage.target();
      await stage.manager.attach(target);
      const closing = stage.manager.close();
      expect(stage.manager.close()).to.equal(closing);
      await closing;
      target.takeCalls();
      await stage.manager.close();
      await stage.manager[Symbol.asyncDispose]();
      expect(target.calls).to.deep.equal([]);
    });

    it('makes all commands after the call reject with ERR_CLOSED', async () => {
      const target = stage.target();
      const closing = stage.manager.close();
      for (const command of [
        stage.manager.addRegion({ name: 'x', range: range(0x20000, 0x30000), type: 'ram' }),
        stage.manager.transaction(() => undefined),
        stage.manager.attach(target),
        region.map({ writable: false }),
        region.unmap(),
        region.addMapping(mapping(0x5000, 0x6000)),
        region.removeMappings(range(0x0, 0x1000)),
        region.remove(),
      ]) {
        expect(await rejectionOf(command)).to.include({ name: 'DmaError', code: 'ERR_CLOSED' });
      }
      await closing;
      expect(await rejectionOf(region.remove())).to.include({ code: 'ERR_CLOSED' });
      expect(target.calls).to.deep.equal([]);
    });

    it('completes the streams', async () => {
      const attachment = await stage.manager.attach(stage.target());
      let completed = 0;
      const observer = { complete: () => (completed += 1) };
      stage.manager.changes().subscribe(observer);
      stage.manager.events$.subscribe(observer);
      stage.manager.shareable().subscribe(observer);
      attachment.outcomes$.subscribe(observer);
      await stage.manager.close();
      expect(completed).to.equal(4);
      stage.manager.changes().subscribe(observer);
      stage.manager.events$.subscribe(observer);
      stage.manager.shareable().subscribe(observer);
      expect(completed).to.equal(7);
    });

    it('leaves attachments whose methods have no effect', async () => {
      const target = stage.target();
      const attachment = await stage.manager.attach(target);
      await stage.manager.close();
      target.takeCalls();
      await attachment.detach();
      await attachment.retryStuck();
      await attachment.heal();
      expect(await attachment.verify()).to.deep.equal([]);
      expect(ledgerOf(attachment)).to.deep.equal([]);
      expect(target.calls).to.deep.equal([]);
    });

    it('rejects with what could not be unmapped, whose VA is kept until retryStuck() has unmapped it', async () => {
      const [a, b] = [stage.target({ name: 'a', needsVa: true }), stage.target({ name: 'b', needsVa: true })];
      const attachment = await stage.manager.attach(a);
      await stage.manager.attach(b);
      a.failAll('unmap 0x2000', 'EBUSY');
      const error = await rejectionOf(stage.manager.close());
      expect(error).to.be.instanceOf(DmaUnmapError).and.include({ code: 'EBUSY', target: 'a' });
      expect(b.held()).to.deep.equal([]);
      expect(texts(stage.va.held())).to.deep.equal(['0x2000-0x3000']);
      a.clearFailures();
      await attachment.retryStuck();
      expect(stage.va.held()).to.deep.equal([]);
      expect(a.held()).to.deep.equal([]);
    });

    it('names what is stuck at each of several targets', async () => {
      for (const name of ['a', 'b']) {
        const target = stage.target({ name });
        await stage.manager.attach(target);
        target.failAll('unmap');
      }
      const error = (await rejectionOf(stage.manager.close())) as unknown as DmaUnmapError;
      expect(new Set(error.stuck.map(({ target }) => target))).to.deep.equal(new Set(['a', 'b']));
    });

    it('runs at the end of an `await using` block', async () => {
      const target = stage.target();
      {
        await using manager = new RegionManager();
        await addRegion(manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000)] });
        await manager.attach(target);
        expect(target.held()).to.have.length(1);
      }
      expect(target.held()).to.deep.equal([]);
    });

    it('frees the VA mapper for another manager', async () => {
      await stage.manager.attach(stage.target({ needsVa: true }));
      await stage.manager.close();
      const next = new RegionManager({ vaMapper: stage.va });
      await next.attach(stage.target({ needsVa: true }));
      await addRegion(next, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000']);
    });

    it('waits for the running command when a subscriber calls it', async () => {
      let closing: Promise<void> | undefined;
      stage.manager.changes().subscribe((set) => {
        if (!set.snapshot) {
          closing ??= stage.manager.close();
        }
      });
      const target = stage.target();
      await stage.manager.attach(target);
      await region.addMapping(mapping(0x4000, 0x5000));
      await closing;
      expect(target.held()).to.deep.equal([]);
    });
  });
});
