import { expect } from 'chai';
import fc from 'fast-check';
import { DmaMapError, DmaUnmapError, RegionManager, type ChangeSet } from '../../../streams/index.js';
import { FakeVaMapper, RecordingTarget } from '../../../testing/index.js';
import { edits, Model, piecesOf, textOf } from '../support/any-overlap-model.js';

/** What a target has mapped, with the file, the offset and the access of each map. */
function contentsOf(target: RecordingTarget): string[] {
  return target.heldRequests().map(({ mappable, fileOffset, range, region, type, writable }) => {
    if (mappable === undefined) {
      throw new Error('there is no private memory here');
    }
    return textOf({ range, region, type, writable, backing: { mappable, fileOffset } });
  });
}

const failures = fc.array(
  fc.record({
    /** Which call fails, of those of one target during one transaction; none for numbers that are too high. */
    call: fc.nat({ max: 4 }),
    target: fc.nat({ max: 2 }),
    kind: fc.constantFrom('map', 'unmap'),
  }),
  { minLength: 40, maxLength: 40 },
);

describe('a manager where regions overlap in any way', () => {
  it('brings every piece to every target, and takes it back when a map fails', async function () {
    this.timeout(120_000);
    await fc.assert(
      fc.asyncProperty(edits, failures, async (transactions, plan) => {
        const model = new Model();
        const va = new FakeVaMapper();
        const manager = new RegionManager({ overlap: 'any', vaMapper: va });
        const targets = [
          new RecordingTarget({ name: 'plain' }),
          new RecordingTarget({ name: 'exact', unmapShape: 'exact', batches: true, reply: () => Promise.resolve() }),
          new RecordingTarget({ name: 'by va', needsVa: true, batches: true }),
        ];
        const late = new RecordingTarget({ name: 'late' });
        await Promise.all(targets.map((target) => manager.attach(target)));
        const observed = observe(manager);
        for (const [index, list] of transactions.entries()) {
          const { call, target, kind } = plan[index % plan.length] ?? { call: 0, target: 0, kind: 'map' };
          targets[target]?.takeCalls();
          targets[target]?.failCall(call, kind === 'map' ? 'EIO' : 'EBUSY');
          let takeBack = (): void => undefined;
          const failed = await manager
            .transaction((edit) => {
              takeBack = model.edit(edit, list);
            })
            .then(
              () => undefined,
              (error: unknown) => error,
            );
          targets[target]?.clearFailures();
          if (failed instanceof DmaMapError) {
            takeBack();
          } else if (failed !== undefined && !(failed instanceof DmaUnmapError)) {
            throw failed;
          }
          await settle(manager);
          const expected = piecesOf(model.regions);
          for (const one of targets) {
            expect(contentsOf(one), one.name).to.deep.equal(expected);
            expect(one.violations, one.name).to.deep.equal([]);
          }
          expect(manager.snapshot().mappings.map(textOf)).to.deep.equal(expected);
          expect(observed.texts()).to.deep.equal(expected);
          expect(va.violations).to.deep.equal([]);
          expect(va.held().map(String)).to.deep.equal(manager.snapshot().mappings.map(({ range }) => range.toString()));
        }
        const attachment = await manager.attach(late);
        expect(contentsOf(late)).to.deep.equal(piecesOf(model.regions));
        await attachment.detach();
        await manager.close();
        expect([...targets, late].flatMap((target) => target.held())).to.deep.equal([]);
        expect(va.held()).to.deep.equal([]);
      }),
      { numRuns: Number(process.env['DMA_STREAMS_MODEL_RUNS'] ?? 100) },
    );
  });
});

/** Clears what is stuck and what is missing, and finds nothing else wrong. */
async function settle(manager: RegionManager): Promise<void> {
  for (const attachment of manager.attachments) {
    await attachment.retryStuck();
    await attachment.heal();
    expect(await attachment.verify()).to.deep.equal([]);
  }
}

/** The memory map that an observer of `changes()` makes of the sets. */
function observe(manager: RegionManager): { texts(): string[] } {
  const maps = new Map<number, string>();
  manager.changes().subscribe((set: ChangeSet) => {
    for (const { covers } of set.unmaps) {
      for (const range of covers) {
        expect(maps.delete(range.startPage)).to.equal(true);
      }
    }
    for (const map of set.maps) {
      maps.set(map.range.startPage, textOf(map));
    }
  });
  return {
    texts: () => [...maps].sort(([a], [b]) => a - b).map(([, text]) => text),
  };
}
