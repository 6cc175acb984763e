import { expect } from 'chai';
import fc from 'fast-check';
import { DmaMapError, RegionManager, type Region, type RegionEdit } from '../../../streams/index.js';
import { RecordingTarget } from '../../../testing/index.js';
import { pagesAt, TABLE, VhostUserBench } from './support/bench.js';
import { ADD_MEM_REG, SET_MEM_TABLE, type FakeBackEndOptions, type Received } from './support/fake-back-end.js';

/** Pages of the memory map, and of each region. */
const REGIONS = 3;
const PAGES_OF_REGION = 8;

const edit = fc.record({
  kind: fc.constantFrom('add', 'add', 'add', 'remove', 'show', 'hide'),
  region: fc.nat({ max: REGIONS - 1 }),
  page: fc.nat({ max: PAGES_OF_REGION - 1 }),
  pages: fc.integer({ min: 1, max: 3 }),
  writable: fc.boolean(),
});

type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

const commands = fc.array(fc.record({ edits: fc.array(edit, { minLength: 1, maxLength: 4 }), nack: fc.boolean() }), {
  minLength: 1,
  maxLength: 12,
});

describe('VhostUserTarget, compared with the memory map of its manager', () => {
  const bench = new VhostUserBench();

  afterEach(() => {
    bench.close();
  });

  for (const [mode, options] of [
    ['slots', { slots: 7, refusal: 1 }],
    ['a table', { ...TABLE, answer: refuseLongTable }],
  ] as const satisfies readonly (readonly [string, FakeBackEndOptions])[]) {
    it(`leaves the back end with exactly the active mappings that it may have (${mode})`, async function () {
      this.timeout(60_000);
      await fc.assert(
        fc.asyncProperty(commands, async (list) => {
          const { backEnd, target } = await bench.attached(options);
          const manager = new RegionManager();
          const beside = new RecordingTarget({ needsFd: true, batches: true });
          await manager.attach(beside);
          const attachment = await manager.attach(target);
          const regions: Region[] = [];
          for (let index = 0; index < REGIONS; index++) {
            const range = pagesAt(index * PAGES_OF_REGION, PAGES_OF_REGION);
            regions.push(await manager.addRegion({ name: `region ${index}`, range, type: 'ram' }));
          }
          for (const { edits, nack } of list) {
            if (nack) {
              backEnd.failOnce(ADD_MEM_REG, 1);
            }
            await manager
              .transaction((transaction) => {
                for (const one of edits) {
                  make(bench, transaction, regions[one.region] as Region, one);
                }
              })
              .catch(ignoreFailedMap);
            const { mappings } = manager.snapshot();
            const shared = mappings.filter(({ writable }) => writable);
            expect(target.mappedRanges().map(String)).to.deep.equal(mappings.map(({ range }) => String(range)));
            expect(held(backEnd.regions)).to.deep.equal(
              shared.map(({ range }) => `${range} of ${range.start + (1n << 44n)}`),
            );
            expect(beside.held()).to.have.length(mappings.length);
            expect(await attachment.verify()).to.deep.equal([]);
          }
          bench.close();
        }),
        { numRuns: 60 },
      );
    });
  }
});

/** A back end that takes fewer regions than the protocol has room for. */
function refuseLongTable({ request, payload }: Received): number | undefined {
  return request === SET_MEM_TABLE && payload.readUInt32LE(0) > 5 ? 1 : undefined;
}

/** What the back end has, but for the page of a table that is empty. */
function held(regions: readonly { gpa: bigint; size: bigint; userAddress: bigint }[]): readonly string[] {
  return regions
    .filter(({ gpa }) => gpa < 1n << 40n)
    .map(({ gpa, size, userAddress }) => `0x${gpa.toString(16)}-0x${(gpa + size).toString(16)} of ${userAddress}`);
}

function make(bench: VhostUserBench, edit: RegionEdit, region: Region, { kind, page, pages, writable }: Edit): void {
  const rangeInRegion = pagesAt(page, Math.min(pages, PAGES_OF_REGION - page));
  switch (kind) {
    case 'add':
      edit.addMapping(region, { rangeInRegion, backing: { mappable: bench.memfd(4), fileOffset: 0n }, writable });
      break;
    case 'remove':
      edit.removeMappings(region, rangeInRegion);
      break;
    case 'show':
      edit.map(region, { writable: true });
      break;
    default:
      edit.unmap(region);
  }
}

/** Edits that overlap, and maps that are refused, are undone: nothing has changed. */
function ignoreFailedMap(error: unknown): void {
  const { code } = error as { readonly code?: string };
  if (!(error instanceof DmaMapError) && code?.startsWith('ERR_MAPPING') !== true) {
    throw error;
  }
}
