import { expect } from 'chai';
import type { DmaError, Outcome, Region } from '../../../streams/index.js';
import type { RecordingTarget } from '../../../testing/index.js';
import { addRegion, ledgerOf, mapping, range, rejectionOf, texts, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

describe('RegionManager: device memory', () => {
  let stage: Stage;
  let first: RecordingTarget;
  let second: RecordingTarget;

  beforeEach(() => {
    stage = new Stage();
    first = stage.target({ name: 'first' });
    second = stage.target({ name: 'second', needsVa: true });
  });

  afterEach(() => {
    stage.expectContractsKept();
  });

  function addBar(): Promise<Region> {
    return addRegion(stage.manager, 0x100000, 0x110000, {
      name: 'nic bar 0',
      type: 'device',
      mappings: [mapping(0x0, 0x1000), mapping(0x4000, 0x5000)],
    });
  }

  it('is mapped at targets like RAM, with its type', async () => {
    await stage.manager.attach(first);
    await addBar();
    expect(first.requests.map(({ type }) => type)).to.deep.equal(['device', 'device']);
  });

  it('that a target cannot map is skipped: an outcome and a warning name it, and everything else takes effect', async () => {
    const attachment = await stage.manager.attach(first);
    await stage.manager.attach(second);
    const outcomes: Outcome[] = [];
    attachment.outcomes$.subscribe((outcome) => outcomes.push(outcome));
    first.failAll('map 0x100000', 'EFAULT');
    const bar = await addRegion(stage.manager, 0x100000, 0x110000, {
      name: 'nic bar 0',
      type: 'device',
      shown: 'hidden',
    });
    await bar.addMapping(mapping(0x0, 0x1000));
    await bar.addMapping(mapping(0x4000, 0x5000));
    await bar.map({ writable: true });

    expect(bar.active).to.equal(true);
    expect(outcomes).to.have.length(1);
    expect(outcomes[0]?.status).to.equal('applied');
    expect(outcomes[0]?.skipped.map(({ code, range: at }) => `${code} ${String(at)}`)).to.deep.equal([
      'EFAULT 0x100000-0x101000',
    ]);
    expect(stage.warnings.map(({ code, region, target }: DmaError) => [code, region, target])).to.deep.equal([
      ['EFAULT', 'nic bar 0', 'first'],
    ]);
    expect(texts(first.held())).to.deep.equal(['0x104000-0x105000']);
    expect(texts(second.held())).to.deep.equal(['0x100000-0x101000', '0x104000-0x105000']);
    expect(ledgerOf(attachment)).to.deep.equal(['0x104000-0x105000 rw']);
    expect(attachment.missing()).to.deep.equal([]);
  });

  it('that was never mapped is not unmapped when it is removed, hidden or detached', async () => {
    const attachment = await stage.manager.attach(first);
    first.failAll('map', 'EFAULT');
    const bar = await addBar();
    await bar.removeMappings(range(0x0, 0x1000));
    await bar.unmap();
    await bar.map({ writable: true });
    await attachment.detach();
    expect(first.calls.filter((call) => call.startsWith('unmap'))).to.deep.equal([]);
  });

  it('that was partly mapped is unmapped with one call over the region', async () => {
    await stage.manager.attach(first);
    first.failAll('map 0x100000', 'EFAULT');
    const bar = await addBar();
    first.takeCalls();
    await bar.unmap();
    expect(first.calls).to.deep.equal(['unmap 0x100000-0x110000']);
  });

  it('is skipped also in the replay of an attach', async () => {
    await addBar();
    first.failAll('map', 'EFAULT');
    const attachment = await stage.manager.attach(first);
    expect(attachment.ledger()).to.deep.equal([]);
    expect(stage.warnings).to.have.length(2);
  });

  it('is skipped also when its VA cannot be made', async () => {
    await stage.manager.attach(second);
    stage.va.failAll('ensure', 'ENOMEM');
    const bar = await addBar();
    expect(bar.active).to.equal(true);
    expect(second.calls).to.deep.equal([]);
    expect(stage.warnings.map(({ code }) => code)).to.deep.equal(['ENOMEM', 'ENOMEM']);
  });

  it('that is skipped is not unmapped when RAM in the same command fails', async () => {
    const attachment = await stage.manager.attach(first);
    const bar = await addRegion(stage.manager, 0x100000, 0x110000, { type: 'device' });
    const ram = await addRegion(stage.manager, 0x200000, 0x210000);
    first.failAll('map', 'EFAULT');
    await rejectionOf(
      stage.manager.transaction((edit) => {
        edit.addMapping(bar, mapping(0x0, 0x1000));
        edit.addMapping(ram, mapping(0x0, 0x1000));
      }),
    );
    expect(first.calls).to.deep.equal(['map 0x100000-0x101000 rw -> EFAULT', 'map 0x200000-0x201000 rw -> EFAULT']);
    expect(attachment.ledger()).to.deep.equal([]);
    expect(viewOf(stage.manager)).to.deep.equal([]);
  });

  it('that was skipped is not mapped by an undo', async () => {
    await stage.manager.attach(first);
    first.failAll('map 0x100000', 'EFAULT');
    const bar = await addBar();
    first.takeCalls();
    first.failAll('map 0x120000', 'EFAULT');
    const ram = await addRegion(stage.manager, 0x120000, 0x130000);
    await rejectionOf(
      stage.manager.transaction((edit) => {
        edit.unmap(bar);
        edit.addMapping(ram, mapping(0x0, 0x1000));
      }),
    );
    expect(first.calls).to.deep.equal([
      'unmap 0x100000-0x110000',
      'map 0x120000-0x121000 rw -> EFAULT',
      'map 0x104000-0x105000 rw',
    ]);
    const [attachment] = stage.manager.attachments;
    expect(attachment?.missing()).to.deep.equal([]);
  });

  it('that is stuck fails like any other unmap', async () => {
    const attachment = await stage.manager.attach(first);
    const bar = await addBar();
    first.failAll('unmap');
    expect(await rejectionOf(bar.remove())).to.include({ name: 'DmaUnmapError' });
    expect(ledgerOf(attachment)).to.deep.equal(['0x100000-0x101000 rw stuck', '0x104000-0x105000 rw stuck']);
  });
});
