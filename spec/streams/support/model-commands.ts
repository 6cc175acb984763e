import { expect } from 'chai';
import fc from 'fast-check';
import { DmaError, DmaMapError, DmaUnmapError } from '../../../streams/index.js';
import { edit, fault, fitted, PAGES, type AnyEdit } from './model-edits.js';
import { inModelWords, rangeOf, type Real } from './model-world.js';
import type { Edit, PageModel } from './page-model.js';
import { texts } from './phrases.js';

/** What each run starts with: two regions side by side, and a smaller one beneath. */
export const START: readonly Edit[] = [
  { kind: 'add region', start: 0, end: 12, priority: 1, type: 'ram' },
  { kind: 'add region', start: 12, end: 24, priority: 1, type: 'ram' },
  { kind: 'add region', start: 0, end: 6, priority: 0, type: 'ram' },
  { kind: 'show', region: 0, how: 'rw' },
  { kind: 'show', region: 1, how: 'rw' },
  { kind: 'show', region: 2, how: 'rw' },
];

/** Each step replaces the whole model. */
export interface Current {
  model: PageModel;
}

class Edits implements fc.AsyncCommand<Current, Real> {
  readonly #edits: readonly AnyEdit[];
  /** Which call fails, if any. */
  readonly #fault: number | undefined;

  constructor(edits: readonly AnyEdit[], fault: number | undefined) {
    this.#edits = edits;
    this.#fault = fault;
  }

  check(): boolean {
    return true;
  }

