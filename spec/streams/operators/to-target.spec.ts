import { expect } from 'chai';
import { firstValueFrom, map as mapTo, Subject, type Observable } from 'rxjs';
import {
  DmaError,
  MemoryRange,
  toTarget,
  type ChangeSet,
  type DmaMapRequest,
  type DmaTarget,
  type Outcome,
} from '../../../streams/index.js';
import { marbleTest, mapOf, outcomeText, RecordingTarget, setOf, unmapOf } from '../../../testing/index.js';
import { gate, nextTurn, texts } from '../support/phrases.js';

function words(sets$: Observable<ChangeSet>, target: DmaTarget): Observable<string> {
  return sets$.pipe(toTarget(target), mapTo(outcomeText));
}

/** Serves sets one after another, each when the one before it has been answered. */
function serving(target: DmaTarget): { serve(set: ChangeSet): Promise<Outcome> } {
  const sets = new Subject<ChangeSet>();
  const outcomes = new Subject<Outcome>();
  sets.pipe(toTarget(target)).subscribe(outcomes);
  return {
    serve: (set) => {
      const answer = firstValueFrom(outcomes);
      sets.next(set);
      return answer;
    },
  };
}

const [A, B, C] = [mapOf('0x0-0x1000'), mapOf('0x2000-0x3000'), mapOf('0x4000-0x5000')];

