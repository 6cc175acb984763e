import { RangeMap, partsOutside } from '../../streams/internal.js';
import { TraceError } from '../errors.js';
import { describeSection, isMemory, sameSection, type Hole, type Section } from './section.js';
import type { TraceLine } from './trace-line.js';
import type { MemoryBlock, RoundedSections, Trace, TraceCommit } from './trace.js';

interface OpenCommit {
  readonly number: number;
  readonly ms: number;
  readonly removes: Section[];
  /** By their description, which names all that a remove has to repeat. */
  readonly adds: Map<string, Section | Hole>;
  holes: number;
}

/**
 * Puts a trace together, a line at a time, and keeps the sections that are there, so that a line that does not follow from
 * those before is found.
 *
 * The lines of one commit take effect together: what it removes makes room for what it adds, in whatever order they stand.
 */
export class TraceBuilder {
  readonly #path: string;
  readonly #sections = new RangeMap<Section>();
  /** By their description. Nothing is mapped there: they overlap nothing. */
  readonly #holes = new Map<string, Hole>();
  readonly #blocks = new Map<string, MemoryBlock>();
  readonly #commits: TraceCommit[] = [];
  #open: OpenCommit | undefined;
  #lineCount = 0;
  #highestAddress = 0n;
  #mostSections = 0;
  #holeCount = 0;
  #rounded: RoundedSections | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws TraceError when the line does not follow from those before */
  add({ ms, commit, op, section }: TraceLine): void {
    const open = this.#commitFor(commit, ms, section.line);
    this.#lineCount++;
    open.holes += section.range === undefined ? 1 : 0;
    if (op === 'remove') {
      this.#remove(open, section);
      return;
    }
    const key = describeSection(section);
    const same = open.adds.get(key);
    if (same !== undefined) {
      throw this.#overlap(section, same);
    }
    open.adds.set(key, section);
    this.#measure(section);
  }

  /** @throws TraceError when the last commit does not follow from those before */
  finish(): Trace {
    this.#close();
    return {
      path: this.#path,
      lineCount: this.#lineCount,
      commits: this.#commits,
      blocks: this.#blocks,
      holes: this.#holeCount,
      rounded: this.#rounded,
      highestAddress: this.#highestAddress,
      mostSections: this.#mostSections,
    };
  }

  #commitFor(number: number, ms: number, line: number): OpenCommit {
    const open = this.#open;
    if (open?.number === number) {
      return open;
    }
    if (open !== undefined && number < open.number) {
      throw new TraceError(
        this.#path,
        line,
        `commit ${number} comes after commit ${open.number}`,
        'commits are numbered upwards, and all lines of one stand together',
      );
    }
    this.#close();
    this.#open = { number, ms, removes: [], adds: new Map(), holes: 0 };
    return this.#open;
  }

  /** Lets the commit take effect: its removes have done so already. */
  #close(): void {
    const open = this.#open;
    if (open === undefined) {
      return;
    }
    const adds: Section[] = [];
    for (const [key, section] of open.adds) {
      const inTheWay = section.range === undefined ? this.#holes.get(key) : this.#sections.insert(section);
      if (inTheWay !== undefined) {
        throw this.#overlap(section, inTheWay);
      }
      if (section.range === undefined) {
        this.#holes.set(key, section);
      } else {
        adds.push(section);
      }
    }
    this.#mostSections = Math.max(this.#mostSections, this.#sections.size);
    const { number, ms, removes, holes } = open;
    this.#commits.push({ number, ms, removes, adds, holes });
    this.#open = undefined;
  }

  #remove(open: OpenCommit, section: Section | Hole): void {
    if (section.range !== undefined) {
      const there = this.#sections.startingAt(section.range.startPage);
      if (there !== undefined && sameSection(there, section)) {
        this.#sections.remove(there.range);
        open.removes.push(there);
        return;
      }
    }
    const key = describeSection(section);
    if (!this.#holes.delete(key) && !open.adds.delete(key)) {
      throw this.#neverAdded(section);
    }
  }

  #measure(section: Section | Hole): void {
    const { start, end, name, kind, range } = section;
    if (isMemory(kind) && (range?.start !== start || range.end !== end)) {
      this.#rounded = { first: this.#rounded?.first ?? section, count: (this.#rounded?.count ?? 0) + 1 };
    }
    if (range === undefined) {
      this.#holeCount++;
      return;
    }
    const size = section.fileOffset + range.length;
    if (size > (this.#blocks.get(name)?.size ?? 0n)) {
      this.#blocks.set(name, { name, size });
    }
    if (range.end > this.#highestAddress) {
      this.#highestAddress = range.end;
    }
  }

  #overlap(section: Section | Hole, inTheWay: Section | Hole): TraceError {
    const same = sameSection(section, inTheWay);
    return new TraceError(
      this.#path,
      section.line,
      same
        ? `adds ${describeSection(section)}, which line ${inTheWay.line} has added already`
        : `adds ${describeSection(section)}, which overlaps ${describeSection(inTheWay)} of line ${inTheWay.line}`,
      `remove the other first, in this commit or before${same ? '' : cutHint(section, inTheWay)}`,
    );
  }

  #neverAdded(section: Section | Hole): TraceError {
    const near = this.#nearest(section);
    return new TraceError(
      this.#path,
      section.line,
      `removes ${describeSection(section)}, which ${near === undefined ? 'is not there' : 'was never added so'}`,
      near === undefined
        ? 'a remove repeats the start, end, name, kind and offset of an add that is still there'
        : `a remove repeats what was added: line ${near.line} added ${describeSection(near)}`,
    );
  }

  /** What a remove may have meant. */
  #nearest({ start, end, range }: Section | Hole): Section | Hole | undefined {
    const mapped = range === undefined ? undefined : this.#sections.firstOverlap(range);
    return mapped ?? [...this.#holes.values()].find((hole) => hole.start < end && start < hole.end);
  }
}

/** How two sections can both be there. */
function cutHint({ range }: Section | Hole, inTheWay: Section | Hole): string {
  if (range === undefined || inTheWay.range === undefined) {
    return '';
  }
  const each = 'a line each, "offset" moved along with "start"';
  const outside = partsOutside(range, inTheWay.range);
  if (outside.length > 0) {
    return `; or leave it there, and add only ${outside.join(' and ')}, ${each}`;
  }
  const rest = partsOutside(inTheWay.range, range);
  return rest.length === 0 ? '' : `; where the rest of it is to stay, add ${rest.join(' and ')} of it again, ${each}`;
}
