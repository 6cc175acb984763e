import { expect } from 'chai';
import { filter, NEVER, of, switchMap, timer } from 'rxjs';
import {
  DmaMapError,
  DmaUnmapError,
  ensureMapped,
  fanOut,
  MemoryRange,
  RegionManager,
  toTarget,
  withTimeout,
  type ChangeSet,
  type DmaError,
  type Outcome,
  type RegionEdit,
} from '../../../streams/index.js';
import { addRam, FakeVaMapper, mapOf, marbleTest, RecordingTarget, type Reply } from '../../../testing/index.js';
import { nextTurn } from '../support/phrases.js';

/** A target of which some calls hang until they are ended. */
class Hanging extends RecordingTarget {
  readonly end: (how?: Error) => Promise<void>;
  #hangs: (text: string) => boolean = () => false;

  constructor(
    options: {
      readonly batches?: boolean;
      readonly sets?: boolean;
      readonly name?: string;
      readonly needsVa?: boolean;
    } = {},
  ) {
    let settle: ((how?: Error) => void) | undefined;
    const reply: Reply = ({ text }) =>
      this.#hangs(text)
        ? new Promise<void>((resolve, reject) => {
            settle = (how) => {
              if (how === undefined) {
                resolve();
              } else {
                reject(how);
              }
            };
          })
        : undefined;
    super({ ...options, reply });
    this.end = async (how) => {
      this.#hangs = () => false;
      settle?.(how);
      await nextTurn();
    };
  }

  hangAt(prefix: string): void {
    this.#hangs = (text) => text.startsWith(prefix);
  }
}

function failureOf(command: Promise<unknown>): Promise<DmaError> {
  return command.then(
    () => expect.fail('the command succeeded'),
    (error: unknown) => error as DmaError,
  );
}

const RANGE = '0x4000-0x5000';

