import { expect } from 'chai';
import fc from 'fast-check';
import {
  DmaError,
  DmaUnmapError,
  ensureMapped,
  fanOut,
  toTarget,
  type Attachment,
  type DmaTarget,
  type MemoryRange,
  type TargetBranch,
} from '../../../streams/index.js';
import { FaultyTarget, FaultyVaMapper } from '../support/faults.js';
import { edit, fitted, PAGES, type AnyEdit } from '../support/model-edits.js';
import { VA_BATCHES, type VaBatches } from '../../support/va-batches.js';
import { fakes, inModelWords, rangeOf, Real } from '../support/model-world.js';
import { PageModel, type Edit } from '../support/page-model.js';
import { texts } from '../support/phrases.js';

const RUNS = Number(process.env['DMA_STREAMS_MODEL_RUNS'] ?? 500) / 2;
const SEED = process.env['DMA_STREAMS_MODEL_SEED'];

type Step =
  | { readonly kind: 'edits'; readonly edits: readonly AnyEdit[] }
  /** Of one of the targets. */
  | { readonly kind: 'attach or detach' | 'heal' | 'retry'; readonly which: number };

/** A place for a target, or for two behind one branch; where it is attached now, and where it has been. */
interface Place {
  readonly targets: readonly FaultyTarget[];
  readonly attach: DmaTarget | TargetBranch;
  attachment: Attachment | undefined;
  readonly former: Attachment[];
}

/** The world of the model, with more targets in it, all of which fail now and then. */
class Storm extends Real {
  model = new PageModel(PAGES);
  readonly places: readonly Place[];

  constructor(batches: VaBatches) {
    super(fakes(batches));
    const { va } = this;
    const left = new FaultyTarget(this.plan, va, {
      name: 'left',
      needsVa: true,
      batches: true,
      concurrent: true,
      sets: true,
    });
    const right = new FaultyTarget(this.plan, va, {
      name: 'right',
      unmapShape: 'exact',
      reply: () => Promise.resolve(),
      concurrent: true,
      sets: true,
    });
    const both = fanOut((changes$) => changes$.pipe(ensureMapped(va), toTarget(left)), toTarget(right));
    this.places = [
      { targets: [this.wide], attach: this.wide, attachment: undefined, former: [] },
      { targets: [this.exact], attach: this.exact, attachment: undefined, former: [] },
      { targets: [left, right], attach: both, attachment: undefined, former: [] },
    ];
  }

  async do(step: Step): Promise<void> {
    if (step.kind === 'edits') {
      await this.#edit(step.edits);
      return;
    }
    const place = this.places[step.which];
    if (place === undefined) {
      throw new Error('there is no such place');
    }
    switch (step.kind) {
      case 'attach or detach':
        await (place.attachment === undefined ? this.attachAt(place) : this.detachFrom(place));
        break;
      case 'heal':
        await quietly(place.attachment?.heal());
        break;
      case 'retry':
        await quietly(place.attachment?.retryStuck());
        break;
    }
  }

  async attachAt(place: Place): Promise<void> {
    place.attachment = await quietly(this.manager.attach(place.attach));
  }

  async detachFrom(place: Place): Promise<void> {
    if (place.attachment !== undefined) {
      place.former.push(place.attachment);
      await quietly(place.attachment.detach());
      place.attachment = undefined;
    }
  }

