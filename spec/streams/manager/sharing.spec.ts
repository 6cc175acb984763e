import { expect } from 'chai';
import { ensureMapped, fanOut, RegionManager, toTarget, type TargetBranch } from '../../../streams/index.js';
import { FakeVaMapper, RecordingTarget } from '../../../testing/index.js';
import { addRegion, gate, ledgerOf, mapping, nextTurn, rejectionOf, texts } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

describe('RegionManager: two managers', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  describe('with one VA mapper', () => {
    function second(): RegionManager {
      return new RegionManager({ vaMapper: stage.va });
    }

    function expectRefused(make: () => unknown): void {
      expect(make).to.throw('belongs to another region manager').with.property('code', 'ERR_VA_MAPPER_IN_USE');
      expect(make).to.throw().with.property('hint').that.includes('close()');
    }

    it('are refused, and the first goes on as before', async () => {
      const target = stage.target({ needsVa: true });
      await stage.manager.attach(target);
      expectRefused(second);
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000']);
    });

    it('can use it in succession: the mapper is free once close() has resolved', async () => {
      const later = new Stage({ batches: 'async' });
      await later.manager.attach(later.target({ needsVa: true }));
      await addRegion(later.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)] });
      const closing = later.manager.close();
      expectRefused(() => new RegionManager({ vaMapper: later.va }));
      await closing;
      const next = new RegionManager({ vaMapper: later.va });
      const target = later.target({ needsVa: true });
      await next.attach(target);
      await addRegion(next, 0x0, 0x10000, { mappings: [mapping(0x0, 0x2000)] });
      expect(texts(later.va.held())).to.deep.equal(['0x0-0x2000']);
      later.expectContractsKept();
    });

    it('cannot use it in succession while something is stuck after close()', async () => {
      const target = stage.target({ needsVa: true });
      const attachment = await stage.manager.attach(target);
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      target.failAll('unmap');
      await rejectionOf(stage.manager.close());
      expectRefused(second);
      expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000']);
      target.clearFailures();
      await attachment.retryStuck();
      const next = second();
      await next.attach(target);
      await addRegion(next, 0x0, 0x10000, { mappings: [mapping(0x0, 0x2000)] });
      // What the first may still do touches nothing of the second.
      await attachment.heal();
      await attachment.detach();
      await stage.manager.close().catch(() => undefined);
      expect(texts(stage.va.held())).to.deep.equal(['0x0-0x2000']);
      expect(texts(target.held())).to.deep.equal(['0x0-0x2000']);
    });

    it('can use it in succession while something that needs no address is stuck after close()', async () => {
      const target = stage.target();
      const attachment = await stage.manager.attach(target);
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      target.failAll('unmap');
      await rejectionOf(stage.manager.close());
      const next = second();
      await next.attach(stage.target({ name: 'next', needsVa: true }));
      await addRegion(next, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      target.clearFailures();
      await attachment.retryStuck();
      expect(target.held()).to.deep.equal([]);
      expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000']);
    });

    for (const [how, wrapped] of [
      ['', (branch: TargetBranch) => branch],
      [' and fanOut', (branch: TargetBranch) => fanOut(toTarget(new RecordingTarget()), branch)],
    ] as const) {
      it(`are refused also when a branch contains it in ensureMapped()${how}`, async () => {
        const other = new RegionManager({ vaMapper: new FakeVaMapper() });
        const branch = wrapped((changes$) => changes$.pipe(ensureMapped(stage.va), toTarget(stage.target())));
        expect(await rejectionOf(other.attach(branch))).to.include({ code: 'ERR_VA_MAPPER_IN_USE' });
        expect(other.attachments).to.deep.equal([]);
        await stage.manager.attach(branch);
      });
    }
  });

  describe('with one target', () => {
    let other: RegionManager;

    beforeEach(() => {
      other = new RegionManager();
    });

    const ways: readonly (readonly [string, (target: RecordingTarget) => RecordingTarget | TargetBranch])[] = [
      ['as it is', (target) => target],
      ['at the end of a branch', (target) => toTarget(target)],
      ['behind fanOut', (target) => fanOut(toTarget(new RecordingTarget({ name: 'beside' })), toTarget(target))],
    ];
    for (const [way, of] of ways) {
      it(`are refused ${way}, and the first goes on as before`, async () => {
        const target = stage.target();
        const attachment = await stage.manager.attach(target);
        await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
        const error = await rejectionOf(other.attach(of(target)));
        expect(error).to.include({ code: 'ERR_ALREADY_ATTACHED', target: 'T' });
        expect(error.message).to.include('another region manager');
        await other.close();
        expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw']);
        expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw']);
      });
    }

    it('are refused while the first replays; an attach that fails leaves the target free', async () => {
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      const call = gate();
      const target = stage.target({ reply: () => call.opened }).failAll('map');
      const attaching = rejectionOf(stage.manager.attach(target));
      expect(await rejectionOf(other.attach(target))).to.include({ code: 'ERR_ALREADY_ATTACHED' });
      call.open();
      await attaching;
      target.clearFailures();
      await other.attach(target);
    });

    it('can use it in succession: the target is free once it is detached, or its manager closed', async () => {
      const target = stage.target();
      const attachment = await stage.manager.attach(target);
      await attachment.detach();
      await other.attach(target);
      expect(await rejectionOf(stage.manager.attach(target))).to.include({ code: 'ERR_ALREADY_ATTACHED' });
      await other.close();
      await stage.manager.attach(target);
    });

    it('cannot use it in succession while something is stuck at it', async () => {
      const target = stage.target();
      const attachment = await stage.manager.attach(target);
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      target.failAll('unmap');
      await rejectionOf(attachment.detach());
      const error = await rejectionOf(other.attach(target));
      expect(error).to.include({ code: 'ERR_ALREADY_ATTACHED' });
      expect(error.hint).to.include('retryStuck()');
      target.clearFailures();
      await attachment.retryStuck();
      await other.attach(target);
    });

    it('are refused without a claim on the other targets of the branch', async () => {
      const [free, taken] = [stage.target({ name: 'free' }), stage.target({ name: 'taken' })];
      await stage.manager.attach(taken);
      await rejectionOf(other.attach(fanOut(toTarget(free), toTarget(taken))));
      await other.attach(free);
    });
  });
});

describe('RegionManager: close() while a call of an aborted attach has not completed', () => {
  it('names what the target holds', async () => {
    const stage = new Stage();
    await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)] });
    const call = gate();
    let calls = 0;
    const target = stage.target({ reply: () => (calls++ === 0 ? Promise.resolve() : call.opened) });
    const abort = new AbortController();
    const attaching = rejectionOf(stage.manager.attach(target, { signal: abort.signal }));
    await nextTurn();
    abort.abort();
    await attaching;
    const error = await rejectionOf(stage.manager.close());
    expect(error).to.include({ name: 'DmaUnmapError', code: 'ERR_TARGET_PENDING', target: 'T' });
    expect(texts((error as unknown as { stuck: { range: object }[] }).stuck.map(({ range }) => range))).to.deep.equal([
      '0x0-0x1000',
    ]);
    expect(error.message).to.include('0x0-0x1000 at "T"');
    call.open();
    await nextTurn();
    await nextTurn();
    expect(target.held()).to.deep.equal([]);
  });
});