describe('withTimeout', () => {
  it('passes on what is answered in time, and fails what is not, in its frame; then the branch works again', () => {
    const target = new RecordingTarget({ reply: ({ number }) => timer(number === 1 ? 12 : 2) });
    marbleTest(({ sets, expectOutcomes, expectCalls }) => {
      const sets$ = sets('a---b-------c------d---|', {
        a: { maps: ['0x0-0x1000'] },
        b: { maps: ['0x2000-0x3000'] },
        c: { maps: ['0x4000-0x5000'] },
        d: { maps: ['0x4000-0x5000'] },
      });
      // The call of b ends in frame 16: until then no other one is made.
      expectOutcomes(sets$.pipe(withTimeout(5, toTarget(target)))).toBe('--a------b--c--------d-|', {
        a: '1 applied',
        b: '2 failed ETIMEDOUT',
        c: '3 failed ERR_TARGET_PENDING',
        d: '4 applied',
      });
      expectCalls(target).toBe('a---b--------------d', {
        a: 'map 0x0-0x1000 rw',
        b: 'map 0x2000-0x3000 rw',
        d: 'map 0x4000-0x5000 rw',
      });
    });
    expect(target.violations).to.deep.equal([]);
  });

  it('gives each further call of the set the same time', () => {
    const target = new RecordingTarget({ reply: () => timer(4) });
    const [slow, quick] = [new RecordingTarget({ name: 'slow', reply: () => NEVER }), target];
    marbleTest(({ sets, expectOutcomes, expectCalls }) => {
      const sets$ = sets('a--------------|', { a: { maps: ['0x0-0x1000'] } });
      expectOutcomes(sets$.pipe(withTimeout(5, fanOut(toTarget(quick), toTarget(slow))))).toBe('---------a-----|', {
        a: '1 failed ETIMEDOUT',
      });
      expectCalls(quick).toBe('m----u', { m: 'map 0x0-0x1000 rw', u: 'unmap 0x0-0x1000' });
    });
    expect([...quick.violations, ...slow.violations]).to.deep.equal([]);
  });

  for (const batches of [false, true]) {
    describe(`around a target ${batches ? 'with' : 'without'} batches whose map does not end`, () => {
      let target: Hanging;
      let other: RecordingTarget;
      let va: FakeVaMapper;
      let manager: RegionManager;
      let attachment: Awaited<ReturnType<RegionManager['attach']>>;
      let error: DmaError;

      const add = (): Promise<unknown> =>
        manager.transaction((edit) => {
          for (const range of ['0x4000-0x5000', '0x8000-0x9000']) {
            addTo(edit, range);
          }
        });

      beforeEach(async () => {
        target = new Hanging({ batches, sets: true, needsVa: true });
        other = new RecordingTarget({ name: 'other' });
        va = new FakeVaMapper();
        manager = new RegionManager({ vaMapper: va, hostAddresses: 'always' });
        await manager.attach(other);
        attachment = await manager.attach(
          withTimeout(5, (changes$) => changes$.pipe(ensureMapped(va), toTarget(target))),
        );
        target.hangAt('map 0x4000');
        error = await failureOf(add());
      });

      afterEach(async () => {
        await target.end();
        await manager.close();
        expect([target, other, va].flatMap(({ violations }) => violations)).to.deep.equal([]);
        expect([target, other].flatMap((one) => one.held())).to.deep.equal([]);
        expect(va.held()).to.deep.equal([]);
      });

      it('undoes the command, and names what may be mapped as stuck', () => {
        expect(error).to.be.an.instanceOf(DmaMapError);
        expect(error).to.include({ code: 'ETIMEDOUT', target: 'T' });
        expect(error.message).to.contain('"T" has not answered generation 1 within 5 ms');
        const stuck = (error as DmaMapError).stuck.map(({ range }) => range.toString());
        expect(stuck).to.deep.equal(batches ? ['0x4000-0x5000', '0x8000-0x9000'] : ['0x4000-0x5000']);
        expect(attachment.ledger().map((entry) => entry.stuck)).to.deep.equal(stuck.map(() => true));
        expect(other.held()).to.deep.equal([]);
      });

      it('makes no call before it has ended', async () => {
        target.takeCalls();
        expect(await failureOf(attachment.retryStuck())).to.include({ code: 'ERR_TARGET_PENDING' });
        expect(await failureOf(attachment.verify())).to.include({ code: 'ERR_TARGET_PENDING' });
        expect((await failureOf(add())).code).to.equal('ERR_RANGE_STUCK');
        expect((await failureOf(addRam(manager, '0x20000-0x21000'))).code).to.equal('ERR_TARGET_PENDING');
        expect(target.calls).to.deep.equal([]);
      });

      it('unmaps it again when it has ended', async () => {
        await target.end();
        expect(va.held()).to.not.deep.equal([]);
        target.takeCalls();
        await attachment.retryStuck();
        expect(target.calls.filter((text) => text.startsWith('unmap'))).to.have.lengthOf(batches ? 2 : 1);
        expect([target.held(), attachment.ledger(), va.held()]).to.deep.equal([[], [], []]);
        await add();
        expect(target.held()).to.have.lengthOf(2);
      });

      it('forgets it without a call when the map has failed', async () => {
        await target.end(new Error('late'));
        target.takeCalls();
        await attachment.retryStuck();
        expect(target.calls.filter((text) => text.startsWith('unmap 0x4000'))).to.deep.equal([]);
        expect([target.held(), attachment.ledger(), va.held()]).to.deep.equal([[], [], []]);
      });

      it('is cleared by the next map of these addresses', async () => {
        await target.end();
        await add();
        expect(target.held()).to.deep.equal(other.held());
        expect(attachment.ledger().some(({ stuck }) => stuck)).to.equal(false);
      });

      it('ends the attachment when it says late that the target is gone', async () => {
        await target.end(Object.assign(new Error('late'), { code: 'ERR_TARGET_GONE' }));
        await attachment.verify().catch(() => undefined);
        expect(attachment.phase).to.equal('gone');
        expect(va.held()).to.deep.equal([]);
      });
    });

    it(`lets an unmap take effect that does not end, ${batches ? 'with' : 'without'} batches: what it unmaps is stuck until it has ended`, async () => {
      const target = new Hanging({ batches, sets: true });
      const manager = new RegionManager();
      const attachment = await manager.attach(withTimeout(5, toTarget(target)));
      const regions = [await addRam(manager, '0x4000-0x5000'), await addRam(manager, '0x8000-0x9000')];
      target.hangAt('unmap 0x4000');
      const remove = manager.transaction((edit) => {
        for (const region of regions) {
          edit.removeRegion(region);
        }
      });
      const error = await failureOf(remove);
      expect(error).to.be.an.instanceOf(DmaUnmapError).with.property('code', 'ETIMEDOUT');
      expect((error as DmaUnmapError).stuck.map(({ range }) => range.toString())).to.deep.equal([
        '0x4000-0x5000',
        '0x8000-0x9000',
      ]);
      await target.end();
      target.takeCalls();
      await attachment.retryStuck();
      // What the late call has unmapped is not unmapped again.
      expect(target.calls.filter((text) => text.startsWith('unmap'))).to.deep.equal(
        batches ? [] : ['unmap 0x8000-0x9000'],
      );
      expect([target.held(), attachment.ledger(), target.violations]).to.deep.equal([[], [], []]);
      await manager.close();
    });
  }

  for (const call of ['begin', 'end']) {
    it(`tells a target once of each set, where '${call}' does not end in time`, async () => {
      const target = new Hanging({ sets: true });
      const warnings: string[] = [];
      const manager = new RegionManager({ onWarning: ({ code }) => warnings.push(code) });
      const attachment = await manager.attach(withTimeout(5, toTarget(target)));
      target.hangAt(call);
      const adding = addRam(manager, RANGE).then(
        () => 'added',
        (error: unknown) => (error as DmaError).code,
      );
      if (call === 'begin') {
        expect(await adding).to.equal('ETIMEDOUT');
      } else {
        await nextTurn();
        expect(attachment.pending).to.equal(false); // `endSet` follows the answer: it is outside of the branch.
      }
      await target.end();
      await adding;
      await addRam(manager, '0x20000-0x21000');
      await manager.close();
      expect([target.held(), target.violations]).to.deep.equal([[], []]);
    });
  }

  it('counts a map that an undo does not make in time as stuck and missing; heal() mends it', async () => {
    for (const how of [undefined, new Error('late')]) {
      const target = new Hanging();
      const other = new RecordingTarget({ name: 'other' }).failRange('0x8000-0x9000');
      const manager = new RegionManager();
      const attachment = await manager.attach(withTimeout(5, toTarget(target)));
      const region = await addRam(manager, RANGE);
      await manager.attach(other);
      target.hangAt('map 0x4000');
      const error = await failureOf(
        manager.transaction((edit) => {
          edit.removeRegion(region);
          addTo(edit, '0x8000-0x9000');
        }),
      );
      expect((error as DmaMapError).missing.map(({ range }) => range.toString())).to.deep.equal([RANGE]);
      expect((await failureOf(attachment.heal())).code).to.equal('ERR_TARGET_PENDING');
      await target.end(how);
      await attachment.heal();
      expect(target.held().map(String)).to.deep.equal([RANGE]);
      expect(attachment.ledger().map(({ stuck }) => stuck)).to.deep.equal([false]);
      expect([attachment.missing(), await attachment.verify()]).to.deep.equal([[], []]);
      await manager.close();
      expect([...target.violations, ...other.violations]).to.deep.equal([]);
    }
  });

  it('ends a branch in which an operator holds a set; unmaps are served at its targets', async () => {
    const target = new RecordingTarget();
    const manager = new RegionManager();
    const region = await addRam(manager, RANGE);
    let swallows = false;
    const attachment = await manager.attach(
      withTimeout(5, (changes$) =>
        changes$.pipe(
          filter(() => !swallows),
          toTarget(target),
        ),
      ),
    );
    swallows = true;
    await region.remove();
    expect(target.held()).to.deep.equal([]);
    expect(await failureOf(addRam(manager, '0x8000-0x9000'))).to.include({ code: 'ETIMEDOUT' });
    await attachment.detach();
    await manager.close();
    expect(target.violations).to.deep.equal([]);
  });

  it('counts what a branch without a known target was to map as stuck', async () => {
    const manager = new RegionManager();
    const attachment = await manager.attach(
      withTimeout(5, (changes$) => changes$.pipe(switchMap((set) => (set.maps.length > 0 ? NEVER : of(applied(set)))))),
    );
    const error = await failureOf(addRam(manager, RANGE));
    expect((error as DmaMapError).stuck.map(({ range }) => range.toString())).to.deep.equal([RANGE]);
    expect(attachment.ledger().map(({ stuck }) => stuck)).to.deep.equal([true]);
    await attachment.detach({ abandon: true });
    await manager.close();
  });

  it('leaves no timer behind when the branch ends while a set is open', async () => {
    const target = new Hanging();
    const manager = new RegionManager();
    const attachment = await manager.attach(withTimeout(100_000, toTarget(target)));
    target.hangAt('map');
    const adding = failureOf(addRam(manager, RANGE));
    await nextTurn();
    await attachment.detach({ abandon: true });
    expect(await adding).to.have.property('code', 'ERR_TARGET_GONE');
    await manager.close();
    expect(process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length).to.be.at.most(1);
  });

  for (const [ms, message] of [
    [0, 'the time of withTimeout must be 1 to 2147483647 milliseconds, not 0'],
    [Infinity, 'the time of withTimeout must be 1 to 2147483647 milliseconds, not Infinity'],
    ['5' as never, "the time of withTimeout must be a number of milliseconds, not '5'"],
  ] as const) {
    it(`refuses wrong arguments: ${message}`, () => {
      expect(() => withTimeout(ms, () => NEVER)).to.throw(message);
    });
  }
});

function applied({ generation }: ChangeSet): Outcome {
  return { generation, target: 'mine', status: 'applied', skipped: [] };
}

function addTo(edit: RegionEdit, text: string): void {
  const range = MemoryRange.parse(text);
  const region = edit.addRegion({ name: text, range, type: 'ram' });
  const { backing } = mapOf(range);
  edit.addMapping(region, { rangeInRegion: MemoryRange.of(0n, range.length), backing, writable: true });
  edit.map(region, { writable: true });
}
