import { expect } from 'chai';
import { map, of, Subject, timer, type Observable } from 'rxjs';
import {
  DmaMapError,
  DmaUnmapError,
  fanOut,
  onlyType,
  RegionManager,
  toTarget,
  type ChangeSet,
  type DmaTarget,
  type Outcome,
  type Region,
} from '../../../streams/index.js';
import { addRam, mapOf, setOf, RecordingTarget, type RecordingTargetOptions } from '../../../testing/index.js';
import { addRegion, mapping, range, rejectionOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

/** Replaces a mapping by another one, so that the set has both steps. */
function replace(region: Region, manager: RegionManager): Promise<void> {
  return manager.transaction((edit) => {
    edit.removeMappings(region, range(0x0, 0x2000));
    edit.addMapping(region, mapping(0x1000, 0x3000));
  });
}

describe('A target that is told of sets', () => {
  for (const reply of ['sync', 'async'] as const) {
    describe(`and answers ${reply}`, () => {
      let stage: Stage;
      let region: Region;

      beforeEach(async () => {
        stage = new Stage();
        region = await addRegion(stage.manager, 0x0, 0x10000);
        await region.addMapping(mapping(0x0, 0x2000));
      });

      afterEach(() => {
        stage.expectContractsKept();
      });

      const attach = (name: string, options: RecordingTargetOptions = {}) => {
        const target = stage.target({ name, reply, ...options });
        return stage.manager.attach(target).then((attachment) => ({ target, attachment }));
      };

      it('gets the begin before its first call and the end after the last call of all targets', async () => {
        await attach('kvm', { sets: true });
        await attach('device');
        stage.takeJournal();
        await replace(region, stage.manager);
        expect(stage.takeJournal()).to.deep.equal([
          'device: unmap 0x0-0x2000',
          'kvm: begin 2',
          'kvm: unmap 0x0-0x2000',
          'kvm: map 0x1000-0x3000 rw',
          'device: map 0x1000-0x3000 rw',
          'kvm: end 2',
        ]);
      });

      it('gets one begin and one end for a set that is undone', async () => {
        await attach('kvm', { sets: true, batches: true });
        const { target: device } = await attach('device');
        stage.takeJournal();
        device.failAll('map 0x1000');
        expect(await rejectionOf(replace(region, stage.manager))).to.be.instanceOf(DmaMapError);
        expect(stage.takeJournal()).to.deep.equal([
          'device: unmap 0x0-0x2000',
          'kvm: begin 2',
          'kvm: unmap 0x0-0x2000',
          'kvm: map 0x1000-0x3000 rw',
          'device: map 0x1000-0x3000 rw -> EIO',
          'kvm: unmap 0x1000-0x3000',
          'kvm: map 0x0-0x2000 rw',
          'device: map 0x0-0x2000 rw',
          'kvm: end 2',
        ]);
      });

      it('gets them for an attach, also for one that fails, for a detach, and for a repair', async () => {
        const failing = stage.target({ name: 'kvm', reply, sets: true }).failAll('map');
        await rejectionOf(stage.manager.attach(failing));
        expect(stage.takeJournal()).to.deep.equal(['kvm: begin 1', 'kvm: map 0x0-0x2000 rw -> EIO', 'kvm: end 1']);
        const { target, attachment } = await attach('second', { sets: true });
        target.failAll('unmap');
        await rejectionOf(region.unmap());
        target.clearFailures();
        stage.takeJournal();
        await attachment.retryStuck();
        await attachment.heal();
        await region.map({ writable: true });
        await attachment.detach();
        expect(stage.takeJournal()).to.deep.equal([
          'second: begin 2',
          'second: unmap 0x0-0x2000',
          'second: end 2',
          'second: begin 3',
          'second: map 0x0-0x2000 rw',
          'second: end 3',
          'second: begin 3',
          'second: unmap 0x0-0x2000',
          'second: end 3',
        ]);
      });

      it('whose begin fails gets no call of the set, and no end: its maps fail, and its unmaps leave mappings stuck', async () => {
        const { target, attachment } = await attach('kvm', { sets: true });
        stage.takeJournal();
        target.failAll('begin');
        const refused = await rejectionOf(region.addMapping(mapping(0x4000, 0x5000)));
        expect(refused).to.be.instanceOf(DmaMapError);
        expect(refused).to.include({ code: 'EIO', target: 'kvm' });
        const kept = await rejectionOf(region.removeMappings(range(0x0, 0x2000)));
        expect((kept as unknown as DmaUnmapError).stuck.map((at) => at.range.toString())).to.deep.equal(['0x0-0x2000']);
        target.clearFailures();
        await attachment.retryStuck();
        expect(stage.takeJournal()).to.deep.equal([
          'kvm: begin 2 -> EIO',
          'kvm: begin 2 -> EIO',
          'kvm: begin 2',
          'kvm: unmap 0x0-0x2000',
          'kvm: end 2',
        ]);
        expect(target.held()).to.deep.equal([]);
      });

      it('whose end fails has done the set, and the manager warns', async () => {
        const { target } = await attach('kvm', { sets: true });
        target.failAll('end');
        await region.addMapping(mapping(0x4000, 0x5000));
        expect(target.held()).to.have.length(2);
        expect(stage.warnings.map(({ code, target: name }) => [code, name])).to.deep.equal([['EIO', 'kvm']]);
      });

      it('gets the end also where a command unmaps only what was stuck', async () => {
        const { target } = await attach('kvm', { sets: true });
        target.failAll('unmap');
        await rejectionOf(region.removeMappings(range(0x0, 0x2000)));
        target.clearFailures();
        await region.unmap();
        stage.takeJournal();
        await region.addMapping({ rangeInRegion: range(0x0, 0x2000), backing: 'private', writable: true });
        expect(stage.takeJournal().filter((call) => call.startsWith('kvm'))).to.deep.equal([
          'kvm: begin 3',
          'kvm: unmap 0x0-0x2000',
          'kvm: end 3',
        ]);
      });

      it('is not told of a set of which it gets nothing', async () => {
        const target = stage.target({ name: 'kvm', reply, sets: true });
        await stage.manager.attach((changes$) => changes$.pipe(onlyType('device'), toTarget(target)));
        stage.takeJournal();
        await region.addMapping(mapping(0x4000, 0x5000));
        expect(stage.takeJournal()).to.deep.equal([]);
      });

      it('gets the end after the calls of all targets, also inside of fanOut and of a branch that hides it', async () => {
        const [left, right, hidden] = ['left', 'right', 'hidden'].map((name) =>
          stage.target({ name, reply, sets: true }),
        ) as [RecordingTarget, RecordingTarget, RecordingTarget];
        await stage.manager.attach(fanOut(toTarget(left), toTarget(right)));
        const hiding = toTarget(hidden);
        await stage.manager.attach((changes$) => map2(hiding(changes$)));
        stage.takeJournal();
        await region.addMapping(mapping(0x4000, 0x5000));
        expect(stage.takeJournal()).to.deep.equal([
          'left: begin 2',
          'left: map 0x4000-0x5000 rw',
          'right: begin 2',
          'right: map 0x4000-0x5000 rw',
          'hidden: begin 2',
          'hidden: map 0x4000-0x5000 rw',
          'left: end 2',
          'right: end 2',
          'hidden: end 2',
        ]);
      });
    });
  }

  /** An observable that does not tell the targets of its source. */
  function map2(outcomes$: Observable<Outcome>): Observable<Outcome> {
    const copy$ = new Subject<Outcome>();
    outcomes$.subscribe(copy$);
    return copy$.pipe(map((outcome) => outcome));
  }

  it('holds the command until the end of the set has been answered', async () => {
    const end$ = new Subject<never>();
    const target: DmaTarget = {
      name: 'kvm',
      mapDma: () => undefined,
      unmapDma: () => undefined,
      beginSet: () => timer(1),
      endSet: () => end$,
    };
    const manager = new RegionManager();
    await manager.attach(target);
    let ended = false;
    const adding = addRam(manager, range(0x0, 0x1000)).then(() => {
      ended = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(ended).to.equal(false);
    end$.complete();
    await adding;
  });

  describe('without a manager', () => {
    const set: ChangeSet = setOf(5, { maps: [mapOf('0x0-0x1000')] });

    it('gets begin and end around each set', () => {
      const target = new RecordingTarget({ sets: true });
      const outcomes: Outcome[] = [];
      toTarget(target)(of(set)).subscribe((outcome) => outcomes.push(outcome));
      expect(target.takeCalls()).to.deep.equal(['begin 5', 'map 0x0-0x1000 rw', 'end 5']);
      expect(outcomes.map(({ status }) => status)).to.deep.equal(['applied']);
    });

    it('gets the end after the calls of all branches of fanOut', () => {
      const journal: string[] = [];
      const targets = ['a', 'b'].map((name) => new RecordingTarget({ name, journal, sets: true }));
      fanOut(...targets.map(toTarget))(of(set)).subscribe();
      expect(journal).to.deep.equal([
        'a: begin 5',
        'a: map 0x0-0x1000 rw',
        'b: begin 5',
        'b: map 0x0-0x1000 rw',
        'a: end 5',
        'b: end 5',
      ]);
    });

    it('whose end fails has a failed outcome, with nothing undone', () => {
      const target = new RecordingTarget({ sets: true }).failAll('end');
      const outcomes: Outcome[] = [];
      toTarget(target)(of(set)).subscribe((outcome) => outcomes.push(outcome));
      expect(outcomes.map(({ status, error, undone }) => [status, error?.code, undone])).to.deep.equal([
        ['failed', 'EIO', undefined],
      ]);
      expect(target.held()).to.have.length(1);
    });
  });
});