  async #edit(some: readonly AnyEdit[]): Promise<void> {
    const before = this.model;
    const { va } = this;
    expect(va).to.be.instanceOf(FaultyVaMapper);
    (va as FaultyVaMapper).takeCalls();
    const edits: Edit[] = [];
    for (const any of some) {
      edits.push(fitted(before.after(edits) ?? before, any));
    }
    const next = before.after(edits);
    const error: unknown = await this.run(edits).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (error === undefined || error instanceof DmaUnmapError) {
      expect(next).not.to.equal(undefined);
      this.model = next ?? before;
    } else if (next !== undefined) {
      expect(error).to.be.instanceOf(DmaError);
    }
    this.#expectContentsKept(before, (va as FaultyVaMapper).takeCalls());
  }

  /** Private memory that is there before and after a command has not been released in between: that loses its contents. */
  #expectContentsKept(before: PageModel, calls: readonly string[]): void {
    const kept = this.model.privateMemory().filter((memory, page) => memory === before.privateMemory()[page]);
    const ranges = new Set(kept.flatMap((memory) => (memory === undefined ? [] : [rangeOf(memory).toString()])));
    expect(calls.filter((call) => call.startsWith('release') && ranges.has(call.split(' ')[1] ?? ''))).to.deep.equal(
      [],
    );
  }

  /** However much has failed: the view is that of the model, and each ledger says what its target holds, lacks, and cannot let go. */
  expectAccounted(): void {
    const seen = this.manager.snapshot().mappings;
    expect(seen.map(inModelWords)).to.deep.equal(this.model.mappings());
    for (const { targets, attachment } of this.places) {
      if (attachment === undefined) {
        continue;
      }
      const ledger = attachment.ledger();
      expect(texts(ledger.map((entry) => entry.range)).sort()).to.deep.equal(
        targets.flatMap((target) => texts(target.held())).sort(),
      );
      const held = new Set(ledger.filter(({ stuck }) => !stuck).map((entry) => entry.range.toString()));
      const wanted = new Set(seen.map((mapping) => mapping.range.toString()));
      expect([...wanted]).to.include.members([...held, ...texts(attachment.missing())]);
      const known = new Set([...held, ...texts(attachment.missing())]);
      const unknown = seen.filter(({ type, range }) => type === 'ram' && !known.has(range.toString()));
      expect(unknown.map(inModelWords)).to.deep.equal([]);
    }
    this.#expectAddressesUsed(seen.map((mapping) => mapping.range));
    const fakes = [...this.places.flatMap(({ targets }) => targets), this.va];
    expect(fakes.flatMap(({ violations }) => violations)).to.deep.equal([]);
  }

  /** Each address is that of a mapping that is active, of private memory, or of something that is stuck at a target which was given it. */
  #expectAddressesUsed(active: readonly MemoryRange[]): void {
    const privates = this.model.privateMemory().flatMap((memory) => (memory === undefined ? [] : [rangeOf(memory)]));
    // All that a target holds which is not attached is stuck there, also of an attach that failed.
    const stuck = this.places.flatMap(({ targets, attachment }) =>
      attachment === undefined
        ? targets.flatMap((target) => target.held())
        : attachment.ledger().flatMap((entry) => (entry.stuck ? [entry.range] : [])),
    );
    expect(texts([...active, ...privates, ...stuck])).to.include.members(texts(this.va.held()));
  }

  /** With nothing failing any longer, all can be mended. */
  async mend(): Promise<void> {
    this.plan.disarm();
    // What one needs, another may hold until it is healed itself: so once for each.
    const attachments = this.places.flatMap(({ attachment, former }) => [
      ...former,
      ...(attachment ? [attachment] : []),
    ]);
    const passes = this.places.length;
    for (let pass = 0; pass < passes; pass++) {
      for (const attachment of attachments) {
        await quietly(attachment.heal());
      }
    }
    for (const attachment of attachments) {
      await attachment.heal();
      expect(await attachment.verify()).to.deep.equal([]);
      expect(attachment.missing()).to.deep.equal([]);
      expect(attachment.ledger().filter(({ stuck }) => stuck)).to.deep.equal([]);
    }
    this.expectAccounted();
    // Device memory that was skipped comes to a target that comes anew.
    for (const place of this.places) {
      await this.detachFrom(place);
      await this.attachAt(place);
      for (const target of place.targets) {
        expect(texts(target.held())).to.deep.equal(this.model.mappings().map((mapping) => rangeOf(mapping).toString()));
      }
    }
    const privates = this.model.privateMemory().filter((memory) => memory !== undefined);
    const inNeedOfVas = new Set([...this.model.mappings(), ...privates].map((mapping) => rangeOf(mapping).toString()));
    expect(new Set(texts(this.va.held()))).to.deep.equal(inNeedOfVas);
  }
}

