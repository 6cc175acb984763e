import { expect } from 'chai';
import fc from 'fast-check';
import { MemoryRange, type MapChange, type Region } from '../../../streams/index.js';
import { sameMapping } from '../../../streams/changes/mapping.js';
import type { Difference } from '../../../streams/view/removals.js';
import { FakeMappable } from '../../support/fake-mappable.js';
import { RegionsOnly } from '../support/regions-only.js';

/** Pages of the model's address space. */
const PAGES = 64;
const FILES = [new FakeMappable('a'), new FakeMappable('b')] as const;

interface ModelMapping {
  readonly start: number;
  readonly end: number;
  readonly file: number;
  /** In pages. */
  readonly offset: number;
  readonly writable: boolean;
  readonly granule: number | undefined;
}

interface ModelRegion {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  readonly priority: number;
  readonly isTransparent: boolean;
  visible: 'writable' | 'read-only' | undefined;
  present: boolean;
  mappings: ModelMapping[];
}

/** The view of the model: for each page the region and the mapping that show. Regions are in the order in which they were added. */
function pagesOf(regions: readonly ModelRegion[]): (readonly [ModelRegion, ModelMapping | undefined] | undefined)[] {
  return Array.from({ length: PAGES }, (_, page) => {
    const covers = regions
      .filter(({ present, visible, start, end }) => present && visible !== undefined && start <= page && page < end)
      .map((region) => [region, region.mappings.find(({ start, end }) => start <= page && page < end)] as const)
      .filter(([{ isTransparent }, mapping]) => !isTransparent || mapping !== undefined);
    return covers.reduce<(typeof covers)[number] | undefined>(
      (best, one) => (best === undefined || one[0].priority > best[0].priority ? one : best),
      undefined,
    );
  });
}

/** The pieces that targets must have, as texts. */
function piecesOf(regions: readonly ModelRegion[]): string[] {
  const pages = pagesOf(regions);
  const pieces: string[] = [];
  for (let start = 0; start < PAGES;) {
    const [region, mapping] = pages[start] ?? [];
    let end = start + 1;
    if (region !== undefined && mapping !== undefined) {
      const granule = mapping.granule ?? Infinity;
      while (end < PAGES && pages[end]?.[1] === mapping && Math.floor(end / granule) === Math.floor(start / granule)) {
        end += 1;
      }
      const access = mapping.writable && region.visible === 'writable' ? 'rw' : 'ro';
      pieces.push(`${start}-${end} ${mapping.file}+${mapping.offset + start - mapping.start} ${access}`);
    }
    start = end;
  }
  return pieces;
}

function textOf({ range, backing, writable }: MapChange): string {
  if (backing === 'private') {
    throw new Error('there is no private memory here');
  }
  const file = FILES.findIndex((one) => one === backing.mappable);
  return `${range.startPage}-${range.endPage} ${file}+${backing.fileOffset / 4096n} ${writable ? 'rw' : 'ro'}`;
}

/** What a target has mapped. Checks each difference, as a target would. */
class Held {
  readonly #maps = new Map<number, MapChange>();

