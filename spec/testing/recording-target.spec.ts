import { expect } from 'chai';
import { NEVER, Observable, of, Subject, throwError, timer } from 'rxjs';
import { DmaError, MemoryRange, RegionManager, type BatchStop } from '../../streams/index.js';
import {
  addRam,
  FakeMappable,
  marbleTest,
  RecordingTarget,
  type FakeCall,
  type RecordingTargetOptions,
} from '../../testing/index.js';
import { gate, nextTurn, rejectionOf, texts } from '../streams/support/phrases.js';
import { codeOf, mapAt, requestAt, resultOf, unmapAt } from './support/calls.js';

const r = (text: string): MemoryRange => MemoryRange.parse(text);

/** A target that has these ranges mapped. */
function holding(ranges: readonly string[], options: RecordingTargetOptions = {}): RecordingTarget {
  const target = new RecordingTarget(options);
  expect(ranges.map((range) => mapAt(target, range))).to.deep.equal(ranges.map(() => undefined));
  return target;
}

describe('RecordingTarget', () => {
  it('records its calls and requests, and knows what it holds', () => {
    const target = holding(['0x4000-0x8000', '0x0-0x1000']);
    expect(mapAt(target, '0x2000-0x3000', { writable: false })).to.equal(undefined);
    expect(unmapAt(target, '0x4000-0x8000')).to.equal(undefined);
    expect(target.calls).to.deep.equal([
      'map 0x4000-0x8000 rw',
      'map 0x0-0x1000 rw',
      'map 0x2000-0x3000 ro',
      'unmap 0x4000-0x8000',
    ]);
    expect(texts(target.held())).to.deep.equal(['0x0-0x1000', '0x2000-0x3000']);
    expect(target.mappedRanges()).to.deep.equal(target.held());
    expect(target.heldRequests()).to.deep.equal([target.requests[1], target.requests[2]]);
    target.checkContract();
  });

  it('has the members of its options, and the defaults of DmaTarget', () => {
    const plain = new RecordingTarget();
    expect(plain).to.include({
      name: 'T',
      needsVa: false,
      needsFd: false,
      unmapShape: 'superset',
      concurrent: false,
      mapDmaBatch: undefined,
      unmapDmaBatch: undefined,
    });
    const options = { name: 'B', needsVa: true, needsFd: true, unmapShape: 'exact', concurrent: true } as const;
    const target = new RecordingTarget({ ...options, batches: true });
    expect(target).to.include(options);
    expect(target.mapDmaBatch).to.be.a('function');
    expect(target.unmapDmaBatch).to.be.a('function');
  });

  describe('refuses a call that breaches the contract, which has no effect:', () => {
    const cases: readonly [string, RecordingTargetOptions, (target: RecordingTarget) => unknown, string][] = [
      [
        'a map that overlaps another one',
        {},
        (target) => target.mapDma(requestAt('0x1000-0x3000')),
        'map 0x1000-0x3000 rw overlaps 0x0-0x2000, which is mapped',
      ],
      ['a map of what is mapped', {}, (target) => target.mapDma(requestAt('0x0-0x2000')), 'map 0x0-0x2000 rw overlaps'],
      [
        'an unmap of a part of a map',
        {},
        (target) => target.unmapDma(r('0x1000-0x2000')),
        'unmap 0x1000-0x2000 cuts 0x0-0x2000',
      ],
      [
        'an unmap that cuts the last of several maps',
        {},
        (target) => target.unmapDma(r('0x0-0x5000')),
        'unmap 0x0-0x5000 cuts 0x4000-0x6000',
      ],
      [
        'an unmap of several maps where unmapShape is exact',
        { unmapShape: 'exact' },
        (target) => target.unmapDma(r('0x0-0x6000')),
        'unmap 0x0-0x6000 is not exactly one map',
      ],
      [
        'an unmap of more than one map where unmapShape is exact',
        { unmapShape: 'exact' },
        (target) => target.unmapDma(r('0x0-0x3000')),
        'unmap 0x0-0x3000 is not exactly one map',
      ],
      [
        'an unmap of nothing where unmapShape is exact',
        { unmapShape: 'exact' },
        (target) => target.unmapDma(r('0x2000-0x4000')),
        'unmap 0x2000-0x4000 is not exactly one map',
      ],
    ];
    for (const [what, options, call, violation] of cases) {
      it(what, () => {
        const target = holding(['0x0-0x2000', '0x4000-0x6000'], options);
        expect(codeOf(() => call(target))).to.equal('ERR_CONTRACT');
        expect(target.violations).to.have.length(1);
        expect(target.violations[0]).to.include(violation);
        expect(target.calls.at(-1)).to.match(/ -> ERR_CONTRACT$/);
        expect(texts(target.held())).to.deep.equal(['0x0-0x2000', '0x4000-0x6000']);
      });
    }

    it('a map without a host address, where the target needs one', () => {
      const target = new RecordingTarget({ needsVa: true });
      expect(mapAt(target, '0x0-0x1000')).to.equal('ERR_CONTRACT');
      expect(target.violations).to.deep.equal(['map 0x0-0x1000 rw has no host virtual address']);
      expect(mapAt(target, '0x0-0x1000', { hostVa: { address: 1n } })).to.equal(undefined);
      expect(texts(target.held())).to.deep.equal(['0x0-0x1000']);
    });

    it('a map without a file, where the target needs one', () => {
      const target = new RecordingTarget({ needsFd: true });
      expect(mapAt(target, '0x0-0x1000')).to.equal('ERR_CONTRACT');
      expect(target.violations).to.deep.equal(['map 0x0-0x1000 rw has no mappable']);
      expect(mapAt(target, '0x0-0x1000', { mappable: new FakeMappable() })).to.equal(undefined);
      expect(texts(target.held())).to.deep.equal(['0x0-0x1000']);
    });

    for (const [answer, reply] of [
      ['a promise', () => new Promise(() => undefined)],
      ['an observable', () => NEVER],
    ] as const) {
      it(`a call before the one before it, which answers with ${answer}, has ended`, () => {
        const target = new RecordingTarget({ reply });
        const first = target.mapDma(requestAt('0x0-0x1000'));
        if (first instanceof Observable) {
          first.subscribe();
        }
        expect(mapAt(target, '0x4000-0x5000')).to.equal('ERR_CONTRACT');
        expect(unmapAt(target, '0x8000-0x9000')).to.equal('ERR_CONTRACT');
        expect(target.violations).to.deep.equal([
          'map 0x4000-0x5000 rw was called before "map 0x0-0x1000 rw" had ended',
          'unmap 0x8000-0x9000 was called before "map 0x0-0x1000 rw" had ended',
        ]);
      });
    }
  });

  it('takes an unmap of several maps, of gaps and of nothing where unmapShape is superset', () => {
    const target = holding(['0x0-0x1000', '0x2000-0x3000', '0x8000-0x9000']);
    expect(unmapAt(target, '0x0-0x4000')).to.equal(undefined);
    expect(unmapAt(target, '0x0-0x4000')).to.equal(undefined);
    expect(texts(target.held())).to.deep.equal(['0x8000-0x9000']);
    target.checkContract();
  });

  it('makes a manager undo a set in whose middle a map fails', async () => {
    const target = new RecordingTarget().failRange('0x3000-0x4000', 'ENOSPC');
    const manager = new RegionManager();
    await manager.attach(target);
    await addRam(manager, '0x0-0x1000');
    const error = await rejectionOf(addRam(manager, '0x2000-0x4000'));
    expect(error.code).to.equal('ENOSPC');
    expect(texts(target.held())).to.deep.equal(['0x0-0x1000']);
    target.checkContract();
  });

  describe('option reply', () => {
    it("'async': a call ends in a later turn of the event loop, and takes effect then", async () => {
      const target = new RecordingTarget({ reply: 'async' });
      const call = target.mapDma(requestAt('0x0-0x1000'));
      await Promise.resolve();
      expect(target.held()).to.deep.equal([]);
      expect(await call).to.equal(undefined);
      expect(texts(target.held())).to.deep.equal(['0x0-0x1000']);
      target.failAll();
      expect(await rejectionOf(resultOf(target.unmapDma(r('0x0-0x1000'))))).to.include({ code: 'EIO' });
      expect(texts(target.held())).to.deep.equal(['0x0-0x1000']);
      target.checkContract();
    });

    it('a function: gets the call, and decides for each one whether it ends at once', async () => {
      const open = gate();
      const seen: FakeCall[] = [];
      const target = new RecordingTarget({
        reply: (call) => {
          seen.push(call);
          return call.kind === 'unmap' ? open.opened : undefined;
        },
      });
      expect(target.mapDma(requestAt('0x0-0x1000'))).to.equal(undefined);
      const unmap = target.unmapDma(r('0x0-0x1000'));
      expect(unmap).to.be.instanceOf(Promise);
      await nextTurn();
      expect(texts(target.held())).to.deep.equal(['0x0-0x1000']);
      open.open();
      await unmap;
      expect(target.held()).to.deep.equal([]);
      expect(seen).to.deep.equal([
        { number: 0, kind: 'map', range: r('0x0-0x1000'), text: 'map 0x0-0x1000 rw' },
        { number: 1, kind: 'unmap', range: r('0x0-0x1000'), text: 'unmap 0x0-0x1000' },
      ]);
    });

    it('a promise that rejects, or an observable that errors: the call fails, and has no effect', async () => {
      const failure = new Error('no answer');
      for (const reply of [() => Promise.reject(failure), () => throwError(() => failure)]) {
        const target = new RecordingTarget({ reply });
        for (let time = 0; time < 2; time++) {
          expect(await rejectionOf(resultOf(target.mapDma(requestAt('0x0-0x1000'))))).to.equal(failure);
        }
        expect(target.held()).to.deep.equal([]);
        target.checkContract();
      }
    });

    it('an object with a method then: the call ends when that has called back', async () => {
      let resolve: (value: unknown) => void = () => undefined;
      const thenable = { then: (done: typeof resolve) => void (resolve = done) } as unknown as PromiseLike<unknown>;
      const target = new RecordingTarget({ reply: () => thenable });
      const manager = new RegionManager();
      await manager.attach(target);
      const added = addRam(manager, '0x0-0x1000');
      await nextTurn();
      expect(target.held()).to.deep.equal([]);
      resolve(undefined);
      await added;
      expect(texts(target.held())).to.deep.equal(['0x0-0x1000']);
    });

    it('an observable: takes effect when it completes, before the subscriber is told, in virtual time', () => {
      const target = new RecordingTarget({ reply: ({ kind }) => (kind === 'map' ? timer(3) : of('x')) });
      marbleTest(({ expectObservable }) => {
        const call = target.mapDma(requestAt('0x0-0x1000')) as Observable<unknown>;
        const held = new Observable<string>((subscriber) => {
          subscriber.next(texts(target.held()).join());
          return call.subscribe({
            complete: () => {
              subscriber.next(texts(target.held()).join());
              subscriber.complete();
            },
          });
        });
        expectObservable(held).toBe('a--(b|)', { a: '', b: '0x0-0x1000' });
      });
      (target.unmapDma(r('0x0-0x1000')) as Observable<unknown>).subscribe();
      expect(target.held()).to.deep.equal([]);
      target.checkContract();
    });

    it('an observable of a call that fails on plan errors when it would have completed', () => {
      const target = new RecordingTarget({ reply: () => timer(2) }).failAll();
      marbleTest(({ expectObservable }) => {
        const call = target.mapDma(requestAt('0x0-0x1000')) as Observable<unknown>;
        const code$ = new Observable<string>((subscriber) =>
          call.subscribe({
            error: (error: unknown) => {
              subscriber.next((error as DmaError).code);
            },
          }),
        );
        expectObservable(code$).toBe('--a', { a: 'EIO' });
      });
      expect(target.held()).to.deep.equal([]);
    });

    for (const unmapShape of ['superset', 'exact'] as const) {
      it(`a map that is unsubscribed has no effect; its range may be unmapped once (${unmapShape})`, () => {
        const answers = new Subject<unknown>();
        const target = new RecordingTarget({ unmapShape, reply: ({ kind }) => (kind === 'map' ? answers : undefined) });
        (target.mapDma(requestAt('0x0-0x1000')) as Observable<unknown>).subscribe().unsubscribe();
        expect(answers.observed).to.equal(false);
        expect(unmapAt(target, '0x0-0x1000')).to.equal(undefined);
        target.checkContract();
        expect(target.held()).to.deep.equal([]);
        const again = unmapAt(target, '0x0-0x1000');
        expect(again).to.equal(unmapShape === 'exact' ? 'ERR_CONTRACT' : undefined);
      });
    }
  });

  describe('option batches', () => {
    const MAPS = ['0x0-0x1000', '0x2000-0x3000', '0x4000-0x5000', '0x6000-0x7000'];
    const replies: Readonly<Record<string, RecordingTargetOptions['reply'] & {}>> = {
      'at once': 'sync',
      'by promises': 'async',
      'by observables': () => timer(0),
      'by promises, except the first': ({ number }) => (number === 0 ? undefined : Promise.resolve()),
      'by observables, except the third': ({ number }) => (number === 2 ? undefined : timer(0)),
    };

    for (const [how, reply] of Object.entries(replies)) {
      describe(`with calls that end ${how}`, () => {
        let target: RecordingTarget;

        beforeEach(() => {
          target = new RecordingTarget({ batches: true, reply });
        });

        const map = async (ranges: readonly string[]): Promise<BatchStop | undefined> =>
          (await resultOf(target.mapDmaBatch?.(ranges.map((range) => requestAt(range))))) as BatchStop | undefined;
        const unmap = async (ranges: readonly string[]): Promise<BatchStop | undefined> =>
          (await resultOf(target.unmapDmaBatch?.(ranges.map(r)))) as BatchStop | undefined;

        it('makes the calls one after another, each recorded by itself', async () => {
          expect(await map(MAPS)).to.equal(undefined);
          expect(texts(target.held())).to.deep.equal(MAPS);
          expect(await unmap(MAPS.slice(1))).to.equal(undefined);
          expect(texts(target.held())).to.deep.equal(MAPS.slice(0, 1));
          expect(target.batchSizes).to.deep.equal([4, 3]);
          expect(target.calls).to.deep.equal([
            ...MAPS.map((range) => `map ${range} rw`),
            ...MAPS.slice(1).map((range) => `unmap ${range}`),
          ]);
          target.checkContract();
        });

        it('stops at the first call that fails, and says how many took effect', async () => {
          target.failRange('0x4000-0x5000', 'ENOSPC');
          const mapped = await map(MAPS);
          expect(mapped).to.include({ done: 2 });
          expect(mapped?.error).to.include({ code: 'ENOSPC' });
          expect(texts(target.held())).to.deep.equal(MAPS.slice(0, 2));
          expect(target.calls).to.have.length(3);
          target.clearFailures().failRange('0x2000-0x3000');
          expect(await unmap(MAPS.slice(0, 2))).to.include({ done: 1 });
          expect(texts(target.held())).to.deep.equal(MAPS.slice(1, 2));
          target.checkContract();
        });

        it('fails as a whole when its first call fails', async () => {
          target.failCall(0, 'EPERM');
          const failed = await map(MAPS).then(
            () => undefined,
            (error: unknown) => error,
          );
          expect(failed).to.be.instanceOf(DmaError).that.includes({ code: 'EPERM' });
          expect(target.calls).to.have.length(1);
          expect(target.held()).to.deep.equal([]);
        });
      });
    }
  });
});
