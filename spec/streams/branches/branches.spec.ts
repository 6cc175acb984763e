import { expect } from 'chai';
import { filter, map, mergeWith, Observable, tap, zipWith } from 'rxjs';
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
import { addRegion, ledgerOf, mapping, range, rejectionOf, texts } from '../support/phrases.js';
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
      target.clearFailures();
      await attachment.heal();
      log('healed');
      target.failAll('unmap 0x0', 'EBUSY');
      const stuck = await rejectionOf(region.removeMappings(range(0x0, 0x3000)));
      log(`${stuck.name} ${String(stuck.code)}`);
      target.clearFailures();
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

    it('behaves so also within fanOut', async () => {
      const plain = await life((_, target) => target);
      const byHand = await life((one, target) =>
        fanOut((changes$) => changes$.pipe(ensureMapped(one.va), toTarget(target))),
      );
      expect(byHand).to.deep.equal(plain);
    });

    it('can filter what its target gets', async () => {
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

    it('is refused when it contains a target that is attached already, or the same target twice', async () => {
      const target = stage.target();
      const attachment = await stage.manager.attach(target);
      const again: TargetBranch = (changes$) => changes$.pipe(toTarget(target));
      expect(await rejectionOf(stage.manager.attach(again))).to.include({ code: 'ERR_ALREADY_ATTACHED' });
      await attachment.detach();
      const twice = fanOut(toTarget(target), toTarget(target));
      expect(await rejectionOf(stage.manager.attach(twice))).to.include({ code: 'ERR_ALREADY_ATTACHED' });
      await stage.manager.attach(again);
    });

    it('gets the lists of the sets themselves, frozen with all that is in them, and not copies', async () => {
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      const seen: ChangeSet[][] = [[], []];
      for (const [index, list] of seen.entries()) {
        await stage.manager.attach((changes$) =>
          changes$.pipe(
            tap((set) => list.push(set)),
            ensureMapped(stage.va),
            tap((set) => {
              expect(Object.isFrozen(set.maps[0] ?? set)).to.equal(true);
            }),
            toTarget(stage.target({ name: `T${index}` })),
          ),
        );
      }
      await region.addMapping(mapping(0x2000, 0x3000));
      await region.removeMappings(range(0x0, 0x1000));
      const [first = [], second = []] = seen.map((list) => list.slice(1));
      expect(first).to.have.length(2);
      first.forEach((set, index) => {
        const { maps, unmaps } = set;
        expect(maps).to.equal(second[index]?.maps);
        expect(unmaps).to.equal(second[index]?.unmaps);
        for (const part of [set, maps, unmaps, ...maps, ...unmaps, ...unmaps.map(({ covers }) => covers)]) {
          expect(Object.isFrozen(part)).to.equal(true);
        }
        expect(maps.every(({ backing }) => Object.isFrozen(backing))).to.equal(true);
      });
      expect(Object.keys(first[0] ?? {})).to.have.members(['generation', 'snapshot', 'unmaps', 'maps']);
    });

    for (const way of ['at its start', 'within fanOut'] as const) {
      it(`can withhold whole sets from its target, ${way}: their unmaps make no call there`, async () => {
        const target = stage.target();
        const isWanted = (set: ChangeSet): boolean =>
          [...set.maps, ...set.unmaps].every(({ region }) => region === 'mine');
        const branch: TargetBranch = (changes$) =>
          changes$.pipe(
            filter(isWanted),
            toTarget(target),
            mergeWith(
              changes$.pipe(
                filter((set) => !isWanted(set)),
                map(applied),
              ),
            ),
          );
        const attachment = await stage.manager.attach(way === 'at its start' ? branch : fanOut(branch));
        const mine = await addRegion(stage.manager, 0x0, 0x10000, { name: 'mine', mappings: [mapping(0x0, 0x1000)] });
        const other = await addRegion(stage.manager, 0x10000, 0x20000, {
          name: 'other',
          mappings: [mapping(0x0, 0x1000)],
        });
        expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw']);
        await other.remove();
        await mine.remove();
        expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw', 'unmap 0x0-0x10000']);
      });
    }

    it('knows its targets behind operators of RxJS, and does not behind an observable that is made otherwise', async () => {
      const target = stage.target();
      const known: TargetBranch = (changes$) =>
        changes$.pipe(
          map((set) => ({ ...set })),
          toTarget(target),
          map((outcome) => ({ ...outcome })),
          tap(),
        );
      const attachment = await stage.manager.attach(known);
      expect(attachment.target).to.equal('T');
      expect(await rejectionOf(stage.manager.attach(target))).to.include({ code: 'ERR_ALREADY_ATTACHED' });
      await attachment.detach();
      const wrapped = await stage.manager.attach((changes$) => {
        const outcomes$ = toTarget(target)(changes$);
        return new Observable((subscriber) => outcomes$.subscribe(subscriber));
      });
      expect(wrapped.target).to.equal('branch');
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      expect(ledgerOf(wrapped)).to.deep.equal(['0x0-0x1000 rw']);
      await region.remove();
      expect(ledgerOf(wrapped)).to.deep.equal([]);
    });

    it('counts as one without known targets where it combines them otherwise than by fanOut: nothing is forgotten', async () => {
      const [a, b] = [stage.target({ name: 'a' }), stage.target({ name: 'b' })];
      const attachment = await stage.manager.attach((changes$) =>
        toTarget(a)(changes$).pipe(
          zipWith(toTarget(b)(changes$)),
          map(([one, other]) => (other.status === 'failed' ? other : one)),
        ),
      );
      expect(attachment.target).to.equal('branch');
      const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
      b.failAll('unmap', 'EBUSY');
      expect(await rejectionOf(region.removeMappings(range(0x0, 0x1000)))).to.be.instanceOf(DmaUnmapError);
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw stuck']);
      b.clearFailures();
      await attachment.retryStuck();
      expect(ledgerOf(attachment)).to.deep.equal([]);
    });

    it('emits one outcome for each step that is delivered', async () => {
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

  describe('that does not end in toTarget', () => {
    it('has a ledger of the mappings that it has acknowledged', async () => {
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

    it('causes an undo of the command when it fails a map', async () => {
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

    it('holds all mappings of a failed unmap as stuck, until it acknowledges their unmap', async () => {
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

    it('holds only those mappings as stuck that its outcome names', async () => {
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

    it('can skip device maps, and fail the maps of an undo', async () => {
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
});
