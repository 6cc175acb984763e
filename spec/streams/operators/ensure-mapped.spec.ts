import { expect } from 'chai';
import { map as mapTo, tap, type MonoTypeOperatorFunction, type Observable } from 'rxjs';
import {
  DmaError,
  ensureMapped,
  onlyType,
  toTarget,
  type Attachment,
  type ChangeSet,
  type DmaTarget,
  type MapChange,
  type TargetBranch,
  type VaMapper,
} from '../../../streams/index.js';
import { marbleTest, FakeVaMapper, mapOf, setOf, unmapOf } from '../../../testing/index.js';
import { addRegion, mapping, range } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

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
    const [one, two, three] = [mapOf('0x0-0x1000'), mapOf('0x2000-0x3000'), mapOf('0x4000-0x5000')];
    marbleTest(({ cold, expectObservable }) => {
      const sets = { a: setOf(1, { maps: [one, two] }), b: setOf(2, { maps: [three] }) };
      expectObservable(cold('a--b|', sets).pipe(ensureMapped(va))).toBe('a--b|', {
        a: setOf(1, { maps: [withVa(one), withVa(two)] }),
        b: setOf(2, { maps: [withVa(three)] }),
      });
    });
    expect(va.calls).to.deep.equal(['ensure 0x0-0x1000', 'ensure 0x2000-0x3000', 'ensure 0x4000-0x5000']);
  });

  it('emits sets without maps unchanged, also empty ones, and releases nothing', () => {
    marbleTest(({ cold, expectObservable }) => {
      const sets = { a: setOf(1), b: setOf(2, { unmaps: [unmapOf('0x0-0x1000')] }) };
      expectObservable(cold('ab|', sets).pipe(ensureMapped(va))).toBe('ab|', sets);
    });
    expect(va.calls).to.deep.equal([]);
  });

  it('keeps generation, snapshot and undo', () => {
    const change = mapOf('0x0-0x1000');
    marbleTest(({ cold, expectObservable }) => {
      const sets = {
        s: { ...setOf(4, { maps: [change] }), snapshot: true },
        u: setOf(5, { maps: [change], undo: true }),
      };
      expectObservable(cold('su|', sets).pipe(ensureMapped(va))).toBe('su|', {
        s: { ...sets.s, maps: [withVa(change)] },
        u: { ...sets.u, maps: [withVa(change)] },
      });
    });
  });

  it('does not modify the sets of its source', () => {
    const set = Object.freeze(setOf(1, { maps: Object.freeze([Object.freeze(mapOf('0x0-0x1000'))]) }));
    marbleTest(({ cold, expectObservable }) => {
      expectObservable(mapsInWords(cold('a|', { a: set }).pipe(ensureMapped(va)))).toBe('a|', {
        a: `0x0-0x1000 ${BASE}`,
      });
    });
  });

  it('marks a map that has no VA as refused, and gives the others theirs', () => {
    va.failAll('ensure 0x2000', 'ENOMEM');
    const maps = ['0x0-0x1000', '0x2000-0x3000', '0x4000-0x5000'].map((text) => mapOf(text));
    marbleTest(({ cold, expectObservable }) => {
      expectObservable(mapsInWords(cold('a|', { a: setOf(1, { maps }) }).pipe(ensureMapped(va)))).toBe('a|', {
        a: `0x0-0x1000 ${BASE}, 0x2000-0x3000 ENOMEM, 0x4000-0x5000 ${BASE + 0x4000n}`,
      });
    });
  });

  it('does not change a map that an operator before it has refused', () => {
    const refused = mapOf('0x0-0x1000', { refused: new DmaError('not here', { code: 'EPERM' }) });
    marbleTest(({ cold, expectObservable }) => {
      const sets = { a: setOf(1, { maps: [refused] }) };
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
    const maps = [mapOf('0x0-0x1000'), mapOf('0x2000-0x3000')];
    marbleTest(({ cold, expectObservable }) => {
      expectObservable(mapsInWords(cold('a|', { a: setOf(1, { maps }) }).pipe(ensureMapped(odd)))).toBe('a|', {
        a: '0x0-0x1000 ERR_VA_MAPPER, 0x2000-0x3000 ERR_VA_MAPPER',
      });
    });
  });

  it('calls the mapper again when no manager owns it, because the VA may have been released', () => {
    const change = mapOf('0x0-0x1000');
    marbleTest(({ cold, expectObservable }) => {
      const sets = { a: setOf(1, { maps: [change] }) };
      expectObservable(cold('a-a|', sets).pipe(ensureMapped(va))).toBe('a-a|', {
        a: setOf(1, { maps: [withVa(change)] }),
      });
    });
    expect(va.calls).to.deep.equal(['ensure 0x0-0x1000', 'ensure 0x0-0x1000']);
    expect(va.violations).to.deep.equal([]);
  });

  it('passes errors and completion on, and unsubscribes from its source', () => {
    marbleTest(({ cold, expectObservable, expectSubscriptions }) => {
      const failing = cold('a-#', { a: setOf(1) });
      const endless = cold('a---a---', { a: setOf(1) });
      expectObservable(failing.pipe(ensureMapped(va))).toBe('a-#', { a: setOf(1) });
      expectObservable(endless.pipe(ensureMapped(va)), '^--!').toBe('a---', { a: setOf(1) });
      expectSubscriptions(endless.subscriptions).toBe('^--!');
    });
  });

  describe('at a manager', () => {
    let stage: Stage;

    beforeEach(() => {
      stage = new Stage();
    });

    /** Attaches a target behind `ensureMapped` and another operator, and maps RAM and device memory. */
    async function mapBehind(
      operator: MonoTypeOperatorFunction<ChangeSet>,
    ): Promise<{ readonly requests: readonly string[]; readonly attachment: Attachment }> {
      const requests: string[] = [];
      const target: DmaTarget = {
        name: 'T',
        mapDma: ({ range: at, hostVa }) => void requests.push(`${at.toString()} ${String(hostVa?.address)}`),
        unmapDma: () => undefined,
      };
      const branch: TargetBranch = (changes$) => changes$.pipe(ensureMapped(stage.va), operator, toTarget(target));
      const attachment = await stage.manager.attach(branch);
      const ram = await addRegion(stage.manager, 0x0, 0x10000);
      const bar = await addRegion(stage.manager, 0x10000, 0x20000, { type: 'device' });
      await stage.manager.transaction((edit) => {
        edit.addMapping(ram, mapping(0x0, 0x1000));
        edit.addMapping(ram, mapping(0x2000, 0x3000));
        edit.addMapping(bar, mapping(0x0, 0x1000));
      });
      return { requests, attachment };
    }

    const addressed = (start: number): string => `${range(start, start + 0x1000).toString()} ${BASE + BigInt(start)}`;

    it('shows an operator behind it the VAs on the maps, and the refusals', async () => {
      stage.va.failAll('ensure 0x10000', 'ENOMEM');
      const seen: string[] = [];
      const { requests } = await mapBehind(
        tap(({ maps }) => {
          for (const { range: at, hostVa, refused } of maps) {
            seen.push(`${at.toString()} ${refused?.code ?? String(hostVa?.address)}`);
          }
        }),
      );
      expect(seen).to.deep.equal([addressed(0x0), addressed(0x2000), '0x10000-0x11000 ENOMEM']);
      expect(requests).to.deep.equal([addressed(0x0), addressed(0x2000)]);
    });

    it('gives the target the VAs when an operator copies the sets, or takes a part of them', async () => {
      const all = [addressed(0x0), addressed(0x2000), addressed(0x10000)];
      expect((await mapBehind(mapTo((set) => ({ ...set })))).requests).to.deep.equal(all);
      stage = new Stage();
      expect((await mapBehind(onlyType('ram'))).requests).to.deep.equal(all.slice(0, 2));
      stage = new Stage();
      expect((await mapBehind(onlyType('device'))).requests).to.deep.equal(all.slice(2));
    });

    it('keeps a refusal when another one follows it, which asks for nothing then', async () => {
      stage.va.failAll('ensure 0x2000', 'ENOMEM');
      const later = new FakeVaMapper();
      const refused = await mapBehind(ensureMapped(later)).catch((error: unknown) => error);
      expect(refused).to.include({ code: 'ENOMEM' });
      expect(later.calls).to.deep.equal(['ensure 0x0-0x1000', 'ensure 0x10000-0x11000']);
    });

    it('keeps the VAs for an undo at the target, and while something is stuck', async () => {
      const calls: string[] = [];
      let failing = '';
      const call = (text: string): void => {
        calls.push(text);
        if (failing !== '' && text.startsWith(failing)) {
          throw new DmaError('made to fail', { code: 'EIO' });
        }
      };
      const attachment = await stage.manager.attach((changes$) =>
        changes$.pipe(
          ensureMapped(stage.va),
          toTarget({
            name: 'T',
            mapDma: ({ range: at, hostVa }) => {
              call(`map ${at.toString()} ${String(hostVa?.address)}`);
            },
            unmapDma: (at) => {
              call(`unmap ${at.toString()}`);
            },
          }),
        ),
      );
      const ram = await addRegion(stage.manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
      });
      failing = 'unmap 0x0';
      await ram.removeMappings(range(0x0, 0x1000)).catch(() => undefined);
      expect(stage.va.calls, 'stuck').not.to.include('release 0x0-0x1000');
      failing = '';
      await attachment.retryStuck();
      expect(stage.va.calls, 'no longer stuck').to.include('release 0x0-0x1000');
      failing = 'map 0x6000';
      calls.length = 0;
      await stage.manager
        .transaction((edit) => {
          edit.addMapping(ram, mapping(0x4000, 0x5000));
          edit.addMapping(ram, mapping(0x6000, 0x7000));
        })
        .catch(() => undefined);
      expect(calls).to.deep.equal([`map ${addressed(0x4000)}`, `map ${addressed(0x6000)}`, 'unmap 0x4000-0x5000']);
      expect(stage.va.violations).to.deep.equal([]);
    });
  });
});
