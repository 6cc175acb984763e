import { expect } from 'chai';
import { onlyType, type ChangeSet } from '../../../streams/index.js';
import { changeSet, map, unmap } from '../support/change-sets.js';
import { marbleTest } from '../../../testing/index.js';

describe('onlyType', () => {
  const ram = map('0x0-0x1000');
  const bar = map('0x100000-0x101000', { type: 'device' });
  const noRam = unmap('0x0-0x1000');
  const noBar = unmap('0x100000-0x101000', ['0x100000-0x101000'], 'device');

  it('keeps the changes of that type, and only those', () => {
    marbleTest(({ cold, expectObservable }) => {
      const sets = {
        a: changeSet(1, { maps: [ram, bar] }),
        b: changeSet(2, { unmaps: [noRam, noBar], maps: [bar] }),
      };
      expectObservable(cold('a-b|', sets).pipe(onlyType('ram'))).toBe('a-b|', {
        a: changeSet(1, { maps: [ram] }),
        b: changeSet(2, { unmaps: [noRam] }),
      });
      expectObservable(cold('a-b|', sets).pipe(onlyType('device'))).toBe('a-b|', {
        a: changeSet(1, { maps: [bar] }),
        b: changeSet(2, { unmaps: [noBar], maps: [bar] }),
      });
    });
  });

  it('emits a set in which nothing is left as an empty set', () => {
    marbleTest(({ cold, expectObservable }) => {
      const sets = { a: changeSet(1, { maps: [bar] }), b: changeSet(2), c: changeSet(3, { unmaps: [noBar] }) };
      expectObservable(cold('(abc|)', sets).pipe(onlyType('ram'))).toBe('(abc|)', {
        a: changeSet(1),
        b: changeSet(2),
        c: changeSet(3),
      });
    });
  });

  it('keeps the other members of a set', () => {
    marbleTest(({ cold, expectObservable }) => {
      const undo = changeSet(7, { maps: [ram, bar], undo: true });
      const snapshot: ChangeSet = { ...changeSet(8, { maps: [ram, bar] }), snapshot: true };
      expectObservable(cold('us|', { u: undo, s: snapshot }).pipe(onlyType('ram'))).toBe('us|', {
        u: changeSet(7, { maps: [ram], undo: true }),
        s: { ...changeSet(8, { maps: [ram] }), snapshot: true },
      });
    });
  });

  it('emits a set of that type alone without a copy', () => {
    const set = changeSet(1, { maps: [ram], unmaps: [noRam] });
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
      const failing = cold('  a-#', { a: changeSet(1) });
      const endless = cold('  a---a---', { a: changeSet(1) });
      expectObservable(failing.pipe(onlyType('ram'))).toBe('a-#', { a: changeSet(1) });
      expectObservable(endless.pipe(onlyType('ram')), '^-----!').toBe('a---a--', { a: changeSet(1) });
      expectSubscriptions(endless.subscriptions).toBe('^-----!');
    });
  });
});
