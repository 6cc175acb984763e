import { expect } from 'chai';
import {
  DmaError,
  DmaMapError,
  DmaUnmapError,
  type Attachment,
  type DmaTarget,
  type Region,
} from '../../../streams/index.js';
import type { RecordingTarget } from '../../../testing/index.js';
import { describeWithVaBatches } from '../../support/va-batches.js';
import { addRegion, ledgerOf, mapping, range, rejectionOf, texts, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

describeWithVaBatches('RegionManager: missing, verify and heal', (batches) => {
  let stage: Stage;
  let target: RecordingTarget;
  let attachment: Attachment;
  let region: Region;

  beforeEach(async () => {
    stage = new Stage({ batches });
    target = stage.target({ needsVa: true });
    attachment = await stage.manager.attach(target);
    region = await addRegion(stage.manager, 0x0, 0x10000, {
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000), mapping(0x4000, 0x5000)],
    });
    stage.takeJournal();
    target.takeCalls();
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  /** Makes the second mapping missing: it can be mapped neither read-only nor, in the undo, as it was. */
  async function loseTheSecond(): Promise<void> {
    target.failAll('map 0x2000', 'EFAULT');
    const error = await rejectionOf(region.map({ writable: false }));
    expect(error).to.be.instanceOf(DmaMapError);
    stage.takeJournal();
    target.takeCalls();
  }

  describe('a missing mapping', () => {
    it('is one that an undo could not map again; heal() maps it, and nothing else', async () => {
      await loseTheSecond();
      expect(texts(attachment.missing())).to.deep.equal(['0x2000-0x3000']);
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw', '0x4000-0x5000 rw']);
      target.clearFailures();
      await attachment.heal();
      expect(target.calls).to.deep.equal(['map 0x2000-0x3000 rw']);
      expect(attachment.missing()).to.deep.equal([]);
      expect(ledgerOf(attachment)).to.deep.equal(viewOf(stage.manager));
      expect(await attachment.verify()).to.deep.equal([]);
    });

    it('stays missing when heal() fails, whose error names it', async () => {
      await loseTheSecond();
      const error = (await rejectionOf(attachment.heal())) as unknown as DmaMapError;
      expect(error).to.be.instanceOf(DmaMapError).and.include({ code: 'EFAULT' });
      expect(texts(error.missing.map((at) => at.range))).to.deep.equal(['0x2000-0x3000']);
      expect(texts(attachment.missing())).to.deep.equal(['0x2000-0x3000']);
    });

    it('is not unmapped when it is removed, and is then no longer missing', async () => {
      await loseTheSecond();
      await region.removeMappings(range(0x2000, 0x3000));
      expect(target.calls).to.deep.equal([]);
      expect(attachment.missing()).to.deep.equal([]);
      expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000', '0x4000-0x5000']);
    });

    it('is mapped again when its region is hidden and shown', async () => {
      await loseTheSecond();
      target.clearFailures();
      await region.unmap();
      await region.map({ writable: true });
      expect(attachment.missing()).to.deep.equal([]);
      expect(ledgerOf(attachment)).to.deep.equal(viewOf(stage.manager));
    });

    it('stays missing when the command that would have unmapped it is undone', async () => {
      await loseTheSecond();
      target.failAll('map', 'EFAULT');
      await rejectionOf(
        stage.manager.transaction((edit) => {
          edit.removeMappings(region, range(0x2000, 0x3000));
          edit.addMapping(region, mapping(0x8000, 0x9000));
        }),
      );
      expect(texts(attachment.missing())).to.deep.equal(['0x2000-0x3000']);
      expect(viewOf(stage.manager)).to.have.length(3);
    });

    it('is no longer missing after a detach', async () => {
      await loseTheSecond();
      await attachment.detach();
      expect(attachment.missing()).to.deep.equal([]);
      await attachment.heal();
      expect(target.mappedRanges()).to.deep.equal([]);
    });

    it('is mapped by heal() after another target that keeps its VA has been unmapped again', async () => {
      const other = stage.target({ name: 'other', needsVa: true });
      const second = await stage.manager.attach(other);
      // The new mapping fails at the other target. The first one then cannot let go of it, so nobody can have the old one back.
      other.failAll('map 0x0', 'ENOMEM');
      target.takeCalls();
      target.failCall(2, 'EBUSY');
      const error = (await rejectionOf(
        stage.manager.transaction((edit) => {
          edit.removeMappings(region, range(0x0, 0x1000));
          edit.addMapping(region, mapping(0x0, 0x1000, { fileOffset: 0x9000n }));
        }),
      )) as unknown as DmaMapError;
      expect(target.calls).to.deep.equal(['unmap 0x0-0x1000', 'map 0x0-0x1000 rw', 'unmap 0x0-0x1000 -> EBUSY']);
      expect(error.stuck.map((at) => `${at.target} ${at.range.toString()}`)).to.deep.equal(['T 0x0-0x1000']);
      expect(error.missing.map((at) => `${at.target} ${at.range.toString()}`)).to.deep.equal([
        'T 0x0-0x1000',
        'other 0x0-0x1000',
      ]);
      other.clearFailures();
      target.failCall(target.calls.length, 'EBUSY');
      expect(await rejectionOf(second.heal())).to.include({ code: 'ERR_RANGE_STUCK' });
      expect(ledgerOf(attachment)).to.include('0x0-0x1000 rw stuck');
      await second.heal();
      expect(ledgerOf(attachment)).not.to.include('0x0-0x1000 rw stuck');
      await attachment.heal();
      for (const healed of [attachment, second]) {
        expect(ledgerOf(healed)).to.deep.equal(viewOf(stage.manager));
        expect(await healed.verify()).to.deep.equal([]);
      }
      expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000', '0x2000-0x3000', '0x4000-0x5000']);
    });
  });

  it('maps a missing mapping whose VA was kept for a target with a failed unmap that an undo has restored', async () => {
    const { manager } = stage;
    const plain = stage.target({ name: 'plain' });
    const last = stage.target({ name: 'last', needsVa: true });
    await manager.attach(plain);
    const lastAttachment = await manager.attach(last);
    await region.removeMappings(range(0x2000, 0x10000));
    // Read-only fails at the last; the first can then neither let go of it, nor have the writable mapping back.
    last.failAll('map 0x0-0x1000 ro');
    target.takeCalls();
    target.failCall(2);
    await rejectionOf(region.map({ writable: false }));
    expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 ro stuck']);
    expect(texts(attachment.missing())).to.deep.equal(['0x0-0x1000']);
    // Now the first lets go, but the plain one does not: the VA stays. The undo puts the mapping back at the plain one.
    target.clearFailures();
    plain.takeCalls();
    plain.failCall(0).failCall(1);
    last.failAll('map');
    await rejectionOf(
      manager.transaction((edit) => {
        edit.removeMappings(region, range(0x0, 0x1000));
        edit.addMapping(region, mapping(0x8000, 0x9000));
      }),
    );
    plain.clearFailures();
    last.clearFailures();
    await attachment.heal();
    await lastAttachment.heal();
    for (const healed of manager.attachments) {
      expect(ledgerOf(healed)).to.deep.equal(['0x0-0x1000 rw']);
    }
    expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000']);
  });

  describe('verify', () => {
    it('finds nothing when ledger and target agree', async () => {
      expect(await attachment.verify()).to.deep.equal([]);
    });

    it('finds what is missing, stuck and unexpected, ascending', async () => {
      target.failAll('unmap 0x4000');
      await rejectionOf(region.removeMappings(range(0x4000, 0x5000)));
      target.clearFailures();
      await target.unmapDma(range(0x0, 0x1000));
      await target.mapDma({
        range: range(0x1000, 0x2000),
        region: 'x',
        type: 'ram',
        writable: true,
        fileOffset: 0n,
        hostVa: { address: 0n },
      });
      const found = await attachment.verify();
      expect(found.map((finding) => `${finding.range.toString()} ${finding.fault}`)).to.deep.equal([
        '0x0-0x1000 missing',
        '0x1000-0x2000 unexpected',
        '0x4000-0x5000 stuck',
      ]);
    });

    it('finds nothing at a target that has been detached, and is attached elsewhere', async () => {
      await loseTheSecond();
      target.clearFailures();
      await attachment.detach();
      await stage.manager.attach(target);
      expect(await attachment.verify()).to.deep.equal([]);
    });

    it('changes nothing', async () => {
      await target.unmapDma(range(0x0, 0x1000));
      target.takeCalls();
      await attachment.verify();
      expect(target.calls).to.deep.equal([]);
      expect(ledgerOf(attachment)).to.have.length(3);
      expect(attachment.missing()).to.deep.equal([]);
    });

    it('finds what the ledger records at a target that cannot list its mappings', async () => {
      const mute: DmaTarget = {
        name: 'mute',
        mapDma: () => undefined,
        unmapDma: () => {
          throw new Error('no');
        },
      };
      const attached = await stage.manager.attach(mute);
      expect(await attached.verify()).to.deep.equal([]);
      await rejectionOf(region.removeMappings(range(0x0, 0x1000)));
      expect(await attached.verify()).to.deep.equal([{ range: range(0x0, 0x1000), fault: 'stuck' }]);
    });

    it('is queued, and waits for an asynchronous answer', async () => {
      const slow: DmaTarget = {
        name: 'slow',
        mapDma: () => undefined,
        unmapDma: () => undefined,
        mappedRanges: () => Promise.resolve([range(0x0, 0x1000)]),
      };
      const attached = await stage.manager.attach(slow);
      const [, findings] = await Promise.all([region.removeMappings(range(0x2000, 0x5000)), attached.verify()]);
      expect(findings).to.deep.equal([]);
    });

    for (const [what, held] of [
      [
        'throws',
        () => {
          throw new Error('lost the line');
        },
      ],
      ['rejects', () => Promise.reject(new Error('lost the line'))],
      ['answers garbage', () => 7],
      ['answers with things that are no ranges', () => [undefined]],
    ] as const) {
      it(`rejects with an error that names the target when that ${what}`, async () => {
        const broken = { name: 'broken', mapDma: () => undefined, unmapDma: () => undefined, mappedRanges: held };
        const attached = await stage.manager.attach(broken as unknown as DmaTarget);
        for (const error of [await rejectionOf(attached.verify()), await rejectionOf(attached.heal())]) {
          expect(error).to.be.instanceOf(DmaError).and.include({ target: 'broken' });
        }
        await region.removeMappings(range(0x0, 0x1000));
      });
    }
  });

  describe('heal', () => {
    it('maps what the target has lost, and unmaps what it should not hold', async () => {
      await target.unmapDma(range(0x0, 0x1000));
      await target.unmapDma(range(0x4000, 0x5000));
      await target.mapDma({
        range: range(0x4000, 0x6000),
        region: 'x',
        type: 'ram',
        writable: true,
        fileOffset: 0n,
        hostVa: { address: 0n },
      });
      target.takeCalls();
      await attachment.heal();
      expect(target.calls).to.deep.equal(['unmap 0x4000-0x6000', 'map 0x0-0x1000 rw', 'map 0x4000-0x5000 rw']);
      expect(await attachment.verify()).to.deep.equal([]);
      expect(ledgerOf(attachment)).to.deep.equal(viewOf(stage.manager));
    });

    it('keeps what the target should not hold when `unexpected` is false, and maps what it has lost', async () => {
      await target.unmapDma(range(0x0, 0x1000));
      const stray = { range: range(0x6000, 0x7000), region: 'x', type: 'ram', writable: true, fileOffset: 0n } as const;
      await target.mapDma({ ...stray, hostVa: { address: 0n } });
      target.takeCalls();
      await attachment.heal({ unexpected: false });
      expect(target.takeCalls()).to.deep.equal(['map 0x0-0x1000 rw']);
      expect(await attachment.verify()).to.deep.equal([{ range: range(0x6000, 0x7000), fault: 'unexpected' }]);
      await attachment.heal();
      expect(target.takeCalls()).to.deep.equal(['unmap 0x6000-0x7000']);
    });

    it('removes a stuck mapping from the ledger that the target no longer holds', async () => {
      target.failAll('unmap 0x4000');
      await rejectionOf(region.removeMappings(range(0x4000, 0x5000)));
      target.clearFailures();
      await target.unmapDma(range(0x4000, 0x5000));
      target.takeCalls();
      await attachment.heal();
      expect(target.calls).to.deep.equal([]);
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw', '0x2000-0x3000 rw']);
      expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000', '0x2000-0x3000']);
    });

    it('completes a detach when the target no longer holds what was stuck', async () => {
      target.failAll('unmap 0x4000');
      await rejectionOf(attachment.detach());
      target.clearFailures();
      await target.unmapDma(range(0x4000, 0x5000));
      let completed = false;
      attachment.outcomes$.subscribe({ complete: () => (completed = true) });
      await attachment.heal();
      expect(completed).to.equal(true);
      expect(await attachment.verify()).to.deep.equal([]);
    });

    it('unmaps what is stuck', async () => {
      target.failAll('unmap 0x4000');
      await rejectionOf(region.removeMappings(range(0x4000, 0x5000)));
      target.clearFailures();
      await attachment.heal();
      expect(texts(target.mappedRanges())).to.deep.equal(['0x0-0x1000', '0x2000-0x3000']);
      expect(texts(stage.va.held())).to.deep.equal(['0x0-0x1000', '0x2000-0x3000']);
    });

    it('rejects when something cannot be unmapped, after it has repaired everything else', async () => {
      await loseTheSecond();
      target.clearFailures();
      target.failAll('unmap 0x4000');
      await rejectionOf(region.removeMappings(range(0x4000, 0x5000)));
      expect(await rejectionOf(attachment.heal())).to.be.instanceOf(DmaUnmapError);
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw', '0x2000-0x3000 rw', '0x4000-0x5000 rw stuck']);
      target.clearFailures();
      await attachment.heal();
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw', '0x2000-0x3000 rw']);
    });

    it('makes no call when there is no difference', async () => {
      await attachment.heal();
      expect(stage.journal).to.deep.equal([]);
    });
  });
});
