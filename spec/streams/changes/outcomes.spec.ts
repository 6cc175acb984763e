import { expect } from 'chai';
import { map } from 'rxjs';
import {
  DmaError,
  type DmaMapError,
  fanOut,
  type Attachment,
  type ChangeSet,
  type DmaTarget,
  type Outcome,
  type Region,
  type TargetBranch,
  type TargetRange,
  toTarget,
} from '../../../streams/index.js';
import { addRegion, ledgerOf, mapping, range, rejectionOf, texts, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

const places = (list: readonly TargetRange[] | undefined): string[] =>
  (list ?? []).map((at) => `${at.target} ${at.range.toString()}`);

/** What an error of a command says. */
function told(error: Error & Record<string, unknown>): Record<string, unknown> {
  const { name, code, target, region, undone, missing, stuck } = error as unknown as DmaMapError;
  const at = String(error['range']);
  return { name, code, target, region, at, undone: places(undone), missing: places(missing), stuck: places(stuck) };
}

const copied = (target: DmaTarget): TargetBranch => {
  return (changes$) =>
    changes$.pipe(
      toTarget(target),
      map((outcome) => ({ ...outcome })),
    );
};

describe('RegionManager: the details of an outcome', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  describe('with a failure', () => {
    /** Three mappings of one transaction, over one that is there; what fails is what the caller makes fail. */
    async function fail(attach: (target: DmaTarget) => DmaTarget | TargetBranch): Promise<unknown[]> {
      const one = new Stage();
      const target = one.target();
      const attachment = await one.manager.attach(attach(target));
      const outcomes: unknown[] = [];
      attachment.outcomes$.subscribe(({ status, failedAt, undone, stuck, missing }) => {
        const at = failedAt === undefined ? '' : `${failedAt.target} ${failedAt.region} ${failedAt.range.toString()}`;
        outcomes.push([status, at, places(undone), places(stuck), places(missing)]);
      });
      const region = await addRegion(one.manager, 0x0, 0x10000, { mappings: [mapping(0x8000, 0x9000)] });
      const change = (): Promise<unknown> =>
        one.manager.transaction((edit) => {
          edit.removeMappings(region, range(0x8000, 0x9000));
          for (const page of [0x0, 0x2000, 0x4000]) {
            edit.addMapping(region, mapping(page, page + 0x1000));
          }
        });
      const errors: unknown[] = [];
      // The calls: unmap 0x8000, map 0x0, 0x2000 and 0x4000; then unmap 0x2000 and 0x0, map 0x8000.
      for (const calls of [[3], [3, 4], [3, 6]] as const) {
        target.takeCalls();
        calls.forEach((call) => target.failCall(call, 'ENOMEM'));
        errors.push(told(await rejectionOf(change())));
        target.clearFailures();
        errors.push(ledgerOf(attachment), texts(attachment.missing()));
        await attachment.heal();
      }
      target.failAll('unmap', 'EBUSY');
      errors.push(told(await rejectionOf(region.unmap())), ledgerOf(attachment));
      one.expectContractsKept();
      return [...errors, ...outcomes];
    }

    for (const [how, attach] of [
      ['a copy behind toTarget', copied],
      ['a copy inside fanOut', (target: DmaTarget) => fanOut(copied(target))],
      [
        'a copy behind fanOut',
        (target: DmaTarget): TargetBranch =>
          (changes$) =>
            changes$.pipe(
              fanOut(toTarget(target)),
              map((outcome) => ({ ...outcome })),
            ),
      ],
    ] as const) {
      it(`are the same in ${how}`, async () => {
        const plain = await fail((target) => target);
        expect(await fail(attach)).to.deep.equal(plain);
        const [undone] = plain as [{ readonly undone: unknown }];
        expect(undone.undone).to.deep.equal(['T 0x2000-0x3000', 'T 0x0-0x1000']);
      });
    }

    it('are also in the error of an attach', async () => {
      await addRegion(stage.manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000), mapping(0x4000, 0x5000)],
      });
      const target = stage.target().failAll('map 0x4000', 'ENOMEM');
      const error = told(await rejectionOf(stage.manager.attach(copied(target))));
      expect(error).to.include({ code: 'ENOMEM', target: 'T', at: '0x4000-0x5000' });
      expect(error['undone']).to.deep.equal(['T 0x2000-0x3000', 'T 0x0-0x1000']);
    });

    it('include region and range of the map, also if the error of the target has neither', async () => {
      const plain: DmaTarget = {
        name: 'plain',
        mapDma: () => {
          throw new DmaError('no', { code: 'ENOMEM' });
        },
        unmapDma: () => undefined,
      };
      const region = await addRegion(stage.manager, 0x0, 0x10000);
      await stage.manager.attach(copied(plain));
      const error = told(await rejectionOf(region.addMapping(mapping(0x0, 0x1000))));
      expect(error).to.include({ target: 'plain', region: 'ram', at: '0x0-0x1000' });
    });
  });

  describe('of a custom branch', () => {
    let region: Region;
    let attachment: Attachment;
    let answer: (set: ChangeSet) => Partial<Outcome>;

    beforeEach(async () => {
      answer = () => ({});
      attachment = await stage.manager.attach((changes$) =>
        changes$.pipe(
          map((set): Outcome => ({
            generation: set.generation,
            target: 'mine',
            status: 'applied',
            skipped: [],
            ...answer(set),
          })),
        ),
      );
      region = await addRegion(stage.manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
      });
    });

    it('are used: the map that failed, and the maps that were undone', async () => {
      answer = ({ maps }) =>
        maps.length === 0
          ? {}
          : {
              status: 'failed',
              error: new DmaError('no', { code: 'ENOMEM' }),
              failedAt: { target: 'inner', region: 'r', range: range(0x5000, 0x6000) },
              undone: [{ target: 'inner', range: range(0x4000, 0x5000) }],
            };
      const error = told(await rejectionOf(region.addMapping(mapping(0x4000, 0x6000))));
      expect(error).to.include({ target: 'inner', region: 'r', at: '0x5000-0x6000' });
      expect(error['undone']).to.deep.equal(['inner 0x4000-0x5000']);
    });

    it('are used: the maps that are stuck, and the maps that are missing', async () => {
      const one = [{ target: 'mine', range: range(0x2000, 0x3000) }];
      answer = ({ unmaps }) =>
        unmaps.length === 0 ? {} : { status: 'failed', error: new DmaError('no', { code: 'EBUSY' }), stuck: one };
      expect(told(await rejectionOf(region.unmap()))['stuck']).to.deep.equal(['mine 0x2000-0x3000']);
      expect(ledgerOf(attachment)).to.deep.equal(['0x2000-0x3000 rw stuck']);
      answer = () => ({});
      await attachment.heal();
      await region.map({ writable: true });
      const error = new DmaError('no', { code: 'ENOMEM' });
      answer = ({ maps, undo }) =>
        maps.length === 0 ? {} : { status: 'failed', error, ...(undo ? { missing: one } : {}) };
      expect(told(await rejectionOf(region.map({ writable: false })))['missing']).to.deep.equal(['mine 0x2000-0x3000']);
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw']);
      expect(texts(attachment.missing())).to.deep.equal(['0x2000-0x3000']);
    });

    for (const garbage of [
      null,
      7,
      'text',
      {},
      [undefined],
      [{ target: 'mine' }],
      [{ target: 7, range: range(0x0, 0x1000) }],
      { target: 'mine', range: range(0x0, 0x1000), region: 7 },
    ] as const) {
      for (const key of ['failedAt', 'undone', 'stuck', 'missing'] as const) {
        it(`are ignored with a warning if their type is wrong: ${key}: ${JSON.stringify(garbage)}`, async () => {
          for (const status of ['applied', 'failed'] as const) {
            answer = () => ({ status, [key]: garbage });
            await region.addMapping(mapping(0x4000, 0x5000)).catch((error: unknown) => {
              expect(error).to.include({ name: 'DmaMapError', target: 'mine', code: 'ERR_TARGET_FAILED' });
            });
            answer = () => ({});
            await region.removeMappings(range(0x4000, 0x5000));
          }
          answer = () => ({ status: 'failed', [key]: garbage });
          expect(await rejectionOf(region.unmap())).to.include({ name: 'DmaUnmapError', target: 'mine' });
          expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw stuck', '0x2000-0x3000 rw stuck']);
          const warnings = stage.warnings.filter(({ code }) => code === 'ERR_BAD_OUTCOME');
          expect(warnings).to.have.length.above(2);
          expect(warnings[0]?.message).to.include(`${key} of an outcome must be`);
        });
      }
    }

    for (const [key, garbage] of [
      ['generation', 'one'],
      ['target', Symbol('mine')],
      ['skipped', [undefined]],
      ['skipped', [7]],
      ['error', 'text'],
      ['error', null],
    ] as const) {
      it(`never crash the manager if their type is wrong: ${key}: ${String(typeof garbage === 'object' ? JSON.stringify(garbage) : typeof garbage)}`, async () => {
        for (const status of ['applied', 'failed'] as const) {
          answer = () => ({ status, [key]: garbage });
          const settled = await region.addMapping(mapping(0x4000, 0x5000)).then(
            () => 'applied',
            (error: unknown) => {
              expect(error).to.include({ name: 'DmaMapError' });
              return 'failed';
            },
          );
          expect(settled).to.equal(status);
          answer = () => ({});
          await region.removeMappings(range(0x4000, 0x5000));
        }
        await attachment.verify();
        await stage.manager.close();
      });
    }

    it('never crash the manager if they cannot be read', async () => {
      const hostile = await stage.manager.attach((changes$) =>
        changes$.pipe(
          map(({ maps }): Outcome => {
            const plain = { generation: 0, target: 'hostile', status: 'applied' as const, skipped: [] };
            return maps.length === 0 || maps[0]?.range.start !== 0x4000n
              ? { ...plain, generation: 99 }
              : Object.defineProperty(plain, 'undone', {
                  get: () => {
                    throw new Error('hands off');
                  },
                });
          }),
        ),
      );
      const error = await rejectionOf(region.addMapping(mapping(0x4000, 0x5000)));
      expect(error).to.include({ name: 'DmaMapError', code: 'ERR_BAD_OUTCOME' });
      expect(error.message).to.include('hands off');
      await hostile.detach();
    });
  });

  describe('of a target, changed by an operator', () => {
    for (const [what, change] of [
      ['garbage', () => undefined as unknown as Outcome],
      ['a failure', (outcome: Outcome): Outcome => ({ ...outcome, status: 'failed' })],
    ] as const) {
      it(`to ${what}, do not hide the maps of the target: they are undone with the command`, async () => {
        const target = stage.target();
        const region = await addRegion(stage.manager, 0x0, 0x10000);
        const changed = (outcome: Outcome, set: ChangeSet): Outcome =>
          set.maps.length > 0 && set.undo !== true && set.generation > 0 ? change(outcome) : outcome;
        let set: ChangeSet | undefined;
        const attachment = await stage.manager.attach((changes$) =>
          changes$.pipe(
            map((one) => (set = one)),
            toTarget(target),
            map((outcome) => changed(outcome, set as ChangeSet)),
          ),
        );
        expect(await rejectionOf(region.addMapping(mapping(0x0, 0x1000)))).to.include({ name: 'DmaMapError' });
        expect(texts(target.held())).to.deep.equal([]);
        expect(ledgerOf(attachment)).to.deep.equal([]);
        expect(viewOf(stage.manager)).to.deep.equal([]);
      });
    }

    it('to omit the stuck maps, do not remove these from the ledger', async () => {
      const target = stage.target();
      const region = await addRegion(stage.manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
      });
      await stage.manager.attach((changes$) =>
        changes$.pipe(
          toTarget(target),
          map(({ generation, status, skipped, error }): Outcome => ({
            generation,
            target: 'renamed',
            status,
            skipped,
            ...(error === undefined ? {} : { error }),
          })),
        ),
      );
      target.failAll('unmap 0x2000', 'EBUSY');
      const error = told(
        await rejectionOf(
          stage.manager.transaction((edit) => {
            edit.removeMappings(region, range(0x0, 0x1000));
            edit.removeMappings(region, range(0x2000, 0x3000));
          }),
        ),
      );
      expect(error).to.include({ name: 'DmaUnmapError', code: 'EBUSY' });
      expect(error['stuck']).to.deep.equal(['T 0x2000-0x3000']);
    });
  });
});
