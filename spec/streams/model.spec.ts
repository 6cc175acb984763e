import { expect } from 'chai';
import fc from 'fast-check';
import {
  DmaError,
  DmaMapError,
  DmaUnmapError,
  MemoryRange,
  RegionManager,
  type Attachment,
  type MapChange,
  type Region,
  type RegionEdit,
} from '../../streams/index.js';
import { FakeMappable } from '../support/fake-mappable.js';
import { FaultPlan, FaultyTarget, FaultyVaMapper } from './support/faults.js';
import { PageModel, type Edit } from './support/page-model.js';
import { texts } from './support/phrases.js';

/** Pages in the address space of the model. Small, so that things meet. */
const PAGES = 24;

/** How many random runs: `npm run test:soak` makes more. */
const RUNS = Number(process.env['DMA_STREAMS_MODEL_RUNS'] ?? 500);

/** To see a failure again: the seed that it printed. */
const SEED = process.env['DMA_STREAMS_MODEL_SEED'];

const FILES = new Map(['a', 'b'].map((label) => [label, new FakeMappable(label)]));

/** The manager that is tested, with two targets: one that needs VAs and takes wide unmaps, one that comes and goes and wants them exact. */
class Real {
  readonly plan = new FaultPlan();
  readonly va = new FaultyVaMapper(this.plan);
  warnings = 0;
  readonly manager = new RegionManager({ vaMapper: this.va, onWarning: () => (this.warnings += 1) });
  readonly wide = new FaultyTarget(this.plan, this.va, { name: 'wide', needsVa: true });
  readonly exact = new FaultyTarget(this.plan, this.va, {
    name: 'exact',
    unmapShape: 'exact',
    reply: () => Promise.resolve(),
  });
  readonly regions: Region[] = [];
  readonly attachments = new Map<FaultyTarget, Attachment>();

  async attach(target: FaultyTarget): Promise<void> {
    this.attachments.set(target, await this.manager.attach(target));
  }

  async detach(target: FaultyTarget): Promise<void> {
    await this.attachments.get(target)?.detach();
    this.attachments.delete(target);
  }

  async run(edits: readonly Edit[]): Promise<void> {
    const [first] = edits;
    if (edits.length === 1 && first !== undefined) {
      await this.#runAlone(first);
      return;
    }
    const added = await this.manager.transaction((edit) => {
      const fresh: Region[] = [];
      for (const one of edits) {
        doEdit(edit, one, [...this.regions, ...fresh], fresh);
      }
      return fresh;
    });
    this.regions.push(...added);
  }

  /** By the command of the region itself. */
  async #runAlone(edit: Edit): Promise<void> {
    if (edit.kind === 'add region') {
      this.regions.push(await this.manager.addRegion(regionParams(edit)));
      return;
    }
    const region = this.regions[edit.region];
    if (region === undefined) {
      throw new Error('there is no such region');
    }
    switch (edit.kind) {
      case 'remove region':
        return region.remove();
      case 'show':
        return region.map({ writable: edit.how === 'rw' });
      case 'hide':
        return region.unmap();
      case 'add mapping':
        return region.addMapping(mappingParams(edit));
      case 'remove mappings':
        return region.removeMappings(MemoryRange.ofPages(edit.start, edit.end));
    }
  }
}

function doEdit(edit: RegionEdit, one: Edit, regions: readonly Region[], fresh: Region[]): void {
  if (one.kind === 'add region') {
    fresh.push(edit.addRegion(regionParams(one)));
    return;
  }
  const region = regions[one.region];
  if (region === undefined) {
    throw new Error('there is no such region');
  }
  switch (one.kind) {
    case 'remove region':
      edit.removeRegion(region);
      break;
    case 'show':
      edit.map(region, { writable: one.how === 'rw' });
      break;
    case 'hide':
      edit.unmap(region);
      break;
    case 'add mapping':
      edit.addMapping(region, mappingParams(one));
      break;
    case 'remove mappings':
      edit.removeMappings(region, MemoryRange.ofPages(one.start, one.end));
      break;
  }
}

function regionParams({ start, end, priority, type }: Extract<Edit, { kind: 'add region' }>) {
  return { name: 'region', range: MemoryRange.ofPages(start, end), priority, type };
}

function mappingParams({ start, end, writable, memory }: Extract<Edit, { kind: 'add mapping' }>) {
  const [label = '', page = '0'] = memory.split('@');
  const mappable = FILES.get(label);
  return {
    rangeInRegion: MemoryRange.ofPages(start, end),
    writable,
    backing: mappable === undefined ? ('private' as const) : { mappable, fileOffset: BigInt(page) * 4096n },
  };
}

/** As the model writes it. */
function inModelWords({ range, writable, backing, type }: MapChange): string {
  const memory = backing === 'private' ? 'private' : `${backing.mappable.label}@${backing.fileOffset / 4096n}`;
  return `${range.startPage}-${range.endPage} ${writable ? 'rw' : 'ro'} ${memory} ${type}`;
}

function rangeOf(mapping: string): MemoryRange {
  const [start, end] = (mapping.split(' ')[0] ?? '').split('-').map(Number);
  return MemoryRange.ofPages(start ?? 0, end ?? 0);
}

