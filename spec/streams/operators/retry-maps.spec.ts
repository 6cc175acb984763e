import { expect } from 'chai';
import { NEVER } from 'rxjs';
import { DmaMapError, fanOut, RegionManager, retryMaps, toTarget, type RetryOptions } from '../../../streams/index.js';
import { addRam, mapOf, marbleTest, RecordingTarget } from '../../../testing/index.js';
import { nextTurn } from '../support/phrases.js';

const [A, B] = [mapOf('0x0-0x1000'), mapOf('0x2000-0x3000')];
const CALLS = {
  a: 'map 0x0-0x1000 rw',
  b: 'map 0x2000-0x3000 rw',
  f: 'map 0x2000-0x3000 rw -> EBUSY',
  u: 'unmap 0x0-0x1000',
};

/** Makes the first `times` calls fail that map `0x2000-0x3000`. */
function failing(times: number, code = 'EBUSY'): RecordingTarget {
  let left = times;
  return new RecordingTarget().failWhen(({ text }) => (text.startsWith('map 0x2000') && left-- > 0 ? code : undefined));
}

describe('retryMaps', () => {
  it('tries a set again after the delay, when it has been undone, and answers once, with the last outcome', () => {
    const target = failing(2);
    marbleTest(({ sets, expectOutcomes, expectCalls }) => {
      const sets$ = sets('a-----b--------|', { a: { maps: [A, B] }, b: {} });
      expectOutcomes(sets$.pipe(retryMaps({ count: 3, delay: 5 }, toTarget(target)))).toBe('----------(ab)-|', {
        a: '1 applied',
        b: '2 applied',
      });
      expectCalls(target).toBe('(afu)(afu)(ab)', CALLS);
    });
    expect(target.violations).to.deep.equal([]);
  });

  it('gives the failure after `count` further attempts', () => {
    const target = failing(10);
    marbleTest(({ sets, expectOutcomes }) => {
      const sets$ = sets('a------|', { a: { maps: [A, B] } });
      expectOutcomes(sets$.pipe(retryMaps({ count: 2, delay: 2 }, toTarget(target)))).toBe('----a--|', {
        a: '1 failed EBUSY',
      });
    });
    expect(target.calls.filter((text) => text.includes('EBUSY'))).to.have.lengthOf(3);
  });

  it('tries no more when the branch ends during a delay', () => {
    const target = failing(10);
    marbleTest(({ sets, expectOutcomes, expectCalls }) => {
      const sets$ = sets('a-------', { a: { maps: [A, B] } });
      expectOutcomes(sets$.pipe(retryMaps({ count: 9, delay: 5 }, toTarget(target))), '^------!').toBe('--------');
      expectCalls(target).toBe('(afu)(afu)', CALLS);
    });
  });

  it('does not try again what has left something stuck, what was aborted, or a target that is gone', () => {
    for (const [code, plan] of [
      ['EBUSY', 'unmap'],
      ['ERR_TARGET_GONE', undefined],
    ] as const) {
      const target = failing(10, code);
      if (plan !== undefined) {
        target.failAll(plan);
      }
      marbleTest(({ sets, expectOutcomes }) => {
        const sets$ = sets('a------|', { a: { maps: [A, B] } });
        expectOutcomes(sets$.pipe(retryMaps({ count: 2, delay: 2 }, toTarget(target)))).toBe('a------|', {
          a: `1 failed ${code}`,
        });
      });
    }
  });

  it('ends a replay that is aborted during a delay', async () => {
    const manager = new RegionManager();
    await addRam(manager, '0x2000-0x3000');
    const abort = new AbortController();
    const target = failing(10);
    const attaching = manager.attach(retryMaps({ count: 100, delay: 10 }, toTarget(target)), { signal: abort.signal });
    abort.abort();
    const error = await attaching.catch((thrown: unknown) => thrown as Error);
    expect(error).to.have.property('name', 'AbortError');
    expect([target.held(), target.violations]).to.deep.equal([[], []]);
    await manager.close();
  });

  it('makes a command succeed at all targets, once, and the attachment hold what it should', async () => {
    const target = failing(2);
    const beside = new RecordingTarget({ name: 'beside' });
    const manager = new RegionManager();
    await addRam(manager, '0x0-0x1000');
    const attachment = await manager.attach(fanOut(retryMaps({ count: 2 }, toTarget(target)), toTarget(beside)));
    expect(attachment.target).to.equal('T+beside');
    await addRam(manager, '0x2000-0x3000');
    expect(beside.calls).to.deep.equal(['map 0x0-0x1000 rw', 'map 0x2000-0x3000 rw']);
    expect(target.held()).to.deep.equal(beside.held());
    await manager.close();
    expect([...target.violations, ...beside.violations, ...target.held()]).to.deep.equal([]);
  });

  it('tries the maps of an undo again that failed, and only those', async () => {
    let plan: 'none' | 'once' = 'none';
    const target = new RecordingTarget().failWhen(({ text }) => {
      const fails = plan === 'once' && text === 'map 0x0-0x1000 rw';
      plan = fails ? 'none' : plan;
      return fails ? 'EBUSY' : undefined;
    });
    const other = new RecordingTarget({ name: 'other' }).failRange('0x4000-0x5000');
    const manager = new RegionManager();
    const region = await addRam(manager, '0x0-0x1000');
    const attachment = await manager.attach(retryMaps({ count: 1 }, toTarget(target)));
    await manager.attach(other);
    plan = 'once';
    const error = await manager
      .transaction((edit) => {
        edit.removeRegion(region);
        const next = edit.addRegion({ name: 'next', range: mapOf('0x4000-0x5000').range, type: 'ram' });
        edit.addMapping(next, { rangeInRegion: A.range, backing: A.backing, writable: true });
        edit.map(next, { writable: true });
      })
      .catch((thrown: unknown) => thrown);
    expect(error).to.be.an.instanceOf(DmaMapError).with.property('missing').that.deep.equals([]);
    expect(attachment.missing()).to.deep.equal([]);
    expect(target.held()).to.deep.equal([A.range]);
    await manager.close();
    expect([...target.violations, ...other.violations]).to.deep.equal([]);
  });

  it('can be given up during a delay', async () => {
    const target = failing(10);
    const manager = new RegionManager();
    const attachment = await manager.attach(retryMaps({ count: 2, delay: 100_000 }, toTarget(target)));
    const adding = addRam(manager, '0x2000-0x3000').catch((thrown: unknown) => thrown as Error);
    await nextTurn();
    expect(attachment.pending).to.equal(true);
    await attachment.detach({ abandon: true });
    expect(await adding).to.have.property('code', 'ERR_TARGET_GONE');
    expect(manager.attachments).to.deep.equal([]);
    await manager.close();
  });

  const wrong: readonly (readonly [RetryOptions, string])[] = [
    [{ count: 0 }, 'count of retryMaps must be an integer from 1 on, not 0'],
    [{ count: '3' as never }, "count of retryMaps must be a number, not '3'"],
    [{ count: 1, delay: -1 }, 'delay of retryMaps must be 0 to 2147483647 milliseconds, not -1'],
    [undefined as never, 'the options of retryMaps: an object is needed, not undefined'],
  ];
  for (const [options, message] of wrong) {
    it(`refuses wrong arguments: ${message}`, () => {
      expect(() => retryMaps(options, () => NEVER)).to.throw(message);
    });
  }

  it('refuses a branch that is none', () => {
    expect(() => retryMaps({ count: 1 }, {} as never)).to.throw(TypeError, 'a branch must be a function');
  });
});
