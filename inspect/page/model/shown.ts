import type { Pages, WireMapping, WireRegion } from '../../wire/messages.js';
import { Owners, type Cover } from './owners.js';
import { firstPage } from './state.js';
import { SortedList } from './sorted-list.js';

/** A range of addresses at which one region shows: itself, or the hole that it makes in those below. */
export interface ShownPart {
  readonly pages: Pages;
  /** Key of the region. */
  readonly region: number;
}

/** Orders regions: of those that share an address, the first one shows. */
export function compareRank(a: WireRegion, b: WireRegion): number {
  return b.priority - a.priority || a.key - b.key;
}

export const isMapped = ({ access }: WireRegion): boolean => access !== 'unmapped';

/**
 * Which region shows at which addresses: of the mapped regions that cover an address, the one with the highest priority; of equals, the first
 * added. A region with transparent holes covers only where it has mappings, of which the page knows those that are active.
 */
export function shownParts(regions: SortedList<WireRegion>, mappings: SortedList<WireMapping>): SortedList<ShownPart> {
  const covers = coversOf(regions, mappings);
  const parts: { pages: [number, number]; region: number }[] = [];
  const heap = new RankHeap();
  let next = 0;
  let position = 0;
  for (;;) {
    let top = heap.top(position);
    const following = covers[next];
    if (top === undefined) {
      if (following === undefined) {
        break;
      }
      position = following.pages[0];
    }
    for (let cover = covers[next]; cover !== undefined && cover.pages[0] <= position; cover = covers[++next]) {
      heap.add(cover);
    }
    top = heap.top(position);
    if (top !== undefined) {
      const end = Math.min(top.pages[1], covers[next]?.pages[0] ?? Infinity);
      const last = parts.at(-1);
      if (last?.region === top.region && last.pages[1] === position) {
        last.pages[1] = end;
      } else {
        parts.push({ pages: [position, end], region: top.region });
      }
      position = end;
    }
  }
  return SortedList.ofSorted<ShownPart>(firstPage, parts);
}

/** What takes part, in ascending order of the first page. */
function coversOf(regions: SortedList<WireRegion>, mappings: SortedList<WireMapping>): readonly Cover[] {
  const covers: Cover[] = [];
  const transparent = new Map<string, Cover[]>();
  [...regions.toArray()]
    .filter(isMapped)
    .sort(compareRank)
    .forEach((region, rank) => {
      const { key, name, pages, holes } = region;
      const cover = { pages, region: key, rank };
      if (holes === 'opaque') {
        covers.push(cover);
      } else {
        const named = transparent.get(name) ?? [];
        named.push(cover);
        transparent.set(name, named);
      }
    });
  if (transparent.size > 0) {
    const owners = new Map([...transparent].map(([name, named]) => [name, new Owners(named)]));
    for (const { pages, region } of mappings.toArray()) {
      const owner = owners.get(region)?.of(pages);
      if (owner !== undefined) {
        covers.push({ ...owner, pages });
      }
    }
  }
  return covers.sort((a, b) => a.pages[0] - b.pages[0]);
}

/** The covers at a position, by rank. */
class RankHeap {
  readonly #heap: Cover[] = [];

  /** The first one by rank that goes beyond `position`; those that do not are dropped on the way. */
  top(position: number): Cover | undefined {
    let top = this.#heap[0];
    while (top !== undefined && top.pages[1] <= position) {
      this.#removeTop();
      top = this.#heap[0];
    }
    return top;
  }

  add(cover: Cover): void {
    const heap = this.#heap;
    let index = heap.push(cover) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if ((heap[parent] as Cover).rank <= cover.rank) {
        break;
      }
      heap[index] = heap[parent] as Cover;
      index = parent;
    }
    heap[index] = cover;
  }

  #removeTop(): void {
    const heap = this.#heap;
    const moved = heap.pop() as Cover;
    if (heap.length === 0) {
      return;
    }
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child + 1 < heap.length && (heap[child + 1] as Cover).rank < (heap[child] as Cover).rank) {
        child++;
      }
      if (child >= heap.length || (heap[child] as Cover).rank >= moved.rank) {
        break;
      }
      heap[index] = heap[child] as Cover;
      index = child;
    }
    heap[index] = moved;
  }
}