/** The model is replaced as a whole by each step. */
interface Current {
  model: PageModel;
}

class Edits implements fc.AsyncCommand<Current, Real> {
  readonly #edits: readonly Edit[];
  /** Which call fails, if any. */
  readonly #fault: number | undefined;

  constructor(edits: readonly Edit[], fault: number | undefined) {
    this.#edits = edits;
    this.#fault = fault;
  }

  check(): boolean {
    return true;
  }

  async run(current: Current, real: Real): Promise<void> {
    const before = current.model;
    const edits = this.#edits.map((edit) => within(before, edit));
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
    const edits = this.#edits.map((edit) => Object.values(edit).join(' ')).join('; ');
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

/** Picks a region that there is, and pages that it has or nearly has, by what the edit says. */
function within({ regions }: PageModel, edit: Edit): Edit {
  return edit.kind === 'add region' || regions.length === 0 ? edit : { ...edit, region: edit.region % regions.length };
}

/** After a failure nothing is between: all is as before, or as after but for what is stuck; which can then be cleared. */
async function mend(real: Real, error: unknown, takeEffect: () => void): Promise<void> {
  if (error instanceof DmaMapError) {
    expect([error.missing, error.stuck]).to.deep.equal([[], []]);
    return;
  }
  if (error instanceof DmaError && !(error instanceof DmaUnmapError)) {
    // Private memory could not be made, so nobody was told of anything.
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

/** Device memory that was skipped is not the view's: a target that comes anew has it. */
async function refreshAfterWarnings(real: Real): Promise<void> {
  if (real.warnings > 0) {
    for (const target of [...real.attachments.keys()]) {
      await real.detach(target);
      await real.attach(target);
    }
    real.warnings = 0;
  }
}

/** No call for what did not change, and one for each thing that did. */
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
    // Neither an overlap nor a cut, and no unmap of the exact target over anything but one map.
    expect(target.violations).to.deep.equal([]);
  }
  expect(real.va.violations).to.deep.equal([]);
  const privates = new Set(model.privateMemory().filter((memory) => memory !== undefined));
  const inNeedOfVas = new Set([...seen, ...privates].map((mapping) => rangeOf(mapping).toString()));
  expect(new Set(texts(real.va.held()))).to.deep.equal(inNeedOfVas);
}

const place = (pages: number): fc.Arbitrary<{ readonly start: number; readonly end: number }> =>
  fc.tuple(fc.nat({ max: pages - 1 }), fc.integer({ min: 1, max: 8 }), fc.boolean()).map(([at, length, aligned]) => {
    const start = aligned ? at - (at % 4) : at;
    return { start, end: Math.min(pages, start + (aligned ? length + 4 - (length % 4) : length)) };
  });

const region = fc.nat({ max: 11 });
const memory = fc.constantFrom('a@0', 'a@0', 'a@8', 'b@0', 'private');

const edit: fc.Arbitrary<Edit> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(place(PAGES), fc.nat({ max: 2 }), fc.constantFrom('ram', 'ram', 'ram', 'device'))
      .map(([at, priority, type]): Edit => ({ kind: 'add region', ...at, priority, type })),
  },
  { weight: 1, arbitrary: region.map((picked): Edit => ({ kind: 'remove region', region: picked })) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(region, fc.constantFrom('rw', 'rw', 'ro'))
      .map(([picked, how]): Edit => ({ kind: 'show', region: picked, how })),
  },
  { weight: 1, arbitrary: region.map((picked): Edit => ({ kind: 'hide', region: picked })) },
  {
    weight: 5,
    arbitrary: fc.tuple(region, place(8), fc.boolean(), memory).map(([picked, at, writable, of]): Edit => ({
      kind: 'add mapping',
      region: picked,
      ...at,
      writable,
      memory: of,
    })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(region, place(12))
      .map(([picked, at]): Edit => ({ kind: 'remove mappings', region: picked, ...at })),
  },
);

const fault = fc.option(fc.nat({ max: 12 }), { nil: undefined, freq: 2 });

const commands = fc.commands(
  [
    fc.tuple(edit, fault).map(([one, failing]) => new Edits([one], failing)),
    fc.tuple(fc.array(edit, { minLength: 2, maxLength: 6 }), fault).map(([some, failing]) => new Edits(some, failing)),
    fault.map((failing) => new ComeOrGo(failing)),
  ],
  { maxCommands: 40, size: 'max' },
);

describe('the region manager against a model that is an array of pages', () => {
  it(`agrees on the view, the ledgers and the VAs, and makes no call for what did not change (${RUNS} runs)`, async function () {
    this.timeout(60_000 + RUNS * 100);
    await fc.assert(
      fc.asyncProperty(commands, async (run) => {
        const real = new Real();
        await real.attach(real.wide);
        await fc.asyncModelRun(() => ({ model: { model: new PageModel(PAGES) }, real }), run);
        await real.manager.close();
        expect([real.wide.held(), real.exact.held(), real.va.held()]).to.deep.equal([[], [], []]);
      }),
      { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
    );
  });
});
