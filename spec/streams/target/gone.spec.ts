import { expect } from 'chai';
import { DmaError, toTarget, type Attachment, type Region } from '../../../streams/index.js';
import { marbleTest, outcomeText, RecordingTarget, type RecordingTargetOptions } from '../../../testing/index.js';
import { addRegion, gate, ledgerOf, mapping, nextTurn, range, rejectionOf, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

const GONE = 'ERR_TARGET_GONE';

const KINDS: readonly (readonly [string, Omit<RecordingTargetOptions, 'name' | 'journal'>])[] = [
  ['sync', {}],
  ['sync, needs addresses', { needsVa: true }],
  ['sync, told of sets', { sets: true }],
  ['async', { reply: 'async' }],
  ['batches', { batches: true }],
  ['async batches, exact', { batches: true, reply: 'async', unmapShape: 'exact' }],
  ['concurrent', { concurrent: true, reply: 'async' }],
];

for (const [kind, options] of KINDS) {
  describe(`a target that is gone (${kind})`, () => {
    let stage: Stage;
    let left: RecordingTarget;
    let target: RecordingTarget;
    let right: RecordingTarget;
    let attachment: Attachment;
    let region: Region;
    let outcomes: string[];

    beforeEach(async () => {
      stage = new Stage();
      left = stage.target({ ...options, name: 'left' });
      target = stage.target({ ...options, name: 'peer' });
      right = stage.target({ ...options, name: 'right' });
      await stage.manager.attach(left);
      attachment = await stage.manager.attach(target);
      await stage.manager.attach(right);
      region = await addRegion(stage.manager, 0x0, 0x10000, {
        mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000), mapping(0x4000, 0x6000)],
      });
      outcomes = [];
      attachment.outcomes$.subscribe({
        next: (outcome) => outcomes.push(outcomeText(outcome)),
        complete: () => outcomes.push('complete'),
        error: () => outcomes.push('error'),
      });
    });

    afterEach(async () => {
      expect(stage.manager.attachments.map((one) => one.target)).to.deep.equal(['left', 'right']);
      for (const other of [left, right]) {
        expect(other.held().map(String)).to.deep.equal(viewOf(stage.manager).map((text) => text.split(' ')[0]));
      }
      expect(target.held()).to.deep.equal([]);
      expect([attachment.phase, attachment.ledger(), attachment.missing()]).to.deep.equal(['gone', [], []]);
      // What is active can be attached again, and the manager closes without an error.
      const again = await stage.manager.attach(stage.target({ ...options, name: 'peer' }));
      expect(ledgerOf(again)).to.deep.equal(viewOf(stage.manager));
      await stage.manager.close();
      expect(stage.va.held()).to.deep.equal([]);
      stage.expectContractsKept();
    });

    function expectWarned(): void {
      expect(stage.warnings.map(({ code, target: name }) => [code, name])).to.deep.equal([[GONE, 'peer']]);
    }

    it('for an unmap: the command takes effect, nothing is stuck', async () => {
      target.failAll('unmap', GONE);
      await region.removeMappings(range(0x0, 0x3000));
      expect(viewOf(stage.manager)).to.deep.equal(['0x4000-0x6000 rw']);
      expect(outcomes.map((text) => text.replace(/^\d+ /, ''))).to.deep.equal([`failed ${GONE}`, 'complete']);
      expectWarned();
    });

    it('for the second unmap of a set: the third is not called', async () => {
      target.takeCalls();
      target.failCall(options.sets === true ? 2 : 1, GONE);
      await stage.manager.transaction((edit) => {
        edit.removeMappings(region, range(0x0, 0x1000));
        edit.removeMappings(region, range(0x4000, 0x6000));
        edit.addMapping(region, mapping(0x8000, 0x9000));
      });
      expect(viewOf(stage.manager)).to.deep.equal(['0x2000-0x3000 rw', '0x8000-0x9000 rw']);
      expect(target.calls.filter((text) => text.includes('map'))).to.have.length(2);
      expectWarned();
    });

    it('for a map: the command is undone elsewhere, and rejects', async () => {
      target.failAll('map', GONE);
      const before = viewOf(stage.manager);
      const error = await rejectionOf(
        stage.manager.transaction((edit) => {
          edit.removeMappings(region, range(0x2000, 0x3000));
          edit.addMapping(region, mapping(0x8000, 0x9000));
          edit.addMapping(region, mapping(0xa000, 0xb000));
        }),
      );
      expect(error).to.include({ name: 'DmaMapError', code: GONE, target: 'peer' });
      expect(error).to.deep.include({ stuck: [], missing: [] });
      expect(viewOf(stage.manager)).to.deep.equal(before);
      expect(outcomes.at(-2)).to.include(`failed ${GONE}`);
      expect(outcomes.at(-1)).to.equal('complete');
      expectWarned();
    });

    it('in the undo of a set that another target fails: it is undone there, and rejects with that error', async () => {
      right.failRange('0xa000-0xb000', 'ENOSPC');
      target.failWhen(({ text }) => (text === 'unmap 0x8000-0x9000' ? GONE : undefined));
      const before = viewOf(stage.manager);
      const error = await rejectionOf(
        stage.manager.transaction((edit) => {
          edit.removeMappings(region, range(0x2000, 0x3000));
          edit.addMapping(region, mapping(0x8000, 0x9000));
          edit.addMapping(region, mapping(0xa000, 0xb000));
        }),
      );
      right.clearFailures();
      expect(error).to.include({ code: 'ENOSPC', target: 'right' });
      expect(error).to.deep.include({ stuck: [], missing: [] });
      expect(viewOf(stage.manager)).to.deep.equal(before);
      expectWarned();
    });

    it('with something stuck: it no longer is', async () => {
      target.failRange('0x0-0x1000', 'EBUSY');
      await rejectionOf(region.removeMappings(range(0x0, 0x1000)));
      expect(ledgerOf(attachment)[0]).to.equal('0x0-0x1000 rw stuck');
      target.clearFailures().failAll('', GONE);
      await attachment.retryStuck();
      expectWarned();
    });

    it('while it clears what is stuck for a new map', async () => {
      target.failRange('0x0-0x1000', 'EBUSY');
      await rejectionOf(region.removeMappings(range(0x0, 0x1000)));
      target.clearFailures().failAll('', GONE);
      await region.addMapping(mapping(0x0, 0x1000));
      expect(viewOf(stage.manager)[0]).to.equal('0x0-0x1000 rw');
      expectWarned();
    });

    it('at the detach, or after it: it ends', async () => {
      target.failAll('unmap', 'EBUSY');
      await rejectionOf(attachment.detach());
      expect(stage.manager.attachments.map((one) => [one.target, one.phase])).to.deep.equal([
        ['left', 'attached'],
        ['right', 'attached'],
        ['peer', 'leaving'],
      ]);
      target.clearFailures().failAll('', GONE);
      await attachment.detach();
      expect(outcomes.at(-2)).to.include(`failed ${GONE}`);
      expect(outcomes.at(-1)).to.equal('complete');
    });
  });
}