  texts(): string[] {
    return [...this.#maps.values()].sort((a, b) => a.range.startPage - b.range.startPage).map(textOf);
  }

  apply({ unmaps, removed, maps }: Difference): void {
    const gone: MapChange[] = [];
    let end = 0;
    for (const { range, covers } of unmaps) {
      expect(range.startPage, 'unmaps are ascending and disjoint').to.be.at.least(end);
      end = range.endPage;
      const inside = [...this.#maps.values()].filter((one) => one.range.overlaps(range));
      inside.sort((a, b) => a.range.startPage - b.range.startPage);
      expect(
        inside.every((one) => range.contains(one.range)),
        `${range.toString()} cuts nothing`,
      ).to.equal(true);
      expect(covers.map(String)).to.deep.equal(inside.map((one) => one.range.toString()));
      for (const one of inside) {
        this.#maps.delete(one.range.startPage);
        gone.push(one);
      }
    }
    expect(removed.map(textOf)).to.deep.equal(gone.map(textOf));
    let last = 0;
    for (const map of maps) {
      expect(map.range.startPage, 'maps are ascending and disjoint').to.be.at.least(last);
      last = map.range.endPage;
      expect([...this.#maps.values()].some((one) => one.range.overlaps(map.range))).to.equal(false);
      expect(
        gone.some((one) => sameMapping(one, map)),
        `${map.range.toString()} was there before`,
      ).to.equal(false);
      this.#maps.set(map.range.startPage, map);
    }
  }
}

const edits = fc.array(
  fc.array(
    fc.record({
      kind: fc.constantFrom('add', 'add', 'map', 'map', 'hide', 'remove', 'mapping', 'mapping', 'mapping', 'unmapping'),
      region: fc.nat({ max: 7 }),
      start: fc.nat({ max: PAGES - 1 }),
      length: fc.integer({ min: 1, max: 40 }),
      priority: fc.integer({ min: 0, max: 2 }),
      flag: fc.boolean(),
      file: fc.nat({ max: 1 }),
      granule: fc.constantFrom(undefined, undefined, 1, 2, 4, 8),
    }),
    { minLength: 1, maxLength: 6, size: 'max' },
  ),
  { maxLength: 40, size: 'max' },
);

type Edit = typeof edits extends fc.Arbitrary<(infer T)[][]> ? T : never;

class Model {
  readonly guest = new RegionsOnly('any');
  readonly regions: ModelRegion[] = [];
  readonly handles: Region[] = [];

  /** Makes edits in one transaction. Those that the model refuses must be refused. */
  run(list: readonly Edit[], then: 'apply' | 'roll back'): Difference {
    const before = structuredClone(this.regions);
    const count = this.handles.length;
    const difference = this.guest.edit((edit) => {
      for (const one of list) {
        this.#edit(edit, one);
      }
    }, then);
    if (then === 'roll back') {
      this.handles.splice(count);
      this.regions.splice(0, Infinity, ...before);
    }
    return difference;
  }

  #edit(edit: Parameters<Parameters<RegionsOnly['edit']>[0]>[0], one: Edit): void {
    const { kind, start, priority, flag } = one;
    if (kind === 'add') {
      if (this.regions.length < 8) {
        const end = Math.min(PAGES, start + one.length);
        const name = `r${this.regions.length}`;
        const range = MemoryRange.ofPages(start, end);
        const holes = flag ? 'transparent' : 'opaque';
        this.handles.push(edit.addRegion({ name, range, priority, type: 'ram', holes }));
        this.regions.push({
          ...{ name, start, end, priority, isTransparent: flag },
          ...{ visible: undefined, present: true, mappings: [] },
        });
      }
      return;
    }
    const region = this.regions[one.region];
    const handle = this.handles[one.region];
    if (region?.present !== true || handle === undefined) {
      return;
    }
    if (kind === 'map') {
      edit.map(handle, { writable: flag });
      region.visible = flag ? 'writable' : 'read-only';
    } else if (kind === 'hide') {
      edit.unmap(handle);
      region.visible = undefined;
    } else if (kind === 'remove') {
      edit.removeRegion(handle);
      region.present = false;
    } else {
      const first = region.start + (start % (region.end - region.start));
      const end = Math.min(region.end, first + one.length);
      const rangeInRegion = MemoryRange.ofPages(first - region.start, end - region.start);
      if (kind === 'mapping') {
        this.#addMapping(edit, region, handle, rangeInRegion, one);
      } else {
        this.#removeMappings(edit, region, handle, rangeInRegion);
      }
    }
  }

  #addMapping(
    edit: Parameters<Parameters<RegionsOnly['edit']>[0]>[0],
    region: ModelRegion,
    handle: Region,
    rangeInRegion: MemoryRange,
    { flag: writable, file, granule, priority }: Edit,
  ): void {
    const [start, end] = [region.start + rangeInRegion.startPage, region.start + rangeInRegion.endPage];
    // Some files continue from mapping to mapping, so that pieces of two mappings are alike.
    const offset = start + 8 * priority;
    const add = (): void => {
      edit.addMapping(handle, {
        rangeInRegion,
        backing: { mappable: FILES[file] ?? FILES[0], fileOffset: BigInt(offset) * 4096n },
        writable,
        ...(granule === undefined ? {} : { granule: BigInt(granule) * 4096n }),
      });
    };
    if (region.mappings.some((other) => other.start < end && start < other.end)) {
      expect(add).to.throw(/overlaps/);
      return;
    }
    add();
    region.mappings.push({ start, end, file, offset, writable, granule });
  }

  #removeMappings(
    edit: Parameters<Parameters<RegionsOnly['edit']>[0]>[0],
    region: ModelRegion,
    handle: Region,
    rangeInRegion: MemoryRange,
  ): void {
    const [start, end] = [region.start + rangeInRegion.startPage, region.start + rangeInRegion.endPage];
    const cuts = (page: number, one: ModelMapping): boolean =>
      one.start < page && page < one.end && (one.granule === undefined || page % one.granule !== 0);
    if (region.mappings.some((one) => cuts(start, one) || cuts(end, one))) {
      expect(() => {
        edit.removeMappings(handle, rangeInRegion);
      }).to.throw(/cuts the mapping/);
      return;
    }
    edit.removeMappings(handle, rangeInRegion);
    region.mappings = region.mappings.flatMap((one) => {
      const left = { ...one, end: Math.min(one.end, start) };
      const from = Math.max(one.start, end);
      const right = { ...one, start: from, offset: one.offset + from - one.start };
      return [left, right].filter((part) => part.start < part.end);
    });
  }
}

describe('regions that overlap in any way', () => {
  it('show what an array of pages shows, and each transaction changes nothing else', () => {
    fc.assert(
      fc.property(edits, fc.array(fc.nat({ max: 3 })), (transactions, failures) => {
        const model = new Model();
        const held = new Held();
        for (const [index, list] of transactions.entries()) {
          if (failures[index] === 0) {
            model.run(list, 'roll back');
          } else {
            held.apply(model.run(list, 'apply'));
          }
          const expected = piecesOf(model.regions);
          expect(held.texts()).to.deep.equal(expected);
          expect(model.guest.view.allNow().map(textOf)).to.deep.equal(expected);
          expectLookups(model, expected);
        }
      }),
      { numRuns: Number(process.env['DMA_STREAMS_MODEL_RUNS'] ?? 300) },
    );
  });
});

/** The view finds each piece by its range, and each region knows whether and what of it shows. */
function expectLookups({ guest, regions, handles }: Model, expected: readonly string[]): void {
  for (const text of expected) {
    const [start = 0, end = 0] = (text.split(' ')[0] ?? '').split('-').map(Number);
    const found = guest.view.at(MemoryRange.ofPages(start, end));
    expect(found === undefined ? undefined : textOf(found)).to.equal(text);
  }
  const pages = pagesOf(regions);
  for (const [index, region] of regions.entries()) {
    const isActive = pages.some((page) => page?.[0] === region);
    expect(handles[index]?.active).to.equal(isActive);
  }
}
