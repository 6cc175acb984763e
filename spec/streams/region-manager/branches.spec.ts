import { expect } from 'chai';
import { concatMap, EMPTY, map, mergeMap, NEVER, Observable, of, Subject, take, tap, throwError } from 'rxjs';
import {
  DmaError,
  DmaMapError,
  DmaUnmapError,
  ensureMapped,
  fanOut,
  onlyType,
  toTarget,
  type ChangeSet,
  type DmaTarget,
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

describe('RegionManager: branches', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  describe('composed by hand', () => {
    /** Everything that can happen to a target, as its journal tells it. */
    async function life(attach: (stage: Stage, target: DmaTarget) => DmaTarget | TargetBranch): Promise<string[]> {
      const one = new Stage();
      const { manager } = one;
      const target = one.target({ needsVa: true });
      const region = await addRegion(manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
      });
      const attachment = await manager.attach(attach(one, target));
      const log = (what: string): void => void one.journal.push(`-- ${what}: ${ledgerOf(attachment).join(', ')}`);
      await region.addMapping(mapping(0x4000, 0x5000));
      log('added');
      target.failAll('map', 'ENOMEM');
      const failed = await rejectionOf(region.map({ writable: false }));
      log(`${failed.name} ${String(failed.code)} ${String((failed as unknown as DmaMapError).missing.length)}`);
      expect(texts(attachment.missing())).to.have.length(3);
      target.mend();
      await attachment.heal();
      log('healed');
      target.failAll('unmap 0x0', 'EBUSY');
      const stuck = await rejectionOf(region.removeMappings(range(0x0, 0x3000)));
      log(`${stuck.name} ${String(stuck.code)}`);
      target.mend();
      await attachment.retryStuck();
      log('retried');
      expect(attachment.target).to.equal('T');
      await region.unmap();
      await region.map({ writable: true });
      await attachment.detach();
      log('detached');
      await region.remove();
      one.expectContractsKept();
      return one.journal;
    }

    it('`changes$ => changes$.pipe(ensureMapped(va), toTarget(t))` behaves exactly as attach(t)', async () => {
      const plain = await life((_, target) => target);
      const byHand = await life((one, target) => (changes$) => changes$.pipe(ensureMapped(one.va), toTarget(target)));
      expect(byHand).to.deep.equal(plain);
      expect(plain).to.have.length.above(20);
    });

    it('and so does fanOut of that one branch', async () => {
      const plain = await life((_, target) => target);
      const byHand = await life((one, target) =>
        fanOut((changes$) => changes$.pipe(ensureMapped(one.va), toTarget(target))),
      );
      expect(byHand).to.deep.equal(plain);
    });

    it('may filter what its target sees', async () => {
      const target = stage.target();
      await stage.manager.attach((changes$) => changes$.pipe(onlyType('ram'), toTarget(target)));
      const bar = await addRegion(stage.manager, 0x100000, 0x110000, {
        type: 'device',
        mappings: [mapping(0x0, 0x1000)],
      });
      const ram = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      await bar.remove();
      await ram.remove();
      expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw', 'unmap 0x0-0x10000']);
    });

    it('is refused when it holds a target that is attached already, directly or twice in itself', async () => {
      const target = stage.target();
      const attachment = await stage.manager.attach(target);
      const again: TargetBranch = (changes$) => changes$.pipe(toTarget(target));
      expect(await rejectionOf(stage.manager.attach(again))).to.include({ code: 'ERR_ALREADY_ATTACHED' });
      await attachment.detach();
      const twice = fanOut(toTarget(target), toTarget(target));
      expect(await rejectionOf(stage.manager.attach(twice))).to.include({ code: 'ERR_ALREADY_ATTACHED' });
      await stage.manager.attach(again);
    });

    it('answers with one outcome for each step that it is handed', async () => {
      const steps: string[] = [];
      const target = stage.target();
      const attachment = await stage.manager.attach((changes$) =>
        changes$.pipe(
          tap(({ generation, unmaps, maps, undo }) =>
            steps.push(`${generation}: ${unmaps.length}/${maps.length}${undo ? ' undo' : ''}`),
          ),
          toTarget(target),
        ),
      );
      let outcomes = 0;
      attachment.outcomes$.subscribe(() => (outcomes += 1));
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      await region.map({ writable: false });
      target.failAll('map 0x0-0x1000 rw');
      await rejectionOf(region.map({ writable: true }));
      expect(steps).to.deep.equal(['0: 0/0', '1: 0/1', '2: 1/0', '2: 0/1', '3: 1/0', '3: 0/1', '3: 0/1 undo']);
      expect(outcomes).to.equal(steps.length - 1);
    });
  });

  describe('fanOut as one attachment', () => {
    it('serves its branches in order, unmaps in reverse, among the other attachments', async () => {
      const branch = fanOut(toTarget(stage.target({ name: 'b1' })), toTarget(stage.target({ name: 'b2' })));
      await stage.manager.attach(stage.target({ name: 'a' }));
      const attachment = await stage.manager.attach(branch);
      await stage.manager.attach(stage.target({ name: 'c' }));
      expect(attachment.target).to.equal('b1+b2');
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      await region.remove();
      expect(stage.journal.map((line) => line.replace(/ 0x.*/, ''))).to.deep.equal([
        'a: map',
        'b1: map',
        'b2: map',
        'c: map',
        'c: unmap',
        'b2: unmap',
        'b1: unmap',
        'a: unmap',
      ]);
    });

    it('keeps a ledger of all its targets, and detaches all of them', async () => {
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)] });
      const [one, two] = [stage.target({ name: 'one' }), stage.target({ name: 'two' })];
      const attachment = await stage.manager.attach(fanOut(toTarget(one), toTarget(two)));
      expect(ledgerOf(attachment)).to.deep.equal([
        '0x0-0x1000 rw',
        '0x0-0x1000 rw',
        '0x2000-0x3000 rw',
        '0x2000-0x3000 rw',
      ]);
      stage.takeJournal();
      await attachment.detach();
      expect(one.held()).to.deep.equal([]);
      expect(two.held()).to.deep.equal([]);
      expect(attachment.ledger()).to.deep.equal([]);
    });

    it('undoes in all of them when one fails, and in the attachments before', async () => {
      const [a, one, two] = ['a', 'one', 'two'].map((name) => stage.target({ name }));
      if (!a || !one || !two) {
        throw new Error('three targets');
      }
      await stage.manager.attach(a);
      await stage.manager.attach(fanOut(toTarget(one), toTarget(two)));
      const region = await addRegion(stage.manager, 0x0, 0x10000);
      two.failAll('map', 'ENOSPC');
      const error = (await rejectionOf(region.addMapping(mapping(0x0, 0x1000)))) as unknown as DmaMapError;
      expect(error).to.include({ code: 'ENOSPC', target: 'two', region: 'ram' });
      expect(error.undone.map(({ target }) => target)).to.deep.equal(['one', 'a']);
      expect(stage.journal).to.deep.equal([
        'a: map 0x0-0x1000 rw',
        'one: map 0x0-0x1000 rw',
        'two: map 0x0-0x1000 rw -> ENOSPC',
        'one: unmap 0x0-0x1000',
        'a: unmap 0x0-0x1000',
      ]);
    });

    it('is undone with everything, also what it had unmapped, when a later attachment fails', async () => {
      const [one, two, last] = ['one', 'two', 'last'].map((name) => stage.target({ name, needsVa: true }));
      if (!one || !two || !last) {
        throw new Error('three targets');
      }
      const va = stage.va;
      await stage.manager.attach((changes$) => changes$.pipe(ensureMapped(va), fanOut(toTarget(one), toTarget(two))));
      await stage.manager.attach(last);
      const region = await addRegion(stage.manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
      });
      last.failAll('map 0x2000-0x3000 ro');
      const before = viewOf(stage.manager);
      await rejectionOf(region.map({ writable: false }));
      expect(viewOf(stage.manager)).to.deep.equal(before);
      for (const target of [one, two, last]) {
        expect(texts(target.held())).to.deep.equal(['0x0-0x1000', '0x2000-0x3000']);
        expect(target.requests.slice(-2).map(({ writable }) => writable)).to.deep.equal([true, true]);
      }
    });

    it('keeps the VA while one of its targets has the range stuck', async () => {
      const [one, two] = [stage.target({ name: 'one', needsVa: true }), stage.target({ name: 'two', needsVa: true })];
      const va = stage.va;
      const attachment = await stage.manager.attach((changes$) =>
        changes$.pipe(ensureMapped(va), fanOut(toTarget(one), toTarget(two))),
      );
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      two.failAll('unmap', 'EBUSY');
      const error = await rejectionOf(region.remove());
      expect(error).to.include({ name: 'DmaUnmapError', code: 'EBUSY', target: 'two' });
      expect(texts(va.held())).to.deep.equal(['0x0-0x1000']);
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw stuck']);
      two.mend();
      await attachment.retryStuck();
      expect(va.held()).to.deep.equal([]);
      expect(one.calls).to.deep.equal(['map 0x0-0x1000 rw', 'unmap 0x0-0x10000']);
    });

    it('of no branches applies everything', async () => {
      const attachment = await stage.manager.attach(fanOut());
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      await attachment.detach();
    });
  });

  describe('that does not end in toTarget', () => {
    it('has a ledger of what it was told and has acknowledged', async () => {
      const told: ChangeSet[] = [];
      const attachment = await stage.manager.attach((changes$) =>
        changes$.pipe(
          tap((set) => told.push(set)),
          map(applied),
        ),
      );
      const region = await addRegion(stage.manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
      });
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw', '0x2000-0x3000 rw']);
      await region.map({ writable: false });
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 ro', '0x2000-0x3000 ro']);
      await attachment.detach();
      expect(attachment.ledger()).to.deep.equal([]);
      expect(texts(told.at(-1)?.unmaps.map((unmap) => unmap.range) ?? [])).to.deep.equal([
        '0x0-0x1000',
        '0x2000-0x3000',
      ]);
    });

    it('that fails a map has the command undone', async () => {
      const first = stage.target();
      await stage.manager.attach(first);
      const attachment = await stage.manager.attach((changes$) =>
        changes$.pipe(
          map((set): Outcome => (set.maps.length > 0 ? { ...applied(set), status: 'failed' } : applied(set))),
        ),
      );
      const region = await addRegion(stage.manager, 0x0, 0x10000);
      const error = await rejectionOf(region.addMapping(mapping(0x0, 0x1000)));
      expect(error).to.be.instanceOf(DmaMapError).and.include({ code: 'ERR_TARGET_FAILED', target: 'mine' });
      expect(first.calls).to.deep.equal(['map 0x0-0x1000 rw', 'unmap 0x0-0x1000']);
      expect(attachment.ledger()).to.deep.equal([]);
    });

    it('that fails an unmap holds what it covers as stuck, until it acknowledges it', async () => {
      let stubborn = true;
      const attachment = await stage.manager.attach((changes$) =>
        changes$.pipe(
          map((set): Outcome =>
            stubborn && set.unmaps.length > 0
              ? { ...applied(set), status: 'failed', error: new DmaError('no', { code: 'EBUSY' }) }
              : applied(set),
          ),
        ),
      );
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      expect(await rejectionOf(region.remove())).to.include({ name: 'DmaUnmapError', code: 'EBUSY' });
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw stuck']);
      stubborn = false;
      await attachment.retryStuck();
      expect(attachment.ledger()).to.deep.equal([]);
    });

    it('that says what is stuck holds only that as stuck', async () => {
      const attachment = await stage.manager.attach((changes$) =>
        changes$.pipe(
          map((set): Outcome =>
            set.unmaps.length > 0
              ? {
                  ...applied(set),
                  status: 'failed',
                  error: new DmaUnmapError(
                    'no',
                    { code: 'EBUSY' },
                    { stuck: [{ target: 'mine', range: range(0x2000, 0x3000) }] },
                  ),
                }
              : applied(set),
          ),
        ),
      );
      const region = await addRegion(stage.manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
      });
      expect(await rejectionOf(region.unmap())).to.include({ name: 'DmaUnmapError', code: 'EBUSY' });
      expect(ledgerOf(attachment)).to.deep.equal(['0x2000-0x3000 rw stuck']);
    });

    it('may skip device maps, and fail to put back what an undo brings', async () => {
      let brittle = false;
      const attachment = await stage.manager.attach((changes$) =>
        changes$.pipe(
          map((set): Outcome => {
            const skipped = set.maps
              .filter(({ type }) => type === 'device')
              .map((one) => new DmaError('no', { code: 'EFAULT', range: one.range }));
            return brittle && set.maps.length > 0
              ? { ...applied(set), status: 'failed', error: new DmaError('no', { code: 'ENOMEM' }) }
              : { ...applied(set), skipped };
          }),
        ),
      );
      await addRegion(stage.manager, 0x100000, 0x110000, { type: 'device', mappings: [mapping(0x0, 0x1000)] });
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw']);
      brittle = true;
      await rejectionOf(region.map({ writable: false }));
      expect(texts(attachment.missing())).to.deep.equal(['0x0-0x1000']);
      brittle = false;
      await attachment.heal();
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw']);
    });
  });

  describe('that breaks', () => {
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

    it('leaves nothing mapped behind it: removing and detaching reach its targets directly', async () => {
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
      one.mend();
      two.mend();
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

    it('ends the lines of a fanOut that were already under way when the next cannot be', async () => {
      let completed = false;
      const fine: TargetBranch = (changes$) => changes$.pipe(tap({ complete: () => (completed = true) }), map(applied));
      const broken = (() => undefined) as unknown as TargetBranch;
      const error = await rejectionOf(stage.manager.attach(fanOut(fine, broken)));
      expect(error).to.be.instanceOf(DmaError);
      expect(error.message).to.include('Observable');
      expect(completed).to.equal(true);
    });
  });

  describe('that answers', () => {
    for (const [what, garbage] of [
      ['undefined', undefined],
      ['null', null],
      ['a number', 7],
      ['an empty object', {}],
      ['another status', { generation: 1, target: 'x', status: 'perhaps', skipped: [] }],
      ['no list of what was skipped', { generation: 1, target: 'x', status: 'applied' }],
    ] as const) {
      it(`with ${what} has failed`, async () => {
        await stage.manager.attach((changes$) =>
          changes$.pipe(map((set) => (set.maps.length > 0 ? (garbage as Outcome) : applied(set)))),
        );
        const region = await addRegion(stage.manager, 0x0, 0x10000);
        const error = await rejectionOf(region.addMapping(mapping(0x0, 0x1000)));
        expect(error).to.be.instanceOf(DmaMapError).and.include({ code: 'ERR_BAD_OUTCOME' });
        expect(viewOf(stage.manager)).to.deep.equal([]);
      });
    }

    it('with an error that is none has failed with one', async () => {
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

    it('twice is warned of, and the second answer is dropped', async () => {
      const attachment = await stage.manager.attach((changes$) =>
        changes$.pipe(mergeMap((set) => of(applied(set), { ...applied(set), status: 'failed' as const }))),
      );
      await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw']);
      expect(stage.warnings.map(({ code }) => code)).to.include('ERR_BAD_OUTCOME');
    });

    it('twice, the second time late, does not answer for the next change set', async () => {
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

    it('unasked is warned of', async () => {
      await stage.manager.attach(
        (changes$) =>
          new Observable<Outcome>((subscriber) => {
            subscriber.next({ generation: 0, target: 'eager', status: 'applied', skipped: [] });
            return changes$.pipe(map(applied)).subscribe(subscriber);
          }),
      );
      expect(stage.warnings.map(({ code }) => code)).to.deep.equal(['ERR_BAD_OUTCOME']);
    });

    it('later holds up the command until then', async () => {
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
