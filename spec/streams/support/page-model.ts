/** One page of a mapping in a region. */
export interface Cell {
  /** First page of the mapping, and the page after its last. */
  readonly start: number;
  readonly end: number;
  readonly writable: boolean;
  /** A file, or `'private'`. */
  readonly memory: string;
}

export interface ModelRegion {
  readonly start: number;
  readonly end: number;
  readonly priority: number;
  readonly type: 'ram' | 'device';
  present: boolean;
  shown: 'rw' | 'ro' | undefined;
  /** Its cell at each page of the whole address space. */
  readonly cells: (Cell | undefined)[];
}

export type Edit =
  | {
      readonly kind: 'add region';
      readonly start: number;
      readonly end: number;
      readonly priority: number;
      readonly type: 'ram' | 'device';
    }
  | {
      readonly kind: 'add ram';
      readonly start: number;
      readonly end: number;
      readonly priority: number;
      readonly memory: string;
    }
  | { readonly kind: 'remove region'; readonly region: number }
  | { readonly kind: 'show'; readonly region: number; readonly how: 'rw' | 'ro' }
  | { readonly kind: 'hide'; readonly region: number }
  | {
      readonly kind: 'add mapping';
      readonly region: number;
      /** Pages relative to the start of the region. */
      readonly start: number;
      readonly end: number;
      readonly writable: boolean;
      readonly memory: string;
    }
  | { readonly kind: 'remove mappings'; readonly region: number; readonly start: number; readonly end: number };

/**
 * A model of the guest address space as an array of pages: slow, but simple. It has no ranges, trees, queues or differences: to find the mapping at
 * a page, it visits every region.
 */
export class PageModel {
  readonly #pages: number;
  #regions: ModelRegion[] = [];

  constructor(pages: number) {
    this.#pages = pages;
  }

  /** All regions, also removed ones. */
  get regions(): readonly ModelRegion[] {
    return this.#regions;
  }

  /** The model after all edits; `undefined` if one of them, or the whole transaction, must be refused. */
  after(edits: readonly Edit[]): PageModel | undefined {
    const next = new PageModel(this.#pages);
    next.#regions = structuredClone(this.#regions);
    for (const edit of edits) {
      if (!next.#apply(edit)) {
        return undefined;
      }
    }
    return this.#privateMemoryStaysAlone(next) ? next : undefined;
  }

  /** The active region at a page. */
  topAt(page: number): ModelRegion | undefined {
    let top: ModelRegion | undefined;
    for (const region of this.#regions) {
      const isThere = region.present && region.shown !== undefined && region.start <= page && page < region.end;
      if (isThere && (top === undefined || region.priority > top.priority)) {
        top = region;
      }
    }
    return top;
  }

  /** At each page: the active mapping, if there is one. */
  view(): (string | undefined)[] {
    return Array.from({ length: this.#pages }, (_, page) => {
      const top = this.topAt(page);
      const cell = top?.cells[page];
      if (top === undefined || cell === undefined) {
        return undefined;
      }
      const writable = cell.writable && top.shown === 'rw';
      return `${cell.start}-${cell.end} ${writable ? 'rw' : 'ro'} ${cell.memory} ${top.type}`;
    });
  }

  /** The active mappings, in ascending order. */
  mappings(): string[] {
    return [...new Set(this.view().filter((seen) => seen !== undefined))];
  }

  /** At each page: the private memory, active or not. */
  privateMemory(): (string | undefined)[] {
    return Array.from({ length: this.#pages }, (_, page) => {
      const owner = this.#regions.find((region) => region.present && region.cells[page]?.memory === 'private');
      const cell = owner?.cells[page];
      return cell === undefined ? undefined : `${cell.start}-${cell.end} ${cell.writable ? 'rw' : 'ro'}`;
    });
  }

  #apply(edit: Edit): boolean {
    if (edit.kind === 'add region') {
      return this.#addRegion(edit);
    }
    if (edit.kind === 'add ram') {
      return this.#addRam(edit);
    }
    const region = this.#regions[edit.region];
    if (region === undefined) {
      return false;
    }
    if (edit.kind === 'remove region') {
      region.present = false;
      region.shown = undefined;
      return true;
    }
    if (!region.present) {
      return false;
    }
    switch (edit.kind) {
      case 'show':
        region.shown = edit.how;
        return true;
      case 'hide':
        region.shown = undefined;
        return true;
      case 'add mapping':
        return this.#addMapping(region, edit);
      case 'remove mappings':
        return removeMappings(region, edit);
    }
  }

  #addRegion({ start, end, priority, type }: Extract<Edit, { kind: 'add region' }>): boolean {
    for (const other of this.#regions) {
      if (other.present && start < other.end && other.start < end) {
        const same = start === other.start && end === other.end;
        const contains = start <= other.start && other.end <= end;
        const isContained = other.start <= start && end <= other.end;
        const fits = priority === other.priority ? same : priority > other.priority ? contains : isContained;
        if (!fits) {
          return false;
        }
      }
    }
    const cells = Array.from<Cell | undefined>({ length: this.#pages });
    this.#regions.push({ start, end, priority, type, present: true, shown: undefined, cells });
    return true;
  }

  /** A region, a mapping over all of it, and the region mapped. */
  #addRam({ start, end, priority, memory }: Extract<Edit, { kind: 'add ram' }>): boolean {
    const region = this.#regions.length;
    return (
      this.#apply({ kind: 'add region', start, end, priority, type: 'ram' }) &&
      this.#apply({ kind: 'add mapping', region, start: 0, end: end - start, writable: true, memory }) &&
      this.#apply({ kind: 'show', region, how: 'rw' })
    );
  }

  #addMapping(region: ModelRegion, { start, end, writable, memory }: Extract<Edit, { kind: 'add mapping' }>): boolean {
    const cell = { start: region.start + start, end: region.start + end, writable, memory };
    if (cell.end > region.end) {
      return false;
    }
    const privateMemory = this.privateMemory();
    for (let page = cell.start; page < cell.end; page++) {
      if (region.cells[page] !== undefined || (memory === 'private' && privateMemory[page] !== undefined)) {
        return false;
      }
      region.cells[page] = cell;
    }
    return true;
  }

  /** Nothing else is seen, or was seen just before, where private memory is; and it gives way to no other private memory at once. */
  #privateMemoryStaysAlone(next: PageModel): boolean {
    const [before, after] = [this.privateMemory(), next.privateMemory()];
    const [seenBefore, seenAfter] = [this.view(), next.view()];
    for (let page = 0; page < this.#pages; page++) {
      const isMade = after[page] !== undefined && !before.includes(after[page]);
      const isFile = (seen: string | undefined): boolean => seen !== undefined && !seen.includes('private');
      if (isFile(seenAfter[page]) && (before[page] !== undefined || after[page] !== undefined)) {
        return false;
      }
      if (isMade && (isFile(seenBefore[page]) || before[page] !== undefined)) {
        return false;
      }
    }
    return true;
  }
}

function removeMappings(
  region: ModelRegion,
  { start, end }: { readonly start: number; readonly end: number },
): boolean {
  const [first, last] = [region.start + start, region.start + end];
  if (last > region.end) {
    return false;
  }
  for (let page = first; page < last; page++) {
    const cell = region.cells[page];
    if (cell !== undefined && (cell.start < first || cell.end > last)) {
      return false;
    }
    region.cells[page] = undefined;
  }
  return true;
}
