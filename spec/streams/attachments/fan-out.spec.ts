import { expect } from 'chai';
import { DmaMapError, ensureMapped, fanOut, toTarget } from '../../../streams/index.js';
import { addRegion, ledgerOf, mapping, rejectionOf, texts, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

describe('RegionManager: several targets as one attachment', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  describe('fanOut as one attachment', () => {
    it('serves its branches in order, unmaps in reverse, among the other attachments', async () => {
      const branch = fanOut(toTarget(stage.target({ name: 'b1' })), toTarget(stage.target({ name: 'b2' })));
      await stage.manager.attach(stage.target({ name: 'a' }));
      const attachment = await stage.manager.attach(branch);
      await stage.manager.attach(stage.target({ name: 'c' }));
      expect(attachment.target).to.equal('b1+b2');
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      await region.remove();
      expect(stage.journal.map((line) => line.replace(/ 0x.*/, ''))).to.deep.equal([
        'a: map',
        'b1: map',
        'b2: map',
        'c: map',
        'c: unmap',
        'b2: unmap',
        'b1: unmap',
        'a: unmap',
      ]);
    });

    it('keeps a ledger of all its targets, and detaches all of them', async () => {
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)] });
      const [one, two] = [stage.target({ name: 'one' }), stage.target({ name: 'two' })];
      const attachment = await stage.manager.attach(fanOut(toTarget(one), toTarget(two)));
      expect(ledgerOf(attachment)).to.deep.equal([
        '0x0-0x1000 rw',
        '0x0-0x1000 rw',
        '0x2000-0x3000 rw',
        '0x2000-0x3000 rw',
      ]);
      stage.takeJournal();
      await attachment.detach();
      expect(one.held()).to.deep.equal([]);
      expect(two.held()).to.deep.equal([]);
      expect(attachment.ledger()).to.deep.equal([]);
    });

    it('undoes a set in all of its branches when one fails, and in the attachments before it', async () => {
      const [a, one, two] = ['a', 'one', 'two'].map((name) => stage.target({ name }));
      if (!a || !one || !two) {
        throw new Error('three targets');
      }
      await stage.manager.attach(a);
      await stage.manager.attach(fanOut(toTarget(one), toTarget(two)));
      const region = await addRegion(stage.manager, 0x0, 0x10000);
      two.failAll('map', 'ENOSPC');
      const error = (await rejectionOf(region.addMapping(mapping(0x0, 0x1000)))) as unknown as DmaMapError;
      expect(error).to.include({ code: 'ENOSPC', target: 'two', region: 'ram' });
      expect(error.undone.map(({ target }) => target)).to.deep.equal(['one', 'a']);
      expect(stage.journal).to.deep.equal([
        'a: map 0x0-0x1000 rw',
        'one: map 0x0-0x1000 rw',
        'two: map 0x0-0x1000 rw -> ENOSPC',
        'one: unmap 0x0-0x1000',
        'a: unmap 0x0-0x1000',
      ]);
    });

    it('is undone completely, also its unmaps, when a later attachment fails', async () => {
      const [one, two, last] = ['one', 'two', 'last'].map((name) => stage.target({ name, needsVa: true }));
      if (!one || !two || !last) {
        throw new Error('three targets');
      }
      const va = stage.va;
      await stage.manager.attach((changes$) => changes$.pipe(ensureMapped(va), fanOut(toTarget(one), toTarget(two))));
      await stage.manager.attach(last);
      const region = await addRegion(stage.manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
      });
      last.failAll('map 0x2000-0x3000 ro');
      const before = viewOf(stage.manager);
      await rejectionOf(region.map({ writable: false }));
      expect(viewOf(stage.manager)).to.deep.equal(before);
      for (const target of [one, two, last]) {
        expect(texts(target.held())).to.deep.equal(['0x0-0x1000', '0x2000-0x3000']);
        expect(target.requests.slice(-2).map(({ writable }) => writable)).to.deep.equal([true, true]);
      }
    });

    it('keeps the VA while one of its targets has the range stuck', async () => {
      const [one, two] = [stage.target({ name: 'one', needsVa: true }), stage.target({ name: 'two', needsVa: true })];
      const va = stage.va;
      const attachment = await stage.manager.attach((changes$) =>
        changes$.pipe(ensureMapped(va), fanOut(toTarget(one), toTarget(two))),
      );
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      two.failAll('unmap', 'EBUSY');
      const error = await rejectionOf(region.remove());
      expect(error).to.include({ name: 'DmaUnmapError', code: 'EBUSY', target: 'two' });
      expect(texts(va.held())).to.deep.equal(['0x0-0x1000']);
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw stuck']);
      two.clearFailures();
      await attachment.retryStuck();
      expect(va.held()).to.deep.equal([]);
      expect(one.calls).to.deep.equal(['map 0x0-0x1000 rw', 'unmap 0x0-0x10000']);
    });

    it('applies everything when it has no branches', async () => {
      const attachment = await stage.manager.attach(fanOut());
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      await attachment.detach();
    });
  });
});