  async run(current: Current, real: Real): Promise<void> {
    const before = current.model;
    const edits: Edit[] = [];
    for (const any of this.#edits) {
      edits.push(fitted(before.after(edits) ?? before, any));
    }
    const next = before.after(edits);
    real.wide.takeCalls();
    real.exact.takeCalls();
    real.plan.arm(this.#fault ?? Number.POSITIVE_INFINITY, false);
    const error: unknown = await real.run(edits).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    real.plan.disarm();
    if (next === undefined) {
      expect(error).not.to.equal(undefined);
      expect(error).not.to.be.instanceOf(DmaMapError).and.not.to.be.instanceOf(DmaUnmapError);
      expect([real.wide.calls, real.exact.calls]).to.deep.equal([[], []]);
    } else if (!real.plan.struck) {
      expect(error).to.equal(undefined);
      current.model = next;
      expectOnlyWhatChanged(real, before, next);
    } else {
      await mend(real, error, () => (current.model = next));
    }
    await expectSame(current.model, real);
  }

  toString(): string {
    const edits = this.#edits
      .map(({ edit, wild }) => `${wild ? 'wild ' : ''}${Object.values(edit).join(' ')}`)
      .join('; ');
    return `{ ${edits} }${this.#fault === undefined ? '' : ` failing at call ${this.#fault}`}`;
  }
}

class ComeOrGo implements fc.AsyncCommand<Current, Real> {
  readonly #fault: number | undefined;

  constructor(fault: number | undefined) {
    this.#fault = fault;
  }

  check(): boolean {
    return true;
  }

  async run(current: Current, real: Real): Promise<void> {
    const { exact } = real;
    const attachment = real.attachments.get(exact);
    real.plan.arm(this.#fault ?? Number.POSITIVE_INFINITY, false);
    const error: unknown = await (attachment === undefined ? real.attach(exact) : real.detach(exact)).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    real.plan.disarm();
    if (attachment !== undefined) {
      if (error !== undefined) {
        expect(error).to.be.instanceOf(DmaUnmapError);
        await attachment.retryStuck();
        real.attachments.delete(exact);
      }
      expect(exact.held()).to.deep.equal([]);
    } else if (error !== undefined) {
      expect(error).to.be.instanceOf(DmaMapError);
      expect(exact.held()).to.deep.equal([]);
    }
    await refreshAfterWarnings(real);
    await expectSame(current.model, real);
  }

  toString(): string {
    return `attach or detach${this.#fault === undefined ? '' : ` failing at call ${this.#fault}`}`;
  }
}

/** Checks the state after a failure: either as before, or as after the command except for stuck ranges, which can then be cleared. */
async function mend(real: Real, error: unknown, takeEffect: () => void): Promise<void> {
  if (error instanceof DmaMapError) {
    expect([error.missing, error.stuck]).to.deep.equal([[], []]);
    return;
  }
  if (error instanceof DmaError && !(error instanceof DmaUnmapError)) {
    // Private memory could not be made, so nothing was published.
    expect([real.wide.calls, real.exact.calls]).to.deep.equal([[], []]);
    return;
  }
  takeEffect();
  if (error !== undefined) {
    expect(error).to.be.instanceOf(DmaUnmapError);
  }
  for (const attachment of real.attachments.values()) {
    await attachment.retryStuck();
  }
  await refreshAfterWarnings(real);
}

/** Device memory that was skipped at one target stays in the view: a new target maps it. */
async function refreshAfterWarnings(real: Real): Promise<void> {
  if (real.warnings > 0) {
    for (const target of [...real.attachments.keys()]) {
      await real.detach(target);
      await real.attach(target);
    }
    real.warnings = 0;
  }
}

/** Checks that there is one call for each change, and no other call. */
function expectOnlyWhatChanged(real: Real, before: PageModel, after: PageModel): void {
  const [was, is] = [before.mappings(), after.mappings()];
  const unmaps = was
    .filter((mapping) => !is.includes(mapping))
    .map((mapping) => `unmap ${rangeOf(mapping).toString()}`);
  const maps = is
    .filter((mapping) => !was.includes(mapping))
    .map((mapping) => `map ${rangeOf(mapping).toString()} ${mapping.includes(' rw ') ? 'rw' : 'ro'}`);
  if (real.attachments.has(real.exact)) {
    expect(real.exact.calls).to.deep.equal([...unmaps, ...maps]);
  }
  const wideUnmaps = real.wide.calls.filter((call) => call.startsWith('unmap'));
  expect(real.wide.calls).to.deep.equal([...wideUnmaps, ...maps]);
  expect(wideUnmaps.length).to.be.at.most(unmaps.length);
  expect(wideUnmaps.length > 0).to.equal(unmaps.length > 0);
}

async function expectSame(model: PageModel, real: Real): Promise<void> {
  const pages: (string | undefined)[] = Array.from({ length: PAGES });
  for (const mapping of real.manager.snapshot().mappings) {
    for (let page = mapping.range.startPage; page < mapping.range.endPage; page++) {
      expect(pages[page], 'mappings overlap').to.equal(undefined);
      pages[page] = inModelWords(mapping);
    }
  }
  expect(pages).to.deep.equal(model.view());
  expect(real.regions.map(({ active }) => active)).to.deep.equal(
    model.regions.map((region) => region.present && model.topAt(region.start) === region),
  );
  const seen = model.mappings();
  for (const [target, attachment] of real.attachments) {
    expect(texts(target.held())).to.deep.equal(seen.map((mapping) => rangeOf(mapping).toString()));
    expect(attachment.ledger().map(({ range, writable, stuck }) => [String(range), writable, stuck])).to.deep.equal(
      seen.map((mapping) => [rangeOf(mapping).toString(), mapping.includes(' rw '), false]),
    );
    expect(attachment.missing()).to.deep.equal([]);
    expect(await attachment.verify()).to.deep.equal([]);
    // No overlap, no cut, and each unmap of the exact target covers exactly one map.
    expect(target.violations).to.deep.equal([]);
  }
  expect(real.va.violations).to.deep.equal([]);
  const privates = new Set(model.privateMemory().filter((memory) => memory !== undefined));
  const inNeedOfVas = new Set([...seen, ...privates].map((mapping) => rangeOf(mapping).toString()));
  expect(new Set(texts(real.va.held()))).to.deep.equal(inNeedOfVas);
}

/** Random commands, each of which may fail at some call. The model is compared after each. */
export const commands = fc.commands(
  [
    fc.tuple(edit, fault).map(([one, failing]) => new Edits([one], failing)),
    fc.tuple(edit, fault).map(([one, failing]) => new Edits([one], failing)),
    fc.tuple(fc.array(edit, { minLength: 2, maxLength: 6 }), fault).map(([some, failing]) => new Edits(some, failing)),
    fault.map((failing) => new ComeOrGo(failing)),
  ],
  { maxCommands: 60, size: 'max' },
);
