import { map, Subject } from 'rxjs';
import { RegionManager, type ChangeSet, type DmaTarget, type Region } from '../../../streams/index.js';
import { marbleTest } from '../../../testing/index.js';
import { mapping, range } from '../support/phrases.js';

/** What a change set says, in a word: `'s1'` for a snapshot of generation 1, `'2 -1+1'` for one unmap and one map. */
function inShort({ generation, snapshot, unmaps, maps }: ChangeSet): string {
  return snapshot ? `s${generation} +${maps.length}` : `${generation} -${unmaps.length}+${maps.length}`;
}

describe('RegionManager, in marbles', () => {
  let manager: RegionManager;
  let region: Region;
  /** Every call of every target: `'a+0'` maps page 0 at target `a`, `'a-0'` unmaps it. */
  let calls$: Subject<string>;

  // With targets that answer at once a command is done when its call completes: so all of this happens in virtual time.
  beforeEach(() => {
    manager = new RegionManager();
    calls$ = new Subject();
    void manager.transaction((edit) => {
      region = edit.addRegion({ name: 'ram', range: range(0x0, 0x10000), type: 'ram' });
      edit.map(region, { writable: true });
    });
  });

  function target(name: string): DmaTarget {
    return {
      name,
      mapDma: (request) => {
        calls$.next(`${name}+${request.range.startPage}`);
      },
      unmapDma: (gone) => {
        calls$.next(`${name}-${gone.startPage}`);
      },
    };
  }

  function add(page: number): void {
    void region.addMapping(mapping(page * 0x1000, (page + 1) * 0x1000));
  }

  function replace(page: number): void {
    void manager.transaction((edit) => {
      edit.removeMappings(region, range(page * 0x1000, (page + 1) * 0x1000));
      edit.addMapping(region, mapping(page * 0x1000, (page + 1) * 0x1000, { fileOffset: 0x100000n }));
    });
  }

  it('a late subscriber gets one snapshot, at once, then every later change set, in the frame of its command', () => {
    marbleTest(({ cold, expectObservable }) => {
      cold('-0-1-2|').subscribe((page) => {
        add(Number(page));
      });
      const changes$ = manager.changes().pipe(map(inShort));
      expectObservable(changes$, '^------').toBe('sa-b-c', { s: 's0 +0', a: '1 -0+1', b: '2 -0+1', c: '3 -0+1' });
      expectObservable(changes$, '--^----').toBe('--sb-c', { s: 's1 +1', b: '2 -0+1', c: '3 -0+1' });
      expectObservable(changes$, '------^').toBe('------s', { s: 's3 +3' });
    });
  });

  it('in one change set every unmap comes before every map: unmaps in reverse attach order, maps in attach order', () => {
    marbleTest(({ cold, expectObservable }) => {
      add(0);
      for (const name of ['a', 'b', 'c']) {
        void manager.attach(target(name));
      }
      cold('--x|').subscribe(() => {
        replace(0);
      });
      expectObservable(calls$).toBe('--(uvwxyz)', { u: 'c-0', v: 'b-0', w: 'a-0', x: 'a+0', y: 'b+0', z: 'c+0' });
    });
  });

  it('attach replays in ascending order, in the frame of the call, then follows', () => {
    marbleTest(({ cold, expectObservable }) => {
      for (const page of [5, 1, 3]) {
        add(page);
      }
      cold('--x|').subscribe(() => {
        void manager.attach(target('a'));
      });
      cold('--------2|').subscribe((page) => {
        add(Number(page));
      });
      expectObservable(calls$).toBe('--(pqr)-s', { p: 'a+1', q: 'a+3', r: 'a+5', s: 'a+2' });
    });
  });

  it('a command from inside a subscriber is queued: every subscriber sees the first change before the second', () => {
    marbleTest(({ cold, expectObservable }) => {
      void manager.attach(target('a'));
      const told$ = new Subject<string>();
      manager.changes().subscribe(({ generation }) => {
        told$.next(`first ${generation}`);
        if (generation === 1) {
          add(1);
        }
      });
      manager.changes().subscribe(({ generation }) => {
        told$.next(`second ${generation}`);
      });
      cold('---0|').subscribe((page) => {
        add(Number(page));
      });
      expectObservable(told$).toBe('---(abcd)', { a: 'first 1', b: 'second 1', c: 'first 2', d: 'second 2' });
      expectObservable(calls$).toBe('---(pq)', { p: 'a+0', q: 'a+1' });
    });
  });

  it('what did not change causes neither a call nor a change set', () => {
    marbleTest(({ cold, expectObservable }) => {
      add(0);
      void manager.attach(target('a'));
      cold('-x-y|').subscribe((what) => {
        if (what === 'x') {
          void region.map({ writable: true, prefetch: true });
          return;
        }
        void manager.transaction((edit) => {
          edit.removeMappings(region, range(0x0, 0x1000));
          edit.addMapping(region, mapping(0x0, 0x1000));
        });
      });
      expectObservable(calls$).toBe('');
      expectObservable(manager.changes().pipe(map(inShort))).toBe('s', { s: 's1 +1' });
    });
  });

  it('the streams complete when the manager is closed', () => {
    marbleTest(({ cold, expectObservable }) => {
      cold('-0-x|').subscribe((what) => {
        if (what === 'x') {
          void manager.close();
          return;
        }
        add(Number(what));
      });
      expectObservable(manager.changes().pipe(map(inShort))).toBe('sa-|', { s: 's0 +0', a: '1 -0+1' });
      expectObservable(manager.events$.pipe(map(({ kind }) => kind))).toBe('-e-|', { e: 'mapping-added' });
      expectObservable(manager.shareable().pipe(map((list) => list.length))).toBe('nm-|', { n: 0, m: 1 });
    });
  });
});
