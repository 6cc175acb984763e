import { expect } from 'chai';
import fc from 'fast-check';
import { MemoryRange, type MapChange, type Region, type RegionEdit } from '../../../streams/index.js';
import { FakeMappable } from '../../../testing/index.js';

/** A model of regions that overlap in any way: an array of pages, without the shortcuts of the library. */

/** Pages of the model's address space. */
const PAGES = 64;
const FILES = [new FakeMappable('a'), new FakeMappable('b')] as const;

export interface ModelMapping {
  readonly start: number;
  readonly end: number;
  readonly file: number;
  /** In pages. */
  readonly offset: number;
  readonly writable: boolean;
  readonly granule: number | undefined;
}

export interface ModelRegion {
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
export function pagesOf(
  regions: readonly ModelRegion[],
): (readonly [ModelRegion, ModelMapping | undefined] | undefined)[] {
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
export function piecesOf(
  regions: readonly ModelRegion[],
  isWanted: (region: ModelRegion) => boolean = () => true,
): string[] {
  const pages = pagesOf(regions);
  const pieces: string[] = [];
  for (let start = 0; start < PAGES;) {
    const [region, mapping] = pages[start] ?? [];
    let end = start + 1;
    if (region !== undefined && mapping !== undefined && isWanted(region)) {
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

export function textOf({ range, backing, writable }: MapChange): string {
  if (backing === 'private') {
    throw new Error('there is no private memory here');
  }
  const file = FILES.findIndex((one) => one === backing.mappable);
  return `${range.startPage}-${range.endPage} ${file}+${backing.fileOffset / 4096n} ${writable ? 'rw' : 'ro'}`;
}

export const edits = fc.array(
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

export type Edit = typeof edits extends fc.Arbitrary<(infer T)[][]> ? T : never;

export class Model {
  readonly regions: ModelRegion[] = [];
  readonly handles: Region[] = [];

  /** Makes edits. Those that the model refuses must be refused. Returns what takes them back in the model. */
  edit(edit: RegionEdit, list: readonly Edit[]): () => void {
    const before = structuredClone(this.regions);
    const count = this.handles.length;
    for (const one of list) {
      this.#edit(edit, one);
    }
    return () => {
      this.handles.splice(count);
      this.regions.splice(0, Infinity, ...before);
    };
  }

  #edit(edit: RegionEdit, one: Edit): void {
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
    edit: RegionEdit,
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

  #removeMappings(edit: RegionEdit, region: ModelRegion, handle: Region, rangeInRegion: MemoryRange): void {
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