describe('a target that is gone', () => {
  let stage: Stage;
  beforeEach(() => {
    stage = new Stage();
  });

  it('in its replay: the attach rejects, and nothing is stuck', async () => {
    await addRegion(stage.manager, 0x0, 0x4000, { mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)] });
    const target = stage.target().failCall(1, GONE);
    const error = await rejectionOf(stage.manager.attach(target));
    expect(error).to.include({ name: 'DmaMapError', code: GONE });
    expect(error).to.deep.include({ stuck: [] });
    expect(stage.manager.attachments).to.deep.equal([]);
    expect(target.calls).to.have.length(2);
  });

  it('in checkMaps: no map is made', async () => {
    const target = Object.assign(stage.target(), {
      checkMaps: () => {
        throw new DmaError('the peer has left', { code: GONE });
      },
    });
    await stage.manager.attach(target);
    expect(await rejectionOf(addRegion(stage.manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000)] }))).to.include({
      code: GONE,
    });
    expect([target.calls, stage.manager.attachments]).to.deep.equal([[], []]);
  });

  for (const [hook, rejects] of [
    ['beginSet', true],
    ['endSet', false],
  ] as const) {
    it(`in ${hook}`, async () => {
      const target = Object.assign(stage.target(), {
        [hook]: () => {
          throw new DmaError('the peer has left', { code: GONE });
        },
      });
      const attachment = await stage.manager.attach(target);
      const adding = addRegion(stage.manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000)] });
      if (rejects) {
        expect(await rejectionOf(adding)).to.include({ code: GONE });
      } else {
        await adding;
      }
      expect([attachment.phase, stage.manager.attachments, stage.warnings.map(({ code }) => code)]).to.deep.equal([
        'gone',
        [],
        [GONE],
      ]);
    });
  }

  for (const call of ['verify', 'heal'] as const) {
    it(`in ${call}(): that rejects, and the attachment ends`, async () => {
      const target = stage.target();
      await addRegion(stage.manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000)] });
      const attachment = await stage.manager.attach(
        Object.assign(target, {
          mappedRanges: () => Promise.reject(new DmaError('the peer has left', { code: GONE })),
        }),
      );
      expect(await rejectionOf(attachment[call]())).to.include({ code: GONE });
      expect([attachment.phase, attachment.ledger(), stage.manager.attachments]).to.deep.equal(['gone', [], []]);
    });
  }

  it('without a manager: maps fail from then on, unmaps have nothing to do', () => {
    marbleTest(({ sets, expectOutcomes }) => {
      const target = new RecordingTarget().failAll('unmap', GONE);
      const sets$ = sets('abcd|', {
        a: { maps: ['0x0-0x1000', '0x2000-0x3000'] },
        b: { unmaps: ['0x0-0x1000'], maps: ['0x4000-0x5000'] },
        c: { unmaps: ['0x2000-0x3000'] },
        d: { maps: ['0x4000-0x5000'] },
      });
      expectOutcomes(sets$.pipe(toTarget(target))).toBe('abcd|', {
        a: '1 applied',
        b: `2 failed ${GONE}`,
        c: '3 applied',
        d: `4 failed ${GONE}`,
      });
    });
  });

  it('is known by its code, whatever kind of error it throws', async () => {
    const odd = {
      name: 'odd',
      mapDma: () => undefined,
      unmapDma: () => Promise.reject(Object.assign(new Error('the peer has left'), { code: GONE })),
    };
    const region = await addRegion(stage.manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000)] });
    await stage.manager.attach(odd);
    await region.removeMappings(range(0x0, 0x1000));
    expect(stage.manager.attachments).to.deep.equal([]);
    await nextTurn();
  });

  it('during a long set is not called again', async () => {
    const opened = gate();
    const target = stage
      .target({ reply: ({ number }) => (number === 5 ? opened.opened : undefined) })
      .failCall(5, GONE);
    const region = await addRegion(stage.manager, 0x0, 0x100_0000, {});
    await stage.manager.attach(target);
    const adding = stage.manager.transaction((edit) => {
      for (let page = 0; page < 100; page++) {
        edit.addMapping(region, mapping(page * 0x2000, page * 0x2000 + 0x1000));
      }
    });
    await nextTurn();
    opened.open();
    expect(await rejectionOf(adding)).to.include({ code: GONE });
    expect(target.calls).to.have.length(6);
    stage.expectContractsKept();
  });
});
