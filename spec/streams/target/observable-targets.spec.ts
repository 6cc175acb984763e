import { expect } from 'chai';
import { defer, delay, EMPTY, map, NEVER, Observable, of, Subject, tap, timer } from 'rxjs';
import {
  DmaError,
  type DmaMapError,
  fanOut,
  forwardTarget,
  RegionManager,
  toTarget,
  type BatchStop,
  type DmaTarget,
  type MemoryRange,
} from '../../../streams/index.js';
import { marbleTest, mapOf, outcomeText, setOf, unmapOf } from '../../../testing/index.js';
import { addRegion, ledgerOf, mapping, nextTurn, range, rejectionOf, texts, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

const [A, B] = [mapOf('0x0-0x1000'), mapOf('0x2000-0x3000')] as const;

describe('targets that return observables', () => {
  describe('behind toTarget, in virtual time', () => {
    it('are subscribed once for each call, one call after another; the outcome is emitted when the last has completed', () => {
      marbleTest(({ cold, expectObservable, expectSubscriptions }) => {
        const answers = [cold('--x|'), cold('-|'), cold('(xy|)'), cold('----|')] as const;
        let call = 0;
        const next = (): Observable<string> => answers[call++] ?? EMPTY;
        const target: DmaTarget = { name: 'T', mapDma: next, unmapDma: next };
        const sets = {
          a: setOf(1, { maps: [A, B] }),
          b: setOf(2, { unmaps: [unmapOf('0x0-0x1000')], maps: [A] }),
        };
        expectObservable(cold('ab|', sets).pipe(toTarget(target), map(outcomeText))).toBe('----a---(b|)', {
          a: '1 applied',
          b: '2 applied',
        });
        expectSubscriptions(answers[0].subscriptions).toBe('^--!');
        expectSubscriptions(answers[1].subscriptions).toBe('---^!');
        expectSubscriptions(answers[2].subscriptions).toBe('----(^!)');
        expectSubscriptions(answers[3].subscriptions).toBe('----^---!');
      });
    });

    it('fail when their observable errors, in that frame, and the set is undone, newest first', () => {
      marbleTest(({ cold, expectObservable }) => {
        const calls$ = new Subject<string>();
        const told = (text: string, answer: Observable<unknown>): Observable<unknown> =>
          defer(() => {
            calls$.next(text);
            return answer;
          });
        const target: DmaTarget = {
          name: 'T',
          mapDma: ({ range: at }) => told(`+${at.startPage}`, at.startPage === 2 ? cold('-#') : cold('--|')),
          unmapDma: (at) => told(`-${at.startPage}`, cold('---|')),
        };
        const out$ = cold('a|', { a: setOf(1, { maps: [A, B] }) }).pipe(
          toTarget(target),
          map(({ status, undone }) => `${status} ${texts((undone ?? []).map((at) => at.range)).join()}`),
        );
        expectObservable(calls$).toBe('m-nu', { m: '+0', n: '+2', u: '-0' });
        expectObservable(out$).toBe('------(f|)', { f: 'failed 0x0-0x1000' });
      });
    });

    it('are as synchronous as those that return nothing when they complete at once', () => {
      marbleTest(({ cold, expectObservable }) => {
        const target: DmaTarget = { name: 'T', mapDma: () => of(1), unmapDma: () => EMPTY };
        const sets = { a: setOf(1, { maps: [A, B] }), b: setOf(2, { unmaps: [unmapOf('0x0-0x1000')] }) };
        expectObservable(cold('a-b|', sets).pipe(toTarget(target), map(outcomeText))).toBe('a-b|', {
          a: '1 applied',
          b: '2 applied',
        });
      });
    });

    it('are served in order in a fanOut: unmaps in reverse, then maps, each when the one before has answered', () => {
      marbleTest(({ cold, expectObservable }) => {
        const calls$ = new Subject<string>();
        const target = (name: string, frames: string): DmaTarget => ({
          name,
          mapDma: () => defer(() => (calls$.next(`${name}+`), cold(frames))),
          unmapDma: () => defer(() => (calls$.next(`${name}-`), cold(frames))),
        });
        const sets = { a: setOf(1, { maps: [A] }), b: setOf(2, { unmaps: [unmapOf('0x0-0x1000')], maps: [A] }) };
        const branch = fanOut(toTarget(target('p', '--|')), toTarget(target('q', '-|')));
        expectObservable(calls$).toBe('p-qrs-t-u', { p: 'p+', q: 'q+', r: 'q-', s: 'p-', t: 'p+', u: 'q+' });
        expectObservable(cold('ab|', sets).pipe(branch, map(outcomeText))).toBe('---a-----(b|)', {
          a: '1 applied',
          b: '2 applied',
        });
      });
    });
  });

  describe('at a manager, in virtual time', () => {
    it('delay later commands and targets until they complete', () => {
      marbleTest(({ cold, expectObservable }) => {
        const manager = new RegionManager();
        const calls$ = new Subject<string>();
        const target = (name: string, answer: () => unknown): DmaTarget => ({
          name,
          mapDma: ({ range: at }) => {
            calls$.next(`${name}${at.startPage}`);
            return answer() as undefined;
          },
          unmapDma: () => undefined,
        });
        void manager.attach(target('slow', () => timer(5)));
        void manager.attach(target('quick', () => undefined));
        void manager.transaction((edit) => {
          const region = edit.addRegion({ name: 'ram', range: range(0x0, 0x10000), type: 'ram' });
          edit.map(region, { writable: true });
          cold('-0(12)|').subscribe((page) => {
            void region.addMapping(mapping(Number(page) * 0x1000, (Number(page) + 1) * 0x1000));
          });
        });
        const changes$ = manager.changes().pipe(map(({ generation }) => generation));
        expectObservable(changes$).toBe('0-----1----2----3', { 0: 0, 1: 1, 2: 2, 3: 3 });
        expectObservable(calls$).toBe('-a----(bc)-(de)-f', {
          ...{ a: 'slow0', b: 'quick0', c: 'slow1', d: 'quick1', e: 'slow2', f: 'quick2' },
        });
      });
    });

    it('are unsubscribed in the frame in which the attach is aborted; then everything mapped is unmapped', () => {
      marbleTest(({ cold, expectObservable, expectSubscriptions }) => {
        const manager = new RegionManager();
        void manager.transaction((edit) => {
          const region = edit.addRegion({ name: 'ram', range: range(0x0, 0x10000), type: 'ram' });
          edit.map(region, { writable: true });
          edit.addMapping(region, mapping(0x0, 0x1000));
          edit.addMapping(region, mapping(0x2000, 0x3000));
        });
        const calls$ = new Subject<string>();
        const [first, never] = [cold('-|'), cold('')] as const;
        const abort = new AbortController();
        const target: DmaTarget = {
          name: 'T',
          mapDma: ({ range: at }) => {
            calls$.next(`+${at.startPage}`);
            return at.startPage === 0 ? first : never;
          },
          unmapDma: (at) => {
            calls$.next(`-${at.startPage}`);
            return timer(2);
          },
        };
        cold('-a---x').subscribe((what) => {
          if (what === 'x') {
            abort.abort();
          } else {
            manager.attach(target, { signal: abort.signal }).catch(() => undefined);
          }
        });
        expectObservable(calls$).toBe('-ab--c-d', { a: '+0', b: '+2', c: '-2', d: '-0' });
        expectSubscriptions(first.subscriptions).toBe('-^!');
        expectSubscriptions(never.subscriptions).toBe('--^--!');
      });
    });
  });

  describe('at a manager', () => {
    let stage: Stage;

    beforeEach(() => {
      stage = new Stage();
    });

    afterEach(() => {
      stage.expectContractsKept();
    });

    /** The calls of a target, made when their observable is subscribed, some time later. */
    function later(inner: DmaTarget, milliseconds = 1): DmaTarget {
      return forwardTarget(inner, {
        mapDma: (request) => timer(milliseconds).pipe(tap(() => void inner.mapDma(request))),
        unmapDma: (at) => timer(milliseconds).pipe(tap(() => void inner.unmapDma(at))),
      });
    }

    it('work with map, undo, stuck, retry, heal and detach', async () => {
      const inner = stage.target();
      const attachment = await stage.manager.attach(later(inner));
      const behind = stage.target({ name: 'behind' });
      await stage.manager.attach(behind);
      const region = await addRegion(stage.manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
      });
      expect(inner.takeCalls()).to.deep.equal(['map 0x0-0x1000 rw', 'map 0x2000-0x3000 rw']);
      behind.failAll('map 0x0-0x1000 ro', 'ENOMEM');
      const error = (await rejectionOf(region.map({ writable: false }))) as unknown as DmaMapError;
      expect(error).to.include({ name: 'DmaMapError', code: 'ENOMEM', target: 'behind' });
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw', '0x2000-0x3000 rw']);
      behind.clearFailures();
      inner.failAll('unmap 0x2000', 'EBUSY');
      expect(await rejectionOf(region.removeMappings(range(0x2000, 0x3000)))).to.include({ code: 'EBUSY' });
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw', '0x2000-0x3000 rw stuck']);
      inner.clearFailures();
      await attachment.retryStuck();
      await inner.unmapDma(range(0x0, 0x1000));
      await attachment.heal();
      expect(texts(inner.held())).to.deep.equal(['0x0-0x1000']);
      await attachment.detach();
      expect(inner.held()).to.deep.equal([]);
    });

    it('are pending until they complete, and the promise of the command with them', async () => {
      const done$ = new Subject<void>();
      await stage.manager.attach({ name: 'slow', mapDma: () => done$, unmapDma: () => undefined });
      const region = await addRegion(stage.manager, 0x0, 0x10000);
      let settled = 0;
      const first = region.addMapping(mapping(0x0, 0x1000)).then(() => (settled += 1));
      const second = region.addMapping(mapping(0x1000, 0x2000)).then(() => (settled += 1));
      done$.next();
      await nextTurn();
      expect(stage.manager.attachments[0]?.pending).to.equal(true);
      expect([settled, viewOf(stage.manager).length]).to.deep.equal([0, 0]);
      done$.complete();
      await Promise.all([first, second]);
      expect(viewOf(stage.manager)).to.have.length(2);
    });

    it('have all calls of a command made inside its call where they complete at once', () => {
      let calls = 0;
      const count = (): Observable<number> => defer(() => of(++calls));
      void stage.manager.attach({ name: 'quick', mapDma: count, unmapDma: count });
      void stage.manager.transaction((edit) => {
        const region = edit.addRegion({ name: 'ram', range: range(0x0, 0x10000), type: 'ram' });
        edit.map(region, { writable: true });
        edit.addMapping(region, mapping(0x0, 0x1000));
        edit.addMapping(region, mapping(0x2000, 0x3000));
      });
      expect([calls, viewOf(stage.manager).length]).to.deep.equal([2, 2]);
    });

    it('can answer batches and lists of mappings: the last value counts', async () => {
      const asked: string[] = [];
      let stop: BatchStop | undefined;
      const held: MemoryRange[] = [];
      const told = <T>(what: string, answer: () => T): Observable<T> =>
        timer(1).pipe(
          tap(() => asked.push(what)),
          map(answer),
        );
      const target: DmaTarget = {
        name: 'sets',
        checkMaps: () => told('check', () => undefined),
        mapDma: ({ range: at }) => told('map', () => held.push(at)),
        unmapDma: (at) => told('unmap', () => held.splice(0, held.length, ...held.filter((one) => !at.contains(one)))),
        mapDmaBatch: (requests) =>
          told('maps', () => {
            held.push(...requests.slice(0, stop?.done).map((request) => request.range));
            return stop;
          }),
        unmapDmaBatch: (ranges) => told('unmaps', () => void held.splice(0, ranges.length)),
        mappedRanges: () => told('ranges', () => [...held]),
      };
      const region = await addRegion(stage.manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000), mapping(0x4000, 0x5000)],
      });
      stop = { done: 2, error: new DmaError('no', { code: 'ENOSPC' }) };
      expect(await rejectionOf(stage.manager.attach(target))).to.include({ name: 'DmaMapError', code: 'ENOSPC' });
      expect(asked.splice(0)).to.deep.equal(['check', 'maps', 'unmaps']);
      expect(held).to.deep.equal([]);
      stop = undefined;
      const attachment = await stage.manager.attach(target);
      expect(held).to.have.length(3);
      held.pop();
      expect((await attachment.verify()).map(({ fault }) => fault)).to.deep.equal(['missing']);
      await attachment.heal();
      expect(held).to.have.length(3);
      asked.splice(0);
      const counting = forwardTarget(target, {
        name: 'counting',
        mappedRanges: undefined,
        mappedCount: () => of(1, 2),
      });
      expect((await (await stage.manager.attach(counting)).verify()).map(({ fault }) => fault)).to.deep.equal([
        'missing',
      ]);
      await region.remove();
    });

    for (const together of [false, true]) {
      it(`whose attach is aborted in mid-call have what may have been mapped unmapped, newest first${together ? ', of a whole set' : ''}`, async () => {
        await addRegion(stage.manager, 0x0, 0x10000, {
          mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000), mapping(0x4000, 0x5000)],
        });
        const inner = stage.target();
        const abort = new AbortController();
        let torn = 0;
        // The map takes effect, and nobody hears of it.
        const deaf = (work: () => unknown): Observable<never> =>
          new Observable(() => {
            work();
            setImmediate(() => {
              abort.abort(new Error('enough'));
            });
            return () => (torn += 1);
          });
        const target = forwardTarget(inner, {
          mapDma: (request) =>
            request.range.start < 0x2000n ? inner.mapDma(request) : deaf(() => inner.mapDma(request)),
          ...(together
            ? { mapDmaBatch: (requests) => deaf(() => requests.slice(0, 2).map((one) => inner.mapDma(one))) }
            : {}),
        });
        const error = await rejectionOf(stage.manager.attach(target, { signal: abort.signal }));
        expect(error).to.include({ name: 'AbortError', code: 'ABORT_ERR' });
        expect(torn).to.equal(1);
        expect(inner.held()).to.deep.equal([]);
        expect(inner.calls.filter((call) => call.startsWith('unmap'))).to.deep.equal(
          (together ? ['0x4000-0x5000'] : []).concat('0x2000-0x3000', '0x0-0x1000').map((at) => `unmap ${at}`),
        );
        expect(stage.manager.attachments).to.deep.equal([]);
        await addRegion(stage.manager, 0x20000, 0x30000, { mappings: [mapping(0x0, 0x1000)] });
      });
    }

    it('whose attach is aborted keep as stuck what cannot be unmapped', async () => {
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      const inner = stage.target({ needsVa: true });
      const abort = new AbortController();
      const target = forwardTarget(inner, { mapDma: (request) => defer(() => (inner.mapDma(request), NEVER)) });
      inner.failAll('unmap', 'EBUSY');
      const attaching = rejectionOf(stage.manager.attach(target, { signal: abort.signal }));
      abort.abort();
      expect((await attaching).message).to.include('0x0-0x1000 could not be unmapped');
      expect(stage.va.held()).to.have.length(1);
      inner.clearFailures();
      await region.remove();
      await stage.manager.close();
      expect([inner.held(), stage.va.held()]).to.deep.equal([[], []]);
    });

    it('whose attach is aborted inside the call, or before checkMaps has answered, have nothing mapped', async () => {
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)] });
      for (const member of ['mapDma', 'checkMaps'] as const) {
        const inner = stage.target();
        const abort = new AbortController();
        const target = forwardTarget(inner, {
          [member]: () => {
            abort.abort();
            return NEVER;
          },
        });
        const error = await rejectionOf(stage.manager.attach(target, { signal: abort.signal }));
        expect(error).to.include({ code: 'ABORT_ERR' });
        expect(inner.held()).to.deep.equal([]);
      }
    });

    it('can complete after an abort: unmaps are not unsubscribed, and the undo waits for them', async () => {
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)] });
      const inner = stage.target();
      const abort = new AbortController();
      let unsubscribed = 0;
      const target = forwardTarget(inner, {
        mapDma: (request) => {
          if (request.range.start === 0n) {
            return inner.mapDma(request);
          }
          abort.abort();
          return NEVER;
        },
        unmapDma: (at) =>
          of(1).pipe(delay(20), tap({ next: () => void inner.unmapDma(at), unsubscribe: () => (unsubscribed += 1) })),
      });
      await rejectionOf(stage.manager.attach(target, { signal: abort.signal }));
      expect([inner.held(), unsubscribed]).to.deep.equal([[], 0]);
    });
  });
});
