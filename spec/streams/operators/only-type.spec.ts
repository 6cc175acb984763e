import { expect } from 'chai';
import { onlyType, type ChangeSet } from '../../../streams/index.js';
import { marbleTest, mapOf, setOf, unmapOf } from '../../../testing/index.js';

describe('onlyType', () => {
  const ram = mapOf('0x0-0x1000');
  const bar = mapOf('0x100000-0x101000', { type: 'device' });
  const noRam = unmapOf('0x0-0x1000');
  const noBar = unmapOf('0x100000-0x101000', { type: 'device' });

  it('keeps the changes of that type, and only those', () => {
    marbleTest(({ cold, expectObservable }) => {
      const sets = {
        a: setOf(1, { maps: [ram, bar] }),
        b: setOf(2, { unmaps: [noRam, noBar], maps: [bar] }),
      };
      expectObservable(cold('a-b|', sets).pipe(onlyType('ram'))).toBe('a-b|', {
        a: setOf(1, { maps: [ram] }),
        b: setOf(2, { unmaps: [noRam] }),
      });
      expectObservable(cold('a-b|', sets).pipe(onlyType('device'))).toBe('a-b|', {
        a: setOf(1, { maps: [bar] }),
        b: setOf(2, { unmaps: [noBar], maps: [bar] }),
      });
    });
  });

  it('emits a set in which nothing is left as an empty set', () => {
    marbleTest(({ cold, expectObservable }) => {
      const sets = { a: setOf(1, { maps: [bar] }), b: setOf(2), c: setOf(3, { unmaps: [noBar] }) };
      expectObservable(cold('(abc|)', sets).pipe(onlyType('ram'))).toBe('(abc|)', {
        a: setOf(1),
        b: setOf(2),
        c: setOf(3),
      });
    });
  });

  it('keeps the other members of a set', () => {
    marbleTest(({ cold, expectObservable }) => {
      const undo = setOf(7, { maps: [ram, bar], undo: true });
      const snapshot: ChangeSet = { ...setOf(8, { maps: [ram, bar] }), snapshot: true };
      expectObservable(cold('us|', { u: undo, s: snapshot }).pipe(onlyType('ram'))).toBe('us|', {
        u: setOf(7, { maps: [ram], undo: true }),
        s: { ...setOf(8, { maps: [ram] }), snapshot: true },
      });
    });
  });

  it('emits a set of that type alone without a copy', () => {
    const set = setOf(1, { maps: [ram], unmaps: [noRam] });
    marbleTest(({ cold }) => {
      cold('a|', { a: set })
        .pipe(onlyType('ram'))
        .subscribe((passed) => {
          expect(passed).to.equal(set);
        });
    });
  });

  it('passes errors and completion on, and unsubscribes from its source', () => {
    marbleTest(({ cold, expectObservable, expectSubscriptions }) => {
      const failing = cold('  a-#', { a: setOf(1) });
      const endless = cold('  a---a---', { a: setOf(1) });
      expectObservable(failing.pipe(onlyType('ram'))).toBe('a-#', { a: setOf(1) });
      expectObservable(endless.pipe(onlyType('ram')), '^-----!').toBe('a---a--', { a: setOf(1) });
      expectSubscriptions(endless.subscriptions).toBe('^-----!');
    });
  });
});
