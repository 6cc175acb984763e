import { expect } from 'chai';
import { BehaviorSubject, Subject } from 'rxjs';
import type { SourceStatus, WatchProblem } from '../../inspect/index.js';
import { DmaError, type DmaTarget } from '../../streams/index.js';
import { addRam, RecordingTarget } from '../../testing/index.js';
import { Inspected } from './support/inspected.js';
import { SlowTarget, smallPc } from './support/machine.js';

/** Holds what there is, and refuses more. */
function fullTarget(mostMaps: number): DmaTarget {
  let maps = 0;
  return {
    name: 'full',
    mapDma: () => {
      if (++maps > mostMaps) {
        throw new DmaError('no entry is left', { code: 'ENOSPC', hint: 'Map fewer, larger ranges.' });
      }
    },
    unmapDma: () => undefined,
  };
}

describe('the page of a machine in which something goes wrong', () => {
  it('says which target failed, why and what to do, and that everything was undone', async () => {
    const manager = await smallPc();
    await manager.attach(new RecordingTarget({ name: 'nic' }));
    await manager.attach(fullTarget(manager.snapshot().mappings.length));
    await using inspected = await Inspected.open(manager);
    const { opened } = inspected;
    await addRam(manager, '0x140000000-0x160000000', { region: 'one too many' }).catch(() => undefined);

    const entry = await opened.untilTextOf('#log [data-status=undone]', /undone/);
    expect(entry)
      .to.match(/full failed/)
      .and.contain('one too many')
      .and.contain('0x140000000-0x160000000')
      .and.contain('ENOSPC')
      .and.contain('What to do: Map fewer, larger ranges.');
    expect(await opened.textOf('#panel [data-target]:last-child'))
      .to.contain('full')
      .and.contain('ENOSPC');
    expect(await opened.textOf('#totals [data-total=regions] b')).to.equal('5');

    await opened.page.click('#only-failures');
    await addRam(manager, '0x200000000-0x200001000', { region: 'second' }).catch(() => undefined);
    await opened.untilTextOf('#log', /second/);
    expect(await opened.evaluate('document.querySelectorAll("#log [data-entry=set]").length')).to.equal(2);
  });

  it('says why a target could not be attached, and what to do', async () => {
    const manager = await smallPc();
    await using inspected = await Inspected.open(manager);
    const { opened } = inspected;
    await manager.attach(fullTarget(2)).catch(() => undefined);
    const log = await opened.untilTextOf('#log', /ENOSPC/);
    expect(log).to.contain('full').and.contain('What to do: Map fewer, larger ranges.');
    expect(await opened.textOf('#no-targets')).to.contain('No targets.');
  });

  it('shows what is stuck and for how long, until it is tried again', async () => {
    const manager = await smallPc();
    const target = new RecordingTarget({ name: 'nic' });
    const attachment = await manager.attach(target);
    const module = await addRam(manager, '0x140000000-0x160000000', { region: 'module' });
    await using inspected = await Inspected.open(manager);
    const { opened } = inspected;
    target.failAll('unmap', 'EBUSY');
    await module.remove().catch(() => undefined);

    expect(await opened.untilTextOf('#panel [data-target] [data-kind=stuck]', /0x140000000-0x160000000/)).to.match(
      /stuck for .* s: unmap failed, the target still has it/,
    );
    expect(await opened.data('[data-lane=target]', 'state')).to.equal('problem');
    expect(await opened.textOf('#log [data-status=failed]')).to.contain('EBUSY');
    expect(await opened.page.title()).to.match(/^\(1 problem\)/);
    target.clearFailures();
    await attachment.retryStuck();
    await opened.untilTextOf('#panel [data-target] .numbers', /stuck\s+0/);
    expect(await opened.textOf('[data-kind=stuck]')).to.equal('');
    expect(await opened.data('[data-lane=target]', 'state')).to.equal('held');
  });

  it('shows for how long a target has not answered', async () => {
    // No warning comes meanwhile: the time alone changes what is shown.
    const manager = await smallPc({ warnAfter: 60_000 });
    await using inspected = await Inspected.open(manager);
    const { opened } = inspected;
    using target = new SlowTarget('slow');
    await manager.attach(target);
    target.hold();
    const added = addRam(manager, '0x140000000-0x160000000');
    const first = await opened.untilTextOf('[data-lane=target][data-state=pending]', /no answer \S+ m?s/);
    await opened.until(
      () => opened.textOf('[data-lane=target]'),
      (text) => text !== first && text.includes('no answer'),
    );
    target.answer();
    await added;
    await opened.untilTextOf('[data-lane=target][data-state=held]', /slow/);
    expect(await opened.textOf('#panel [data-target]')).to.match(/pending\s+no/);
  });

  it('shows how the source is doing, and its problems with what to do', async () => {
    const status$ = new BehaviorSubject<SourceStatus>({ phase: 'following' });
    const problems$ = new Subject<WatchProblem>();
    await using inspected = await Inspected.open(await smallPc(), { status$, problems$ });
    const { opened } = inspected;
    problems$.next({ severity: 'warning', text: 'the section "bar" was rounded; align it' });
    await opened.untilTextOf(
      '#log [data-entry=note][data-severity=warning]',
      /the section "bar" was rounded; align it/,
    );
    for (const phase of ['waiting', 'following', 'ended'] as const) {
      status$.next({ phase });
      await opened.until(
        () => opened.evaluate<string[]>('[...document.querySelectorAll("[data-banner]")].map((e) => e.dataset.banner)'),
        (banners) => banners.join() === { waiting: 'waiting', following: '', ended: 'source-ended' }[phase],
      );
    }
    const error = Object.assign(new Error('QEMU has not answered'), { code: 'ETIMEDOUT', hint: 'Is it stopped?' });
    status$.next({ phase: 'failed', error });
    expect(await opened.untilTextOf('[data-banner=failed]', /failed/))
      .to.contain('QEMU has not answered')
      .and.contain('What to do: Is it stopped?');
  });
});
