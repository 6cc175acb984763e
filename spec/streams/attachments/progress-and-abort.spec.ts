import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { DmaUnmapError, fanOut, toTarget } from '../../../streams/index.js';
import { addRegion, gate, ledgerOf, mapping, nextTurn, range, rejectionOf, texts, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';
import { uncaughtIn } from '../support/uncaught.js';

interface Progress {
  readonly done: bigint;
  readonly total: bigint;
}

describe('RegionManager: progress and abort of an attach', () => {
  let stage: Stage;

  beforeEach(async () => {
    stage = new Stage();
    await addRegion(stage.manager, 0x0, 0x10000, {
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x4000), mapping(0x8000, 0xc000)],
    });
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  describe('onProgress', () => {
    it('counts bytes, after each map, up to the total', async () => {
      const progress: Progress[] = [];
      await stage.manager.attach(stage.target(), { onProgress: (now) => progress.push(now) });
      expect(progress).to.deep.equal([
        { done: 0x1000n, total: 0x7000n },
        { done: 0x3000n, total: 0x7000n },
        { done: 0x7000n, total: 0x7000n },
      ]);
    });

    it('counts all targets of a branch', async () => {
      const progress: Progress[] = [];
      const branch = fanOut(toTarget(stage.target({ name: 'a' })), toTarget(stage.target({ name: 'b' })));
      await stage.manager.attach(branch, { onProgress: (now) => progress.push(now) });
      expect(progress).to.have.length(6);
      expect(progress.at(-1)).to.deep.equal({ done: 0xe000n, total: 0xe000n });
    });

    it('counts skipped device memory, and so reaches the total', async () => {
      await addRegion(stage.manager, 0x100000, 0x110000, { type: 'device', mappings: [mapping(0x0, 0x1000)] });
      const progress: Progress[] = [];
      const target = stage.target().failAll('map 0x100000', 'EFAULT');
      await stage.manager.attach(target, { onProgress: (now) => progress.push(now) });
      expect(progress.at(-1)).to.deep.equal({ done: 0x8000n, total: 0x8000n });
    });

    it('is not called after the attach', async () => {
      const progress: Progress[] = [];
      await stage.manager.attach(stage.target(), { onProgress: (now) => progress.push(now) });
      await addRegion(stage.manager, 0x100000, 0x110000, { mappings: [mapping(0x0, 0x1000)] });
      expect(progress).to.have.length(3);
    });

    it('has no effect when it throws', async () => {
      const target = stage.target();
      const uncaught = await uncaughtIn(async () => {
        await stage.manager.attach(target, {
          onProgress: () => {
            throw new Error('careless listener');
          },
        });
      });
      expect(target.held()).to.have.length(3);
      expect(uncaught).to.have.length(3);
    });
  });

  describe('an AbortSignal', () => {
    it('that is aborted before the attach prevents every call', async () => {
      const target = stage.target();
      const error = await rejectionOf(
        stage.manager.attach(target, { signal: AbortSignal.abort(new Error('changed my mind')) }),
      );
      expect(error).to.include({ name: 'AbortError', code: 'ABORT_ERR' });
      expect(error.cause).to.include({ message: 'changed my mind' });
      expect(target.calls).to.deep.equal([]);
      expect(stage.manager.attachments).to.deep.equal([]);
    });

    it('that is aborted while the attach is queued prevents every call', async () => {
      const blocked = gate();
      const first = stage.manager.attach(stage.target({ name: 'first', reply: () => blocked.opened }));
      const abort = new AbortController();
      const second = stage.target({ name: 'second' });
      const attaching = rejectionOf(stage.manager.attach(second, { signal: abort.signal }));
      abort.abort();
      blocked.open();
      await first;
      expect(await attaching).to.include({ code: 'ABORT_ERR' });
      expect(second.calls).to.deep.equal([]);
    });

    for (const reply of ['sync', 'async'] as const) {
      it(`that is aborted between maps undoes them, newest first (${reply})`, async () => {
        const abort = new AbortController();
        const target = stage.target({ reply, needsVa: true });
        const error = await rejectionOf(
          stage.manager.attach(target, {
            signal: abort.signal,
            onProgress: ({ done }) => {
              if (done === 0x3000n) {
                abort.abort();
              }
            },
          }),
        );
        expect(error).to.include({ name: 'AbortError', code: 'ABORT_ERR' });
        expect(target.calls).to.deep.equal([
          'map 0x0-0x1000 rw',
          'map 0x2000-0x4000 rw',
          'unmap 0x2000-0x4000',
          'unmap 0x0-0x1000',
        ]);
        expect(stage.manager.attachments).to.deep.equal([]);
        expect(viewOf(stage.manager)).to.have.length(3);
        await stage.manager.attach(target);
        expect(target.held()).to.have.length(3);
      });
    }

    it('that is aborted at the last map undoes the attach as well', async () => {
      const abort = new AbortController();
      const target = stage.target();
      const attaching = stage.manager.attach(target, {
        signal: abort.signal,
        onProgress: ({ done, total }) => {
          if (done === total) {
            abort.abort();
          }
        },
      });
      expect(await rejectionOf(attaching)).to.include({ code: 'ABORT_ERR' });
      expect(target.held()).to.deep.equal([]);
      expect(target.calls.slice(3)).to.deep.equal(['unmap 0x8000-0xc000', 'unmap 0x2000-0x4000', 'unmap 0x0-0x1000']);
    });

    it('that is aborted in one target of a fanOut undoes all of them', async () => {
      const abort = new AbortController();
      const [a, b] = [stage.target({ name: 'a' }), stage.target({ name: 'b' })];
      const attaching = stage.manager.attach(fanOut(toTarget(a), toTarget(b)), {
        signal: abort.signal,
        onProgress: ({ done }) => {
          if (done === 0x8000n) {
            abort.abort();
          }
        },
      });
      expect(await rejectionOf(attaching)).to.include({ code: 'ABORT_ERR' });
      expect([a.held(), b.held()]).to.deep.equal([[], []]);
    });

    it('that is aborted leaves a range stuck whose unmap fails; the next attach unmaps it', async () => {
      const abort = new AbortController();
      const target = stage.target({ needsVa: true }).failAll('unmap 0x0', 'EBUSY');
      const attaching = stage.manager.attach(target, {
        signal: abort.signal,
        onProgress: ({ done }) => {
          if (done === 0x3000n) {
            abort.abort();
          }
        },
      });
      expect(await rejectionOf(attaching)).to.include({ code: 'ABORT_ERR' });
      expect(texts(target.held())).to.deep.equal(['0x0-0x1000']);
      expect(await rejectionOf(stage.manager.attach(target))).to.be.instanceOf(DmaUnmapError);
      target.clearFailures();
      const attachment = await stage.manager.attach(target);
      expect(ledgerOf(attachment)).to.deep.equal(viewOf(stage.manager));
    });

    it('that is aborted after the attach has no effect', async () => {
      const abort = new AbortController();
      const target = stage.target();
      const attachment = await stage.manager.attach(target, { signal: abort.signal });
      abort.abort();
      await addRegion(stage.manager, 0x100000, 0x110000, { mappings: [mapping(0x0, 0x1000)] });
      expect(attachment.ledger()).to.have.length(4);
    });

    it('does not make device memory count as skipped', async () => {
      await addRegion(stage.manager, 0x100000, 0x110000, { type: 'device', mappings: [mapping(0x0, 0x1000)] });
      const abort = new AbortController();
      const attaching = stage.manager.attach(stage.target(), {
        signal: abort.signal,
        onProgress: ({ done }) => {
          if (done === 0x7000n) {
            abort.abort();
          }
        },
      });
      expect(await rejectionOf(attaching)).to.include({ code: 'ABORT_ERR' });
      expect(stage.warnings).to.deep.equal([]);
    });

    describe('that is aborted while a call does not complete', () => {
      it('lets the queue continue after the grace period, and undoes the call when it completes', async () => {
        const { manager } = stage;
        const abort = new AbortController();
        const stuck = gate();
        let calls = 0;
        const target = stage.target({ needsVa: true, reply: () => (calls++ === 1 ? stuck.opened : Promise.resolve()) });
        const attaching = rejectionOf(manager.attach(target, { signal: abort.signal }));
        const queued = addRegion(manager, 0x100000, 0x110000, { name: 'queued', mappings: [mapping(0x0, 0x1000)] });
        await nextTurn();
        abort.abort();
        const error = await attaching;
        expect(error).to.include({ name: 'AbortError', code: 'ABORT_ERR' });
        expect(error.message).to.include('has not completed');
        await queued;
        expect(manager.attachments.map(({ phase, pending }) => [phase, pending])).to.deep.equal([['leaving', true]]);
        expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw', 'map 0x2000-0x4000 rw']);

        stuck.open();
        await nextTurn();
        await nextTurn();
        expect(target.held()).to.deep.equal([]);
        expect(manager.attachments).to.deep.equal([]);
        const attachment = await manager.attach(target);
        expect(ledgerOf(attachment)).to.deep.equal(viewOf(manager));
      });

      it('keeps the VAs that the call may use until it completes', async () => {
        const { manager } = stage;
        const abort = new AbortController();
        const stuck = gate();
        const target = stage.target({ needsVa: true, reply: () => stuck.opened });
        const attaching = rejectionOf(manager.attach(target, { signal: abort.signal }));
        await nextTurn();
        abort.abort();
        await attaching;
        const error = await rejectionOf(manager.close());
        expect(error).to.be.instanceOf(DmaUnmapError).and.include({ code: 'ERR_TARGET_PENDING', target: 'T' });
        expect(error.message).to.include('has not completed');
        expect(texts(stage.va.held())).to.include('0x0-0x1000');
        stuck.open();
        await nextTurn();
        await nextTurn();
        expect(target.held()).to.deep.equal([]);
        expect(stage.va.held()).to.deep.equal([]);
      });

      it('releases the VAs of mappings that were removed meanwhile when the call completes', async () => {
        const { manager } = stage;
        const region = await addRegion(manager, 0x100000, 0x110000, { mappings: [mapping(0x0, 0x1000)] });
        const abort = new AbortController();
        const stuck = gate();
        const target = stage.target({ needsVa: true, reply: () => stuck.opened });
        const attaching = rejectionOf(manager.attach(target, { signal: abort.signal }));
        await nextTurn();
        abort.abort();
        await attaching;
        expect(await rejectionOf(manager.attach(target))).to.include({ code: 'ERR_TARGET_PENDING' });
        await region.remove();
        expect(texts(stage.va.held())).to.include('0x100000-0x101000');
        stuck.open();
        await nextTurn();
        await nextTurn();
        expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000', '0x2000-0x4000', '0x8000-0xc000']);
      });

      it('causes a warning when the call completes and cannot be undone', async () => {
        const { manager } = stage;
        const abort = new AbortController();
        const stuck = gate();
        const target = stage.target({ reply: () => stuck.opened }).failAll('unmap', 'EBUSY');
        const attaching = rejectionOf(manager.attach(target, { signal: abort.signal }));
        await nextTurn();
        abort.abort();
        await attaching;
        stuck.open();
        await nextTurn();
        await nextTurn();
        expect(stage.warnings.map(({ name, code }) => `${name} ${code}`)).to.deep.equal(['DmaUnmapError EBUSY']);
        target.clearFailures();
        const attachment = await manager.attach(target);
        expect(ledgerOf(attachment)).to.deep.equal(viewOf(manager));
      });

      it('undoes a call that completes within the grace period before the attach rejects', async () => {
        const abort = new AbortController();
        const stuck = gate();
        const target = stage.target({ reply: () => stuck.opened });
        const attaching = rejectionOf(stage.manager.attach(target, { signal: abort.signal }));
        await nextTurn();
        abort.abort();
        await nextTurn();
        stuck.open();
        expect(await attaching).to.include({ code: 'ABORT_ERR' });
        expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw', 'unmap 0x0-0x1000']);
      });
    });
  });

  it('removes its listener from a signal that is never aborted', async () => {
    const { signal } = new AbortController();
    const attachment = await stage.manager.attach(stage.target({ reply: 'async' }), { signal });
    expect(getEventListeners(signal, 'abort')).to.deep.equal([]);
    await attachment.detach();
    expect(range(0x0, 0x1000).length).to.equal(0x1000n);
  });
});
