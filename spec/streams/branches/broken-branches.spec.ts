import { expect } from 'chai';
import { concatMap, EMPTY, map, mergeMap, NEVER, Observable, of, Subject, take, tap, throwError } from 'rxjs';
import {
  DmaMapError,
  type DmaUnmapError,
  fanOut,
  toTarget,
  type ChangeSet,
  type Outcome,
  type TargetBranch,
} from '../../../streams/index.js';
import { addRegion, ledgerOf, mapping, nextTurn, range, rejectionOf, texts, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

const applied = ({ generation }: ChangeSet): Outcome => ({
  generation,
  target: 'mine',
  status: 'applied',
  skipped: [],
});

describe('RegionManager: a branch', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  describe('that ends', () => {
    for (const [how, operator, code] of [
      ['ends', take<ChangeSet>(1), 'ERR_BRANCH_ENDED'],
      [
        'errors',
        mergeMap((set: ChangeSet) => (set.generation > 0 ? throwError(() => new Error('branch broke')) : of(set))),
        'ERR_BRANCH_ENDED',
      ],
      [
        'throws in an operator',
        map((set: ChangeSet) => {
          if (set.generation > 0) {
            throw new TypeError('bad operator');
          }
          return set;
        }),
        'ERR_BRANCH_ENDED',
      ],
    ] as const) {
      it(`because it ${how} fails the command, which is undone, and every later map; its target is still unmapped`, async () => {
        const { manager } = stage;
        const [first, behind] = [stage.target({ name: 'first' }), stage.target({ name: 'behind' })];
        await manager.attach(first);
        await addRegion(manager, 0x0, 0x10000, { shown: 'hidden' });
        const region = await addRegion(manager, 0x20000, 0x30000);
        const attachment = await manager.attach((changes$) => changes$.pipe(operator, toTarget(behind)));
        for (let attempt = 0; attempt < 2; attempt++) {
          const error = await rejectionOf(region.addMapping(mapping(0x0, 0x1000)));
          expect(error).to.be.instanceOf(DmaMapError).and.include({ code });
        }
        expect(texts(first.held())).to.deep.equal([]);
        expect(viewOf(manager)).to.deep.equal([]);
        await attachment.detach();
        await region.addMapping(mapping(0x0, 0x1000));
        expect(texts(first.held())).to.deep.equal(['0x20000-0x21000']);
      });
    }

    it('leaves nothing mapped: removals and a detach reach its targets directly', async () => {
      const { manager } = stage;
      const region = await addRegion(manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
      });
      const [one, two] = [stage.target({ name: 'one' }), stage.target({ name: 'two' })];
      const attachment = await manager.attach((changes$) =>
        changes$.pipe(take(1), fanOut(toTarget(one), toTarget(two))),
      );
      stage.takeJournal();
      await region.removeMappings(range(0x0, 0x1000));
      expect(stage.takeJournal()).to.deep.equal(['two: unmap 0x0-0x1000', 'one: unmap 0x0-0x1000']);
      one.failAll('unmap', 'EBUSY');
      two.failAll('unmap', 'EBUSY');
      const error = await rejectionOf(attachment.detach());
      expect(error).to.include({ name: 'DmaUnmapError', code: 'EBUSY' });
      expect((error as unknown as DmaUnmapError).stuck.map(({ target }) => target)).to.deep.equal(['one', 'two']);
      one.clearFailures();
      two.clearFailures();
      await attachment.retryStuck();
      expect([one.held(), two.held()]).to.deep.equal([[], []]);
    });

    it('before it is attached is not attached', async () => {
      for (const branch of [
        (() => EMPTY) as TargetBranch,
        (() => throwError(() => new Error('no'))) as TargetBranch,
        (() => {
          throw new Error('no');
        }) as unknown as TargetBranch,
        (() => undefined) as unknown as TargetBranch,
        (() => 'an outcome') as unknown as TargetBranch,
      ]) {
        await rejectionOf(stage.manager.attach(branch));
        expect(stage.manager.attachments).to.deep.equal([]);
      }
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
    });

    it('before it is attached, within a fanOut, is not attached, and no other branch is subscribed', async () => {
      let subscribed = false;
      const fine: TargetBranch = (changes$) =>
        changes$.pipe(tap({ subscribe: () => (subscribed = true) }), map(applied));
      const broken = (() => undefined) as unknown as TargetBranch;
      const error = await rejectionOf(stage.manager.attach(fanOut(fine, broken)));
      expect(error).to.be.instanceOf(TypeError);
      expect(error.message).to.include('Observable');
      expect(subscribed).to.equal(false);
      expect(stage.manager.attachments).to.deep.equal([]);
    });
  });

  describe('that answers a set', () => {
    for (const [what, garbage] of [
      ['undefined', undefined],
      ['null', null],
      ['a number', 7],
      ['an empty object', {}],
      ['another status', { generation: 1, target: 'x', status: 'perhaps', skipped: [] }],
      ['no list of what was skipped', { generation: 1, target: 'x', status: 'applied' }],
    ] as const) {
      it(`with ${what} has failed the set`, async () => {
        await stage.manager.attach((changes$) =>
          changes$.pipe(map((set) => (set.maps.length > 0 ? (garbage as Outcome) : applied(set)))),
        );
        const region = await addRegion(stage.manager, 0x0, 0x10000);
        const error = await rejectionOf(region.addMapping(mapping(0x0, 0x1000)));
        expect(error).to.be.instanceOf(DmaMapError).and.include({ code: 'ERR_BAD_OUTCOME' });
        expect(viewOf(stage.manager)).to.deep.equal([]);
      });
    }

    it('with an error that is not an Error has failed with a DmaError', async () => {
      await stage.manager.attach((changes$) =>
        changes$.pipe(
          map((set): Outcome =>
            set.maps.length > 0
              ? ({ ...applied(set), status: 'failed', error: 'a string' } as unknown as Outcome)
              : applied(set),
          ),
        ),
      );
      const region = await addRegion(stage.manager, 0x0, 0x10000);
      const error = await rejectionOf(region.addMapping(mapping(0x0, 0x1000)));
      expect(error).to.be.instanceOf(DmaMapError);
      expect(error.message).to.include('a string');
    });

    it('twice causes a warning, and its second answer is dropped', async () => {
      const attachment = await stage.manager.attach((changes$) =>
        changes$.pipe(mergeMap((set) => of(applied(set), { ...applied(set), status: 'failed' as const }))),
      );
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw']);
      expect(stage.warnings.map(({ code }) => code)).to.include('ERR_BAD_OUTCOME');
    });

    it('twice, the second time late, does not answer the next set', async () => {
      const late = new Subject<Outcome>();
      await stage.manager.attach(
        (changes$) =>
          new Observable<Outcome>((subscriber) => {
            subscriber.add(late.subscribe(subscriber));
            subscriber.add(
              changes$.subscribe((set) => {
                if (set.generation < 2) {
                  subscriber.next(applied(set));
                }
              }),
            );
          }),
      );
      const region = await addRegion(stage.manager, 0x0, 0x10000);
      await region.addMapping(mapping(0x0, 0x1000));
      let done = false;
      const second = region.addMapping(mapping(0x1000, 0x2000)).then(() => (done = true));
      late.next({ generation: 1, target: 'late', status: 'applied', skipped: [] });
      await nextTurn();
      expect(done).to.equal(false);
      late.next({ generation: 2, target: 'late', status: 'applied', skipped: [] });
      await second;
      expect(stage.warnings.map(({ code }) => code)).to.deep.equal(['ERR_BAD_OUTCOME']);
    });

    it('that is not open causes a warning', async () => {
      await stage.manager.attach(
        (changes$) =>
          new Observable<Outcome>((subscriber) => {
            subscriber.next({ generation: 0, target: 'eager', status: 'applied', skipped: [] });
            return changes$.pipe(map(applied)).subscribe(subscriber);
          }),
      );
      expect(stage.warnings.map(({ code }) => code)).to.deep.equal(['ERR_BAD_OUTCOME']);
    });

    it('later delays the command until then', async () => {
      await stage.manager.attach((changes$) =>
        changes$.pipe(
          concatMap(async (set) => {
            await nextTurn();
            return applied(set);
          }),
        ),
      );
      const region = await addRegion(stage.manager, 0x0, 0x10000);
      await Promise.all([region.addMapping(mapping(0x0, 0x1000)), region.addMapping(mapping(0x1000, 0x2000))]);
      expect(viewOf(stage.manager)).to.have.length(2);
    });

    it('never is pending, until the attach is aborted', async () => {
      const abort = new AbortController();
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      const attaching = rejectionOf(stage.manager.attach(() => NEVER, { signal: abort.signal }));
      await nextTurn();
      expect(stage.manager.attachments.map(({ pending }) => pending)).to.deep.equal([true]);
      abort.abort();
      expect(await attaching).to.include({ name: 'AbortError', code: 'ABORT_ERR' });
      await addRegion(stage.manager, 0x20000, 0x30000, { mappings: [mapping(0x0, 0x1000)] });
      expect(viewOf(stage.manager)).to.have.length(2);
    });
  });
});
