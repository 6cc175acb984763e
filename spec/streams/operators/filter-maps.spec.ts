import { expect } from 'chai';
import { firstValueFrom, of } from 'rxjs';
import { filterMaps, MemoryRange, RegionManager, toTarget, type ChangeSet } from '../../../streams/index.js';
import { addRam, mapOf, marbleTest, RecordingTarget, setOf, unmapOf } from '../../../testing/index.js';

const LOW = MemoryRange.of(0x0, 0x10000);
const isLow = ({ range }: { readonly range: MemoryRange }): boolean => LOW.contains(range);

describe('filterMaps', () => {
  const low = mapOf('0x0-0x1000');
  const high = mapOf('0x20000-0x21000');

  it('removes the maps for which the predicate is false, and later their unmaps, and emits every set in its frame', () => {
    marbleTest(({ sets, expectSets }) => {
      const sets$ = sets('a-b-c-d|', {
        a: { maps: [low, high] },
        b: { unmaps: [unmapOf('0x20000-0x21000')] },
        c: { maps: [high] },
        d: { unmaps: [unmapOf('0x0-0x1000'), unmapOf('0x20000-0x21000')] },
      });
      expectSets(sets$.pipe(filterMaps(isLow))).toBe('a-b-c-d|', {
        a: '1: map 0x0-0x1000 rw',
        b: '2',
        c: '3',
        d: '4: unmap 0x0-0x1000',
      });
    });
  });

  it('removes from an unmap of several mappings those that were removed before', () => {
    const unmap = unmapOf('0x0-0x30000', { covers: ['0x0-0x1000', '0x20000-0x21000'] });
    marbleTest(({ cold, expectObservable }) => {
      const sets = { a: setOf(1, { maps: [low, high] }), b: setOf(2, { unmaps: [unmap] }) };
      expectObservable(cold('ab|', sets).pipe(filterMaps(isLow))).toBe('ab|', {
        a: setOf(1, { maps: [low] }),
        b: setOf(2, { unmaps: [{ ...unmap, covers: [low.range] }] }),
      });
    });
  });

  it('removes the unmap of another mapping at the same start only if that was removed as well', () => {
    marbleTest(({ sets, expectSets }) => {
      const sets$ = sets('abcd|', {
        a: { maps: [mapOf('0x8000-0x20000')] },
        b: { unmaps: [unmapOf('0x8000-0x20000')] },
        c: { maps: [mapOf('0x8000-0x9000')] },
        d: { unmaps: [unmapOf('0x8000-0x9000')] },
      });
      expectSets(sets$.pipe(filterMaps(isLow))).toBe('abcd|', {
        a: '1',
        b: '2',
        c: '3: map 0x8000-0x9000 rw',
        d: '4: unmap 0x8000-0x9000',
      });
    });
  });

  it('keeps the other members of a set, and a set of which nothing is removed as it is', async () => {
    const undo = setOf(7, { maps: [low, high], undo: true });
    expect(await firstValueFrom(of(undo).pipe(filterMaps(isLow)))).to.deep.equal(setOf(7, { maps: [low], undo: true }));
    const whole: ChangeSet = setOf(8, { maps: [low], unmaps: [unmapOf('0x0-0x1000')] });
    expect(await firstValueFrom(of(whole).pipe(filterMaps(isLow)))).to.equal(whole);
  });

  it('serves a target of a manager without a breach of the contract, through failures and undos', async () => {
    const target = new RecordingTarget({ unmapShape: 'exact' });
    const other = new RecordingTarget({ name: 'other' });
    const manager = new RegionManager();
    await addRam(manager, '0x20000-0x21000');
    await manager.attach((changes$) => changes$.pipe(filterMaps(isLow), toTarget(target)));
    await manager.attach(other);
    const region = await addRam(manager, '0x0-0x1000');
    const again = await addRam(manager, '0x30000-0x31000');
    other.failRange('0x40000-0x41000');
    const failure = await addRam(manager, '0x40000-0x41000').then(
      () => undefined,
      (error: unknown) => (error as { readonly code: string }).code,
    );
    expect(failure).to.equal('EIO');
    await again.remove();
    await region.remove();
    expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw', 'unmap 0x0-0x1000']);
    await manager.close();
    expect([target.violations, other.violations, target.held()]).to.deep.equal([[], [], []]);
  });

  it('fails a map for which the predicate throws, without a call of the target', async () => {
    const target = new RecordingTarget();
    const manager = new RegionManager();
    await manager.attach((changes$) =>
      changes$.pipe(
        filterMaps(() => {
          throw new Error('no such table');
        }),
        toTarget(target),
      ),
    );
    const error = await addRam(manager, '0x0-0x1000').catch((thrown: unknown) => thrown as Error);
    expect(error).to.be.an('error').with.property('message').that.contains('no such table');
    expect(target.calls).to.deep.equal([]);
    await manager.close();
  });

  it('refuses a predicate that is no function', () => {
    expect(() => filterMaps('ram' as never)).to.throw(
      TypeError,
      "the predicate of filterMaps must be a function, not 'ram'",
    );
  });
});
