import { isMemory } from '../../sources/section-kind.js';
import { differenceOf, type Section } from '../../sources/section.js';
import { wholePages } from '../../sources/whole-pages.js';
import { MemoryRange } from '../../streams/index.js';
import { PAGE_SIZE } from '../../streams/internal.js';
import { hex } from './section.js';

/** Writes a trace: one commit for each state of a memory map. */
export class TraceWriter {
  #sections: readonly Section[] = [];
  #commits = 0;
  #unmappable: Section | undefined;

  /** Commits that were written. */
  get commits(): number {
    return this.#commits;
  }

  /** Sections of memory that are there now. */
  get sections(): number {
    return this.#sections.length;
  }

  /** The first section of memory that was left out, because its pages are not whole pages of its memory region. */
  get unmappable(): Section | undefined {
    return this.#unmappable;
  }

  /**
   * The lines of the next commit, with their ends; empty if no memory has changed. Sections that are no memory are left out: a trace needs none.
   *
   * @param ms since the first commit, in milliseconds
   */
  commit(ms: number, sections: readonly Section[]): string {
    const memory = sections.flatMap((section) => this.#recorded(section));
    const { removed, added } = differenceOf(this.#sections, memory);
    this.#sections = memory;
    const lines = removed.length + added.length;
    if (lines === 0) {
      return '';
    }
    const commit = this.#commits++;
    const line = (op: 'add' | 'remove', { start, end, name, kind, offset }: Section): string =>
      `${JSON.stringify({
        ...{ ms: Math.max(0, Math.round(ms)), commit, op, start: hex(start), end: hex(end), name, kind },
        ...{ offset: hex(offset), lines },
      })}\n`;
    return [...removed.map((section) => line('remove', section)), ...added.map((section) => line('add', section))].join(
      '',
    );
  }

  /** A section as a trace can have it. */
  #recorded(section: Section): Section[] {
    const { start, end, kind, name } = section;
    if (!isMemory(kind)) {
      return [];
    }
    if (wholePages(section) === undefined && MemoryRange.inside(start, end) !== undefined) {
      this.#unmappable ??= section;
      return [];
    }
    // A trace takes such an end for a mistake. The part of a page cannot be mapped anyway.
    const kept = (end + 1n) % PAGE_SIZE === 0n ? end - (end % PAGE_SIZE) : end;
    return kept <= start ? [] : [{ ...section, end: kept, name: name === '' ? '(unnamed)' : name }];
  }
}
