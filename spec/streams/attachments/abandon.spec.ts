import { expect } from 'chai';
import { delay, NEVER, concatMap } from 'rxjs';
import { fanOut, toTarget, type Attachment, type DetachOptions } from '../../../streams/index.js';
import { outcomeText, type RecordingTarget, type RecordingTargetOptions } from '../../../testing/index.js';
import { addRegion, gate, ledgerOf, mapping, nextTurn, range, rejectionOf, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

const GONE = 'ERR_TARGET_GONE';

describe('Attachment.detach({ abandon: true })', () => {
  let stage: Stage;
  let other: RecordingTarget;

  beforeEach(async () => {
    stage = new Stage();
    other = stage.target({ name: 'other' });
    await stage.manager.attach(other);
  });

  afterEach(async () => {
    await stage.manager.close();
    expect(stage.va.held()).to.deep.equal([]);
    expect(other.held()).to.deep.equal([]);
    stage.expectContractsKept();
  });

  /** Attaches a target whose calls from this number on never end. */
  async function attachHanging(
    first: number,
    options: Omit<RecordingTargetOptions, 'journal' | 'reply'> = {},
  ): Promise<{ readonly target: RecordingTarget; readonly attachment: Attachment; readonly outcomes: string[] }> {
    let calls = 0;
    const target = stage.target({ name: 'peer', ...options, reply: () => (calls++ < first ? undefined : NEVER) });
    const attachment = await stage.manager.attach(target);
    const outcomes: string[] = [];
    attachment.outcomes$.subscribe({
      next: (outcome) => outcomes.push(outcomeText(outcome).replace(/^\d+ /, '')),
      complete: () => outcomes.push('complete'),
    });
    return { target, attachment, outcomes };
  }

  for (const options of [{}, { needsVa: true }, { batches: true }, { concurrent: true }, { sets: true }]) {
    const skipped = 'sets' in options ? 1 : 0;
    describe(`of a target with ${JSON.stringify(options)}`, () => {
      it('that does not answer a map: the command is undone elsewhere and rejects, and the next ones run', async () => {
        const { target, attachment, outcomes } = await attachHanging(skipped, options);
        const region = await stage.manager.addRegion({ name: 'ram', range: range(0, 0x10000), type: 'ram' });
        await region.map({ writable: true });
        const adding = rejectionOf(
          stage.manager.transaction((edit) => {
            edit.addMapping(region, mapping(0x0, 0x1000));
            edit.addMapping(region, mapping(0x4000, 0x5000));
          }),
        );
        const next = addRegion(stage.manager, 0x20000, 0x21000, { name: 'next', mappings: [mapping(0x0, 0x1000)] });
        await nextTurn();
        expect(attachment.pending).to.equal(true);
        await attachment.detach({ abandon: true });
        expect(await adding).to.include({ name: 'DmaMapError', code: GONE, target: 'peer' });
        await next;
        expect(viewOf(stage.manager)).to.deep.equal(['0x20000-0x21000 rw']);
        expect(other.held().map(String)).to.deep.equal(['0x20000-0x21000']);
        expect([attachment.phase, attachment.ledger()]).to.deep.equal(['gone', []]);
        expect(outcomes.slice(-2)).to.deep.equal([`failed ${GONE}`, 'complete']);
        expect(stage.warnings.map(({ code }) => code)).to.deep.equal([GONE]);
        expect(target.calls.filter((text) => text.includes('map'))).to.have.length(1);
      });

      it('that does not answer an unmap: the command takes effect, and the next ones run', async () => {
        const { attachment } = await attachHanging(1 + skipped * 3, options);
        const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
        const removing = region.removeMappings(range(0x0, 0x1000));
        const next = region.addMapping(mapping(0x4000, 0x5000));
        await nextTurn();
        expect(attachment.pending).to.equal(true);
        await attachment.detach({ abandon: true });
        await Promise.all([removing, next]);
        expect(viewOf(stage.manager)).to.deep.equal(['0x4000-0x5000 rw']);
        expect(other.held().map(String)).to.deep.equal(['0x4000-0x5000']);
      });
    });
  }

  it('of a target without an open call: no call is made, and nothing is stuck', async () => {
    const { target, attachment, outcomes } = await attachHanging(99, { needsVa: true });
    const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
    expect(stage.va.held().map(String)).to.deep.equal(['0x0-0x1000']);
    target.takeCalls();
    await attachment.detach({ abandon: true });
    expect([target.calls, outcomes.slice(-2)]).to.deep.equal([[], [`failed ${GONE}`, 'complete']]);
    expect([attachment.phase, stage.manager.attachments.length]).to.deep.equal(['gone', 1]);
    await region.remove();
    expect(stage.va.held()).to.deep.equal([]);
  });

  it('takes effect before the commands that wait', async () => {
    const { attachment } = await attachHanging(0);
    const order: string[] = [];
    const ram = await addRegion(stage.manager, 0x0, 0x10000, {});
    const note = (text: string) => () => order.push(text);
    const first = ram.addMapping(mapping(0x0, 0x1000)).then(undefined, note('first'));
    const second = ram.addMapping(mapping(0x8000, 0x9000)).then(note('second'));
    const third = attachment.detach({ abandon: true }).then(note('detached'));
    await Promise.all([first, second, third]);
    expect(order).to.deep.equal(['first', 'second', 'detached']);
    expect(viewOf(stage.manager)).to.deep.equal(['0x8000-0x9000 rw']);
  });

  it('in the replay: the attach rejects', async () => {
    await addRegion(stage.manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000)] });
    const attaching = rejectionOf(stage.manager.attach(stage.target({ name: 'peer', reply: () => NEVER })));
    await nextTurn();
    const [, attachment] = stage.manager.attachments;
    await attachment?.detach({ abandon: true });
    expect(await attaching).to.include({ name: 'DmaMapError', code: GONE });
    expect(stage.manager.attachments).to.have.length(1);
  });

  it('after an aborted attach whose call never ends: close() succeeds', async () => {
    await addRegion(stage.manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000)] });
    const abort = new AbortController();
    const attaching = rejectionOf(
      stage.manager.attach(stage.target({ name: 'peer', needsVa: true, reply: () => new Promise(() => undefined) }), {
        signal: abort.signal,
      }),
    );
    await nextTurn();
    abort.abort();
    expect(await attaching).to.include({ code: 'ABORT_ERR' });
    const [, attachment] = stage.manager.attachments;
    expect([attachment?.phase, attachment?.pending]).to.deep.equal(['leaving', true]);
    await attachment?.detach({ abandon: true });
    expect([attachment?.phase, stage.manager.attachments.length]).to.deep.equal(['gone', 1]);
  });

  it('with something stuck: it is forgotten, with its address', async () => {
    const target = stage.target({ name: 'peer', needsVa: true });
    const attachment = await stage.manager.attach(target);
    const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
    target.failAll('unmap', 'EBUSY');
    await rejectionOf(region.remove());
    expect(stage.va.held()).to.have.length(1);
    await rejectionOf(attachment.detach());
    expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x1000 rw stuck']);
    await attachment.detach({ abandon: true });
    expect([attachment.phase, attachment.ledger(), stage.va.held()]).to.deep.equal(['gone', [], []]);
  });

  it('of a branch: all its targets are forgotten, also where an operator does not answer', async () => {
    const [a, b] = ['a', 'b'].map((name) => stage.target({ name })) as [RecordingTarget, RecordingTarget];
    let hangs = false;
    const attachment = await stage.manager.attach((changes$) =>
      changes$.pipe(
        fanOut(toTarget(a), toTarget(b)),
        concatMap((outcome) => (hangs ? NEVER : [outcome])),
      ),
    );
    await addRegion(stage.manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000)] });
    hangs = true;
    const adding = rejectionOf(
      addRegion(stage.manager, 0x4000, 0x5000, { name: 'more', mappings: [mapping(0x0, 0x1000)] }),
    );
    await nextTurn();
    await attachment.detach({ abandon: true });
    expect(await adding).to.include({ code: GONE });
    expect(other.held().map(String)).to.deep.equal(['0x0-0x1000']);
    expect([attachment.phase, attachment.ledger()]).to.deep.equal(['gone', []]);
  });

  it('a late answer is ignored, and the target can be attached again after it', async () => {
    const answer = gate();
    let hangs = true;
    const target = stage.target({ name: 'peer', reply: () => (hangs ? answer.opened : undefined) });
    const attachment = await stage.manager.attach(target);
    const adding = rejectionOf(addRegion(stage.manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000)] }));
    await nextTurn();
    await attachment.detach({ abandon: true });
    await adding;
    const refused = await rejectionOf(stage.manager.attach(target));
    expect(refused).to.include({ code: 'ERR_ALREADY_ATTACHED', hint: 'attach another target object' });
    hangs = false;
    answer.open();
    await nextTurn();
    expect(target.held().map(String)).to.deep.equal(['0x0-0x1000']); // Nobody unmaps it: the target was abandoned.
    await target.unmapDma(range(0x0, 0x1000));
    const again = await stage.manager.attach(target);
    await again.detach();
    expect(stage.warnings.map(({ code }) => code)).to.deep.equal([GONE]);
  });

  it('an operator that answers late reports nothing', async () => {
    const target = stage.target({ name: 'peer' });
    const attachment = await stage.manager.attach((changes$) => changes$.pipe(toTarget(target), delay(20)));
    const ram = await addRegion(stage.manager, 0x0, 0x10000, {});
    const adding = rejectionOf(ram.addMapping(mapping(0x0, 0x1000)));
    await attachment.detach({ abandon: true });
    expect(await adding).to.include({ code: GONE });
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(stage.warnings.map(({ code }) => code)).to.deep.equal([GONE]);
  });

  it('while retryStuck() waits', async () => {
    let hangs = false;
    const target = stage.target({ name: 'peer', reply: () => (hangs ? NEVER : undefined) });
    const attachment = await stage.manager.attach(target);
    const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
    target.failAll('unmap', 'EBUSY');
    await rejectionOf(region.removeMappings(range(0x0, 0x1000)));
    hangs = true;
    const retry = attachment.retryStuck();
    await nextTurn();
    await attachment.detach({ abandon: true });
    await retry;
    expect([attachment.phase, attachment.ledger()]).to.deep.equal(['gone', []]);
  });

  it('while endSet waits: the command takes effect', async () => {
    const target = stage.target({
      name: 'peer',
      sets: true,
      reply: ({ kind }) => (kind === 'end' ? NEVER : undefined),
    });
    const attachment = await stage.manager.attach(target);
    const ram = await stage.manager.addRegion({ name: 'ram', range: range(0, 0x10000), type: 'ram' });
    await ram.map({ writable: true });
    const adding = ram.addMapping(mapping(0x0, 0x1000));
    await nextTurn();
    await attachment.detach({ abandon: true });
    await adding;
    expect(other.held().map(String)).to.deep.equal(['0x0-0x1000']);
    expect(attachment.phase).to.equal('gone');
  });

  for (const call of ['verify', 'heal'] as const) {
    it(`while ${call}() waits: that rejects`, async () => {
      const target = Object.assign(stage.target({ name: 'peer' }), {
        mappedRanges: () => new Promise(() => undefined),
      });
      const attachment = await stage.manager.attach(target);
      const waiting = rejectionOf(attachment[call]());
      await nextTurn();
      await attachment.detach({ abandon: true });
      expect(await waiting).to.include({ code: GONE });
      expect(attachment.phase).to.equal('gone');
    });
  }

  it('has no effect on one that has ended, and is refused in its turn if it is no boolean', async () => {
    const { attachment } = await attachHanging(99);
    expect(await rejectionOf(attachment.detach({ abandon: 1 } as unknown as DetachOptions))).to.be.an.instanceOf(
      TypeError,
    );
    expect(await rejectionOf(attachment.detach(null as unknown as DetachOptions))).to.be.an.instanceOf(TypeError);
    expect(attachment.phase).to.equal('attached');
    await attachment.detach();
    await attachment.detach({ abandon: true });
    expect(attachment.phase).to.equal('gone');
  });
});
