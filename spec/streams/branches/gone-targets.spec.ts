import { expect } from 'chai';
import { Subject, takeUntil } from 'rxjs';
import { DmaError, fanOut, toTarget, type Outcome } from '../../../streams/index.js';
import type { RecordingTarget } from '../../../testing/index.js';
import { addRegion, ledgerOf, mapping, range, rejectionOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

const GONE = 'ERR_TARGET_GONE';

describe('a target that is gone, in a branch', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  it('with others: what the others hold is unmapped', async () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) =>
      stage.target({ name, needsVa: name === 'c', unmapShape: 'exact' }),
    ) as [RecordingTarget, RecordingTarget, RecordingTarget];
    const region = await addRegion(stage.manager, 0x0, 0x4000, {
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
    });
    const attachment = await stage.manager.attach(fanOut(toTarget(a), toTarget(b)));
    await stage.manager.attach(c);
    b.failAll('unmap', GONE);
    await stage.manager.transaction((edit) => {
      edit.removeMappings(region, range(0x0, 0x1000));
      edit.addMapping(region, mapping(0x1000, 0x2000));
    });
    expect(a.held()).to.deep.equal([]);
    expect(a.calls).to.not.include('map 0x1000-0x2000 rw');
    expect(c.held().map(String)).to.deep.equal(['0x1000-0x2000', '0x2000-0x3000']);
    expect([attachment.phase, stage.manager.attachments.map(({ target }) => target)]).to.deep.equal(['gone', ['c']]);
    stage.expectContractsKept();
  });

  it('with others, at a map: the set is undone at the others, which then hold nothing', async () => {
    const [a, b] = ['a', 'b'].map((name) => stage.target({ name })) as [RecordingTarget, RecordingTarget];
    await addRegion(stage.manager, 0x0, 0x4000, { mappings: [mapping(0x0, 0x1000)] });
    await stage.manager.attach(fanOut(toTarget(a), toTarget(b)));
    b.failAll('map', GONE);
    expect(
      await rejectionOf(addRegion(stage.manager, 0x8000, 0x9000, { name: 'more', mappings: [mapping(0x0, 0x1000)] })),
    ).to.include({ code: GONE });
    expect([a.held(), stage.manager.attachments]).to.deep.equal([[], []]);
    stage.expectContractsKept();
  });

  it('with others, of which one cannot be unmapped: that is stuck, and the attachment stays listed', async () => {
    const [a, b] = ['a', 'b'].map((name) => stage.target({ name })) as [RecordingTarget, RecordingTarget];
    const region = await addRegion(stage.manager, 0x0, 0x4000, {
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
    });
    const attachment = await stage.manager.attach(fanOut(toTarget(a), toTarget(b)));
    b.failAll('unmap', GONE);
    a.failRange('0x2000-0x3000', 'EBUSY');
    await region.removeMappings(range(0x0, 0x1000));
    expect(stage.warnings.map(({ code }) => code)).to.deep.equal([GONE, 'EBUSY']);
    expect(stage.manager.attachments).to.deep.equal([attachment]);
    expect([attachment.phase, ledgerOf(attachment)]).to.deep.equal(['leaving', ['0x2000-0x3000 rw stuck']]);
    a.takeCalls();
    await region.addMapping(mapping(0x0, 0x1000));
    await attachment.verify();
    expect([a.calls, stage.warnings.length], 'later commands try nothing, and warn of nothing').to.deep.equal([[], 2]);
    a.clearFailures();
    await attachment.retryStuck();
    expect([attachment.phase, stage.manager.attachments]).to.deep.equal(['gone', []]);
    stage.expectContractsKept();
  });

  it("as a branch of one's own says: its outcome is the last one", async () => {
    const target = stage.target();
    const seen: Outcome[] = [];
    const end$ = new Subject<void>();
    const attachment = await stage.manager.attach((changes$) => {
      const outcomes$ = new Subject<Outcome>();
      changes$.pipe(takeUntil(end$)).subscribe(({ generation, unmaps }) => {
        const error = unmaps.length > 0 ? new DmaError('the peer has left', { code: GONE }) : undefined;
        outcomes$.next({
          generation,
          target: 'own',
          status: error === undefined ? 'applied' : 'failed',
          skipped: [],
          ...(error === undefined ? {} : { error }),
        });
      });
      return outcomes$;
    });
    await stage.manager.attach(target);
    attachment.outcomes$.subscribe((outcome) => seen.push(outcome));
    const region = await addRegion(stage.manager, 0x0, 0x4000, {
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)],
    });
    await region.removeMappings(range(0x0, 0x1000));
    expect(seen.at(-1)).to.include({ status: 'failed' });
    expect(seen.at(-1)?.stuck).to.deep.equal([]);
    expect([attachment.phase, attachment.ledger()]).to.deep.equal(['gone', []]);
    expect(target.held().map(String)).to.deep.equal(['0x2000-0x3000']);
  });
});