async function quietly<T>(promise: Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    expect(error).to.be.instanceOf(DmaError);
    return undefined;
  }
}

const which = fc.nat({ max: 2 });

/** Edits of this kind, and so often as much besides. */
function stepsOf(edits: fc.Arbitrary<AnyEdit>, besides: number): fc.Arbitrary<Step> {
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc.array(edits, { minLength: 1, maxLength: 5 }).map((some): Step => ({ kind: 'edits', edits: some })),
    },
    { weight: besides, arbitrary: which.map((one): Step => ({ kind: 'attach or detach', which: one })) },
    { weight: 1, arbitrary: which.map((one): Step => ({ kind: 'heal', which: one })) },
    { weight: 1, arbitrary: which.map((one): Step => ({ kind: 'retry', which: one })) },
  );
}

/** All in the same few pages, much of it private memory: what is stuck is in the way of what comes. */
const crowded: fc.Arbitrary<AnyEdit> = fc
  .oneof(
    {
      weight: 3,
      arbitrary: fc
        .record({ at: crowdedPages(), memory: fc.constantFrom('private', 'private', 'a@0') })
        .map(({ at, memory }): Edit => ({ kind: 'add mapping', region: 0, ...at, writable: true, memory })),
    },
    { weight: 3, arbitrary: crowdedPages().map((at): Edit => ({ kind: 'remove mappings', region: 0, ...at })) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Edit>({ kind: 'show', region: 0, how: 'rw' }, { kind: 'hide', region: 0 }),
    },
  )
  .map((one) => ({ edit: one, wild: false }));

function crowdedPages(): fc.Arbitrary<{ readonly start: number; readonly end: number }> {
  return fc.constantFrom([0, 1], [0, 2], [1, 2], [0, 3]).map(([start = 0, end = 1]) => ({ start, end }));
}

/** From nearly never to nearly always. */
const pattern = fc.integer({ min: 2, max: 9 }).chain((rarity) =>
  fc.array(
    fc.nat({ max: rarity }).map((luck) => luck === 0),
    { minLength: 7, maxLength: 31, size: 'max' },
  ),
);

const START: readonly Edit[] = [
  { kind: 'add region', start: 0, end: 12, priority: 1, type: 'ram' },
  { kind: 'add region', start: 12, end: 24, priority: 1, type: 'ram' },
  { kind: 'add region', start: 0, end: 6, priority: 0, type: 'ram' },
  { kind: 'show', region: 0, how: 'rw' },
  { kind: 'show', region: 1, how: 'rw' },
  { kind: 'add mapping', region: 0, start: 0, end: 2, writable: true, memory: 'a@0' },
  { kind: 'add mapping', region: 0, start: 4, end: 5, writable: true, memory: 'a@4' },
  { kind: 'add mapping', region: 1, start: 1, end: 3, writable: true, memory: 'b@0' },
];

describe('RegionManager, with random failures', () => {
  for (const [where, step] of [
    ['', stepsOf(edit, 1)],
    [' where all is about the same few pages', stepsOf(crowded, 3)],
  ] as const) {
    it(`accounts for every mapping at every moment${where}, and can be healed in the end (${RUNS} runs)`, async function () {
      this.timeout(60_000 + RUNS * 200);
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...VA_BATCHES),
          fc.array(step, { maxLength: 40, size: 'max' }),
          pattern,
          async (batches, steps, failing) => {
            const storm = new Storm(batches);
            await storm.run(START);
            storm.model = storm.model.after(START) ?? storm.model;
            for (const place of storm.places) {
              await storm.attachAt(place);
            }
            storm.plan.repeat(failing);
            for (const one of steps) {
              await storm.do(one);
              storm.expectAccounted();
            }
            await storm.mend();
            await storm.manager.close();
            expect(storm.va.held()).to.deep.equal([]);
            expect(storm.places.flatMap(({ targets }) => targets.flatMap((target) => target.held()))).to.deep.equal([]);
          },
        ),
        { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
      );
    });
  }
});