describe('toTarget', () => {
  let target: RecordingTarget;

  beforeEach(() => {
    target = new RecordingTarget();
  });

  afterEach(() => {
    expect(target.violations).to.deep.equal([]);
  });

  describe('answers', () => {
    it('every set with exactly one outcome, in order, also an empty one', () => {
      marbleTest(({ cold, expectObservable }) => {
        const sets = {
          a: setOf(1, { maps: [A, B] }),
          b: setOf(2),
          c: setOf(3, { unmaps: [unmapOf('0x0-0x1000')] }),
        };
        expectObservable(words(cold('a-(bc)-|', sets), target)).toBe('a-(bc)-|', {
          a: '1 applied',
          b: '2 applied',
          c: '3 applied',
        });
      });
      expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw', 'map 0x2000-0x3000 rw', 'unmap 0x0-0x1000']);
    });

    it('every inverse set with what it has undone, and no other set', async () => {
      const { serve } = serving(target);
      await serve(setOf(1, { maps: [A, B] }));
      expect(await serve(setOf(2, { unmaps: [unmapOf('0x0-0x1000')] }))).not.to.have.any.keys(
        'undone',
        'stuck',
        'missing',
        'error',
      );
      const outcome = await serve(setOf(3, { unmaps: [unmapOf('0x2000-0x3000')], undo: true }));
      expect(texts(outcome.undone?.map(({ range }) => range) ?? [])).to.deep.equal(['0x2000-0x3000']);
    });

    it('an inverse set with the generation of the set that it undoes', () => {
      marbleTest(({ cold, expectObservable }) => {
        const sets = { a: setOf(1, { maps: [A] }), u: setOf(1, { unmaps: [unmapOf('0x0-0x1000')], undo: true }) };
        expectObservable(words(cold('au|', sets), target)).toBe('au|', {
          a: '1 applied',
          u: '1 applied',
        });
      });
      expect(target.held()).to.deep.equal([]);
    });

    it('when the target has answered; later sets and the completion wait', async () => {
      const log: string[] = [];
      const slow = new RecordingTarget({ reply: 'async', journal: log });
      const sets = new Subject<ChangeSet>();
      words(sets, slow).subscribe({ next: (outcome) => log.push(outcome), complete: () => log.push('complete') });
      sets.next(setOf(1, { maps: [A, B] }));
      sets.next(setOf(2, { unmaps: [unmapOf('0x0-0x1000')] }));
      sets.next(setOf(3));
      sets.complete();
      expect(log).to.deep.equal(['T: map 0x0-0x1000 rw']);
      while (log.at(-1) !== 'complete') {
        await nextTurn();
      }
      expect(log).to.deep.equal([
        'T: map 0x0-0x1000 rw',
        'T: map 0x2000-0x3000 rw',
        '1 applied',
        'T: unmap 0x0-0x1000',
        '2 applied',
        '3 applied',
        'complete',
      ]);
    });

    it('with the name of its target', async () => {
      expect(await serving(new RecordingTarget({ name: 'nic' })).serve(setOf(5))).to.deep.equal({
        generation: 5,
        target: 'nic',
        status: 'applied',
        skipped: [],
      });
    });

    it('with an outcome, not an error of the stream, when the target fails', () => {
      target.failCall(1, 'ENOSPC');
      marbleTest(({ cold, expectObservable }) => {
        const sets = { a: setOf(1, { maps: [A, B] }), b: setOf(2, { maps: [A, B] }) };
        expectObservable(words(cold('a-b|', sets), target)).toBe('a-b|', { a: '1 failed ENOSPC', b: '2 applied' });
      });
    });

    it('nothing more when its source errors, or when it is unsubscribed', () => {
      marbleTest(({ cold, expectObservable, expectSubscriptions }) => {
        const failing = cold('a-#', { a: setOf(1) });
        expectObservable(words(failing, target)).toBe('a-#', { a: '1 applied' });
        const endless = cold('a---a---', { a: setOf(1) });
        expectObservable(words(endless, target), '^--!').toBe('a---', { a: '1 applied' });
        expectSubscriptions(endless.subscriptions).toBe('^--!');
      });
    });
  });

  describe('serves', () => {
    it('one call after another', async () => {
      const slow = new RecordingTarget({ reply: 'async' });
      const outcome = await serving(slow).serve(setOf(1, { maps: [A, B, C] }));
      expect(outcome.status).to.equal('applied');
      expect(slow.violations).to.deep.equal([]);
    });

    it('at once, when the target answers at once', () => {
      const sets = new Subject<ChangeSet>();
      const seen: string[] = [];
      words(sets, target).subscribe((outcome) => seen.push(outcome));
      sets.next(setOf(1, { maps: [A] }));
      expect(seen).to.deep.equal(['1 applied']);
    });

    it('unmaps before maps', async () => {
      const { serve } = serving(target);
      await serve(setOf(1, { maps: [A, B] }));
      target.takeCalls();
      await serve(
        setOf(2, { maps: [mapOf('0x1000-0x2000')], unmaps: [unmapOf('0x2000-0x3000'), unmapOf('0x0-0x1000')] }),
      );
      expect(target.calls).to.deep.equal(['unmap 0x2000-0x3000', 'unmap 0x0-0x1000', 'map 0x1000-0x2000 rw']);
    });

    it('the unmap of several maps by one call, or by one each when the target is exact', async () => {
      const exact = new RecordingTarget({ unmapShape: 'exact' });
      for (const one of [target, exact]) {
        const { serve } = serving(one);
        await serve(setOf(1, { maps: [A, C] }));
        one.takeCalls();
        await serve(setOf(2, { unmaps: [unmapOf('0x0-0x10000', { covers: ['0x0-0x1000', '0x4000-0x5000'] })] }));
      }
      expect(target.calls).to.deep.equal(['unmap 0x0-0x10000']);
      expect(exact.calls).to.deep.equal(['unmap 0x0-0x1000', 'unmap 0x4000-0x5000']);
      expect(exact.violations).to.deep.equal([]);
    });

    it('no unmap of a range at which the target holds nothing', async () => {
      const { serve } = serving(target);
      const outcome = await serve(setOf(1, { unmaps: [unmapOf('0x0-0x1000')] }));
      expect(outcome.status).to.equal('applied');
      expect(target.calls).to.deep.equal([]);
    });

    it('every map by a request with all its members', async () => {
      const requests: DmaMapRequest[] = [];
      const { serve } = serving({
        name: 'T',
        mapDma: (request) => void requests.push(request),
        unmapDma: () => undefined,
      });
      await serve(
        setOf(1, {
          maps: [
            A,
            mapOf('0x2000-0x3000', { hostVa: { address: 5n }, writable: false, type: 'device', region: 'bar' }),
            mapOf('0x4000-0x5000', { backing: 'private' }),
            mapOf('0x6000-0x7000', { backing: 'private', hostVa: { address: 7n } }),
          ],
        }),
      );
      const common = { region: 'ram', type: 'ram', writable: true };
      const mappable = A.backing === 'private' ? undefined : A.backing.mappable;
      expect(requests).to.deep.equal([
        { ...common, range: MemoryRange.parse('0x0-0x1000'), mappable, fileOffset: 0n },
        {
          range: MemoryRange.parse('0x2000-0x3000'),
          region: 'bar',
          type: 'device',
          writable: false,
          mappable,
          fileOffset: 0x2000n,
          hostVa: { address: 5n },
        },
        { ...common, range: MemoryRange.parse('0x4000-0x5000'), fileOffset: 0n },
        { ...common, range: MemoryRange.parse('0x6000-0x7000'), fileOffset: 0n, hostVa: { address: 7n } },
      ]);
    });
  });

  describe('when a map fails', () => {
    it('undoes the maps of the set, newest first, and names them', async () => {
      target.failCall(2, 'ENOMEM');
      const outcome = await serving(target).serve(setOf(1, { maps: [A, B, C] }));
      expect(target.calls.slice(2)).to.deep.equal([
        'map 0x4000-0x5000 rw -> ENOMEM',
        'unmap 0x2000-0x3000',
        'unmap 0x0-0x1000',
      ]);
      expect(outcome).to.include({ status: 'failed' });
      expect(outcome.error).to.include({ code: 'ENOMEM', region: 'ram' });
      expect(String(outcome.failedAt?.range)).to.equal('0x4000-0x5000');
      expect(texts(outcome.undone?.map(({ range }) => range) ?? [])).to.deep.equal(['0x2000-0x3000', '0x0-0x1000']);
    });

    it('maps again what the set had unmapped', async () => {
      const { serve } = serving(target);
      await serve(setOf(1, { maps: [A, B] }));
      target.takeCalls();
      target.failAll('map 0x4000');
      await serve(
        setOf(2, { unmaps: [unmapOf('0x0-0x3000', { covers: ['0x0-0x1000', '0x2000-0x3000'] })], maps: [C] }),
      );
      expect(target.calls).to.deep.equal([
        'unmap 0x0-0x3000',
        'map 0x4000-0x5000 rw -> EIO',
        'map 0x0-0x1000 rw',
        'map 0x2000-0x3000 rw',
      ]);
    });

    it('does not map again what an earlier set had unmapped', async () => {
      const { serve } = serving(target);
      await serve(setOf(1, { maps: [A, B] }));
      await serve(setOf(2, { unmaps: [unmapOf('0x0-0x1000')] }));
      target.failAll('map 0x4000');
      await serve(setOf(3, { unmaps: [unmapOf('0x2000-0x3000')], maps: [C] }));
      expect(texts(target.held())).to.deep.equal(['0x2000-0x3000']);
    });

    it('names what it could not unmap, and what it could not map again', async () => {
      const { serve } = serving(target);
      await serve(setOf(1, { maps: [A] }));
      target.failAll('map 0x', 'EFAULT');
      const outcome = await serve(setOf(2, { unmaps: [unmapOf('0x0-0x1000')], maps: [B] }));
      expect(texts(outcome.missing?.map(({ range }) => range) ?? [])).to.deep.equal(['0x0-0x1000']);
      target.clearFailures();
      target.failAll('unmap', 'EBUSY');
      const other = new RecordingTarget().failAll('unmap', 'EBUSY').failCall(1, 'ENOMEM');
      const second = await serving(other).serve(setOf(1, { maps: [A, B] }));
      expect(texts(second.stuck?.map(({ range }) => range) ?? [])).to.deep.equal(['0x0-0x1000']);
    });

    it('skips the map if it is one of device memory', async () => {
      target.failAll('map 0x2000', 'EFAULT');
      const outcome = await serving(target).serve(setOf(1, { maps: [A, { ...B, type: 'device' }, C] }));
      expect(outcomeText(outcome)).to.equal('1 applied skipped EFAULT');
      expect(texts(target.held())).to.deep.equal(['0x0-0x1000', '0x4000-0x5000']);
    });

    it('serves the rest of an inverse set, and names what failed as missing', async () => {
      const { serve } = serving(target);
      await serve(setOf(1, { maps: [A, B, C] }));
      await serve(
        setOf(2, { unmaps: [unmapOf('0x0-0x10000', { covers: ['0x0-0x1000', '0x2000-0x3000', '0x4000-0x5000'] })] }),
      );
      target.failAll('map 0x2000', 'EFAULT');
      const outcome = await serve(setOf(2, { maps: [A, B, C], undo: true }));
      expect(outcomeText(outcome)).to.equal('2 failed EFAULT');
      expect(texts(outcome.missing?.map(({ range }) => range) ?? [])).to.deep.equal(['0x2000-0x3000']);
      expect(texts(target.held())).to.deep.equal(['0x0-0x1000', '0x4000-0x5000']);
    });
  });

  describe('serving an inverse set', () => {
    it('maps again only what this target had unmapped', async () => {
      const { serve } = serving(target);
      await serve(setOf(1, { maps: [A] }));
      await serve(setOf(2, { unmaps: [unmapOf('0x0-0x10000', { covers: ['0x0-0x1000', '0x2000-0x3000'] })] }));
      target.takeCalls();
      await serve(setOf(2, { maps: [A, B], undo: true }));
      expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw']);
    });

    it('does not map again what this target had unmapped for an earlier set only', async () => {
      const { serve } = serving(target);
      const bar = mapOf('0x0-0x1000', { type: 'device' });
      const hidden = { unmaps: [unmapOf('0x0-0x1000', { type: 'device' })] };
      await serve(setOf(1, { maps: [bar] }));
      await serve(setOf(2, hidden));
      target.failAll('map', 'EFAULT');
      await serve(setOf(3, { maps: [bar] }));
      target.clearFailures();
      await serve(setOf(4, hidden));
      await serve(setOf(4, { maps: [bar], undo: true }));
      expect(target.held()).to.deep.equal([]);
    });

    it('counts a mapping whose unmap had failed as held', async () => {
      const { serve } = serving(target);
      await serve(setOf(1, { maps: [A] }));
      target.failAll('unmap');
      await serve(setOf(2, { unmaps: [unmapOf('0x0-0x1000')] }));
      target.clearFailures();
      target.takeCalls();
      expect(outcomeText(await serve(setOf(2, { maps: [A], undo: true })))).to.equal('2 applied');
      expect(target.calls).to.deep.equal([]);
      await serve(setOf(3, { unmaps: [unmapOf('0x0-0x1000')] }));
      expect(target.calls).to.deep.equal(['unmap 0x0-0x1000']);
    });
  });

  describe('when an unmap fails', () => {
    it('serves the rest of the set, and names the unmap in the outcome', async () => {
      const { serve } = serving(target);
      await serve(setOf(1, { maps: [A, B] }));
      target.failAll('unmap 0x0', 'EBUSY');
      const outcome = await serve(setOf(2, { unmaps: [unmapOf('0x0-0x1000'), unmapOf('0x2000-0x3000')], maps: [C] }));
      expect(outcomeText(outcome)).to.equal('2 failed EBUSY');
      expect(texts(outcome.stuck?.map(({ range }) => range) ?? [])).to.deep.equal(['0x0-0x1000']);
      expect(texts(target.held())).to.deep.equal(['0x0-0x1000', '0x4000-0x5000']);
    });

    it('unmaps again before a new map of the same pages', async () => {
      const { serve } = serving(target);
      await serve(setOf(1, { maps: [A] }));
      target.failAll('unmap', 'EBUSY');
      await serve(setOf(2, { unmaps: [unmapOf('0x0-0x1000')] }));
      const refused = await serve(setOf(3, { maps: [mapOf('0x0-0x2000')] }));
      expect(outcomeText(refused)).to.equal('3 failed ERR_RANGE_STUCK');
      expect(refused.error?.cause).to.include({ code: 'EBUSY' });
      target.clearFailures();
      target.takeCalls();
      expect(outcomeText(await serve(setOf(4, { maps: [mapOf('0x0-0x2000')] })))).to.equal('4 applied');
      expect(target.calls).to.deep.equal(['unmap 0x0-0x1000', 'map 0x0-0x2000 rw']);
    });
  });

  describe('does not call the target for a map', () => {
    it('that an operator has refused', async () => {
      const refused = new DmaError('not here', { code: 'EPERM' });
      const outcome = await serving(target).serve(setOf(1, { maps: [A, { ...B, refused }] }));
      expect(outcome.error).to.equal(refused);
      expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw', 'unmap 0x0-0x1000']);
    });

    it('that has no VA or no fd when the target needs one', async () => {
      const picky = new RecordingTarget({ needsVa: true, needsFd: true });
      const { serve } = serving(picky);
      expect(outcomeText(await serve(setOf(1, { maps: [A] })))).to.equal('1 failed ERR_NO_VA');
      const hostVa = { address: 1n };
      expect(
        outcomeText(await serve(setOf(2, { maps: [mapOf('0x0-0x1000', { hostVa, backing: 'private' })] }))),
      ).to.equal('2 failed ERR_NO_FD');
      expect(outcomeText(await serve(setOf(3, { maps: [{ ...A, hostVa }] })))).to.equal('3 applied');
      expect(picky.calls).to.deep.equal(['map 0x0-0x1000 rw']);
    });
  });

  it('serves ten thousand queued sets in order', async () => {
    const blocked = gate();
    const slow = new RecordingTarget({ reply: () => blocked.opened });
    const sets = new Subject<ChangeSet>();
    const generations: number[] = [];
    sets.pipe(toTarget(slow)).subscribe(({ generation }) => generations.push(generation));
    for (let generation = 1; generation <= 10_000; generation++) {
      sets.next(
        setOf(generation, {
          maps: [mapOf(`0x${(generation * 4096).toString(16)}-0x${((generation + 1) * 4096).toString(16)}`)],
        }),
      );
    }
    blocked.open();
    while (generations.length < 10_000) {
      await nextTurn();
    }
    expect(generations).to.deep.equal(Array.from({ length: 10_000 }, (_, index) => index + 1));
  });
});
