import { expect } from 'chai';
import { map as mapTo, type Observable } from 'rxjs';
import { DmaError, ensureMapped, type ChangeSet, type MapChange, type VaMapper } from '../../../streams/index.js';
import { FakeVaMapper } from '../../support/fake-va-mapper.js';
import { changeSet, map, unmap } from '../support/change-sets.js';
import { marbles } from '../support/marbles.js';

const BASE = 0x7f00_0000_0000n;

function withVa(change: MapChange): MapChange {
  return { ...change, hostVa: { address: BASE + change.range.start } };
}

/** What became of each map: its VA, or why it was refused. */
function mapsInWords(sets$: Observable<ChangeSet>): Observable<string> {
  return sets$.pipe(
    mapTo(({ maps }) =>
      maps
        .map(({ range, hostVa, refused }) => `${range.toString()} ${refused?.code ?? String(hostVa?.address)}`)
        .join(', '),
    ),
  );
}

describe('ensureMapped', () => {
  let va: FakeVaMapper;

  beforeEach(() => {
    va = new FakeVaMapper();
  });

  it('emits every set with the VA on every map, in the same frame and order', () => {
    const [one, two, three] = [map('0x0-0x1000'), map('0x2000-0x3000'), map('0x4000-0x5000')];
    marbles().run(({ cold, expectObservable }) => {
      const sets = { a: changeSet(1, { maps: [one, two] }), b: changeSet(2, { maps: [three] }) };
      expectObservable(cold('a--b|', sets).pipe(ensureMapped(va))).toBe('a--b|', {
        a: changeSet(1, { maps: [withVa(one), withVa(two)] }),
        b: changeSet(2, { maps: [withVa(three)] }),
      });
    });
    expect(va.calls).to.deep.equal(['ensure 0x0-0x1000', 'ensure 0x2000-0x3000', 'ensure 0x4000-0x5000']);
  });

  it('emits sets without maps unchanged, also empty ones, and releases nothing', () => {
    marbles().run(({ cold, expectObservable }) => {
      const sets = { a: changeSet(1), b: changeSet(2, { unmaps: [unmap('0x0-0x1000')] }) };
      expectObservable(cold('ab|', sets).pipe(ensureMapped(va))).toBe('ab|', sets);
    });
    expect(va.calls).to.deep.equal([]);
  });

  it('keeps generation, snapshot and undo', () => {
    const change = map('0x0-0x1000');
    marbles().run(({ cold, expectObservable }) => {
      const sets = {
        s: { ...changeSet(4, { maps: [change] }), snapshot: true },
        u: changeSet(5, { maps: [change], undo: true }),
      };
      expectObservable(cold('su|', sets).pipe(ensureMapped(va))).toBe('su|', {
        s: { ...sets.s, maps: [withVa(change)] },
        u: { ...sets.u, maps: [withVa(change)] },
      });
    });
  });

  it('does not modify the sets of its source', () => {
    const set = Object.freeze(changeSet(1, { maps: Object.freeze([Object.freeze(map('0x0-0x1000'))]) }));
    marbles().run(({ cold, expectObservable }) => {
      expectObservable(mapsInWords(cold('a|', { a: set }).pipe(ensureMapped(va)))).toBe('a|', {
        a: `0x0-0x1000 ${BASE}`,
      });
    });
  });

  it('marks a map that has no VA as refused, and gives the others theirs', () => {
    va.failAll('ensure 0x2000', 'ENOMEM');
    const maps = ['0x0-0x1000', '0x2000-0x3000', '0x4000-0x5000'].map((text) => map(text));
    marbles().run(({ cold, expectObservable }) => {
      expectObservable(mapsInWords(cold('a|', { a: changeSet(1, { maps }) }).pipe(ensureMapped(va)))).toBe('a|', {
        a: `0x0-0x1000 ${BASE}, 0x2000-0x3000 ENOMEM, 0x4000-0x5000 ${BASE + 0x4000n}`,
      });
    });
  });

  it('does not change a map that an operator before it has refused', () => {
    const refused = map('0x0-0x1000', { refused: new DmaError('not here', { code: 'EPERM' }) });
    marbles().run(({ cold, expectObservable }) => {
      const sets = { a: changeSet(1, { maps: [refused] }) };
      expectObservable(cold('a|', sets).pipe(ensureMapped(va))).toBe('a|', sets);
    });
    expect(va.calls).to.deep.equal([]);
  });

  it('refuses a map for which the mapper throws, or returns no VA, and does not error', () => {
    const odd: VaMapper = {
      ensureMapped: ({ range }) => {
        if (range.start === 0n) {
          throw new TypeError('a bug in the mapper');
        }
        return undefined as never;
      },
      release: () => undefined,
    };
    const maps = [map('0x0-0x1000'), map('0x2000-0x3000')];
    marbles().run(({ cold, expectObservable }) => {
      expectObservable(mapsInWords(cold('a|', { a: changeSet(1, { maps }) }).pipe(ensureMapped(odd)))).toBe('a|', {
        a: '0x0-0x1000 ERR_VA_MAPPER, 0x2000-0x3000 ERR_VA_MAPPER',
      });
    });
  });

  it('calls the mapper again when no manager owns it, because the VA may have been released', () => {
    const change = map('0x0-0x1000');
    marbles().run(({ cold, expectObservable }) => {
      const sets = { a: changeSet(1, { maps: [change] }) };
      expectObservable(cold('a-a|', sets).pipe(ensureMapped(va))).toBe('a-a|', {
        a: changeSet(1, { maps: [withVa(change)] }),
      });
    });
    expect(va.calls).to.deep.equal(['ensure 0x0-0x1000', 'ensure 0x0-0x1000']);
    expect(va.violations).to.deep.equal([]);
  });

  it('passes errors and completion on, and unsubscribes from its source', () => {
    marbles().run(({ cold, expectObservable, expectSubscriptions }) => {
      const failing = cold('a-#', { a: changeSet(1) });
      const endless = cold('a---a---', { a: changeSet(1) });
      expectObservable(failing.pipe(ensureMapped(va))).toBe('a-#', { a: changeSet(1) });
      expectObservable(endless.pipe(ensureMapped(va)), '^--!').toBe('a---', { a: changeSet(1) });
      expectSubscriptions(endless.subscriptions).toBe('^--!');
    });
  });
});
