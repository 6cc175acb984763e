import { MemoryRange, RegionManager, type Mappable, type Region, type RegionEdit } from '../../streams/index.js';
import { PAGE_SIZE } from '../../streams/ranges/memory-range.js';
import { FakeMappable } from '../../testing/index.js';
import type { Section } from '../../sources/section.js';
import type { RankedRegion } from '../../sources/ranked-regions.js';

/** A part of a region of QEMU that shows. */
export type Shown = Omit<Section, 'kind'>;

const FILES = new Map<string, FakeMappable>();

/** The file that stands for the memory of a region: the same for each address space and moment. */
function fileOf(name: string): FakeMappable {
  const file = FILES.get(name) ?? new FakeMappable(name);
  FILES.set(name, file);
  return file;
}

export function isMemory({ kind }: { readonly kind: string }): boolean {
  return kind !== 'i/o';
}

/** The first region wins: it gets the highest priority. */
function priorityOf(regions: readonly RankedRegion[], index: number, above = 0): number {
  return above + regions.length - index;
}

/** `MemoryRange` has no byte at or above this address when each byte is a page. */
const BYTES_AS_PAGES = 2n ** 52n;

/**
 * Adds the regions with a page for each byte: QEMU divides addresses at any byte. Registers have a mapping too, so that they can be told apart,
 * and containers are transparent.
 *
 * @returns for each region its handle; `undefined` if it begins above what can be expressed
 */
export function addByBytes(edit: RegionEdit, regions: readonly RankedRegion[]): (Region | undefined)[] {
  return regions.map(({ name, kind, start, end, offset, isContainer }, index) => {
    const last = end < BYTES_AS_PAGES ? end : BYTES_AS_PAGES;
    if (start >= last) {
      return undefined;
    }
    const range = MemoryRange.ofPages(Number(start), Number(last));
    const region = edit.addRegion({
      ...{ name, range, type: isMemory({ kind }) ? 'ram' : 'device', priority: priorityOf(regions, index) },
      holes: isContainer ? 'transparent' : 'opaque',
    });
    if (!isContainer) {
      const backing = { mappable: fileOf(name), fileOffset: offset * PAGE_SIZE };
      edit.addMapping(region, { rangeInRegion: MemoryRange.ofLength(0n, range.length), backing, writable: true });
    }
    edit.map(region, { writable: true });
    return region;
  });
}

/** What shows of regions that were added by `addByBytes`. */
export function shownByBytes(region: Region | RegionManager): Shown[] {
  const pieces = region instanceof RegionManager ? region.snapshot().mappings : region.activeMappings;
  return pieces.map(({ range, backing }) => {
    const { label, fileOffset } = fileBacking(backing);
    return {
      ...{ start: BigInt(range.startPage), end: BigInt(range.endPage), name: label },
      offset: fileOffset / PAGE_SIZE,
    };
  });
}

function fileBacking(backing: 'private' | { readonly mappable: Mappable; readonly fileOffset: bigint }): {
  readonly label: string;
  readonly fileOffset: bigint;
} {
  if (backing === 'private' || !(backing.mappable instanceof FakeMappable)) {
    throw new Error('this mapping was not made here');
  }
  return { label: backing.mappable.label, fileOffset: backing.fileOffset };
}

/**
 * Adds the regions as a VMM does: memory has mappings, of whole pages; registers are opaque holes, which take each page that they touch;
 * containers are transparent holes.
 *
 * @param isWritable for each region
 * @param above is added to all priorities
 */
export function addByPages(
  edit: Pick<RegionEdit, 'addRegion' | 'addMapping' | 'map'>,
  regions: readonly RankedRegion[],
  isWritable: readonly boolean[],
  above = 0,
): Region[] {
  return regions.map((one, index) =>
    addOneByPages(edit, one, isWritable[index] === true, priorityOf(regions, index, above)),
  );
}

export function addOneByPages(
  edit: Pick<RegionEdit, 'addRegion' | 'addMapping' | 'map'>,
  one: RankedRegion,
  writable: boolean,
  priority: number,
): Region {
  const { name, start, end, isContainer } = one;
  const last = end + (-end & (PAGE_SIZE - 1n));
  const range = MemoryRange.of(start - (start % PAGE_SIZE), last);
  const holes = isContainer ? 'transparent' : 'opaque';
  const region = edit.addRegion({ name, range, type: 'ram', priority, holes });
  const whole = isMemory(one) ? wholePages(one) : undefined;
  if (whole !== undefined) {
    edit.addMapping(region, {
      rangeInRegion: whole.range.shift(-range.start),
      backing: { mappable: fileOf(name), fileOffset: whole.fileOffset },
      writable,
    });
  }
  edit.map(region, { writable: true });
  return region;
}

/** The whole pages of memory. `undefined` where there is none, or where they are not whole pages of the file. */
export function wholePages({
  start,
  end,
  offset,
}: Pick<Section, 'start' | 'end' | 'offset'>):
  { readonly range: MemoryRange; readonly fileOffset: bigint } | undefined {
  const range = MemoryRange.inside(start, end);
  const fileOffset = range === undefined ? 0n : offset + range.start - start;
  return range === undefined || fileOffset % PAGE_SIZE !== 0n ? undefined : { range, fileOffset };
}

/** Joins neighbours that are neighbours in their region too: QEMU joins them. `isSame` says what else they must share. */
export function joined<T extends Shown>(
  sections: readonly T[],
  isSame: (one: T, other: T) => boolean = () => true,
): T[] {
  const all: T[] = [];
  for (const section of sections.toSorted((one, other) => (one.start < other.start ? -1 : 1))) {
    const last = all.at(-1);
    const continues =
      last?.end === section.start &&
      last.name === section.name &&
      last.offset + last.end - last.start === section.offset &&
      isSame(last, section);
    if (continues) {
      all[all.length - 1] = { ...last, end: section.end };
    } else {
      all.push(section);
    }
  }
  return all;
}

/** For messages and comparison. */
export function textOf({ start, end, name, offset }: Shown): string {
  return `0x${start.toString(16)}-0x${end.toString(16)} ${name}+0x${offset.toString(16)}`;
}
