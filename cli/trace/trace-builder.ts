import { RangeMap } from '../../streams/range-map.js';
import { TraceError } from '../errors.js';
import { describeSection, sameSection, type Section } from './section.js';
import type { TraceLine } from './trace-line.js';
import type { MemoryBlock, Trace, TraceCommit } from './trace.js';

interface OpenCommit {
  readonly number: number;
  readonly ms: number;
  readonly removes: Section[];
  /** By their description, which names all that a remove has to repeat. */
  readonly adds: Map<string, Section>;
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
  readonly #blocks = new Map<string, MemoryBlock>();
  readonly #commits: TraceCommit[] = [];
  #open: OpenCommit | undefined;
  #lineCount = 0;
  #highestAddress = 0n;
  #mostSections = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws TraceError when the line does not follow from those before */
  add({ ms, commit, op, section }: TraceLine): void {
    const open = this.#commitFor(commit, ms, section.line);
    this.#lineCount++;
    if (op === 'add') {
      const same = open.adds.get(describeSection(section));
      if (same !== undefined) {
        throw this.#overlap(section, same);
      }
      open.adds.set(describeSection(section), section);
      this.#measure(section);
    } else {
      this.#remove(open, section);
    }
  }

  /** @throws TraceError when the last commit does not follow from those before */
  finish(): Trace {
    this.#close();
    return {
      path: this.#path,
      lineCount: this.#lineCount,
      commits: this.#commits,
      blocks: this.#blocks,
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
    this.#open = { number, ms, removes: [], adds: new Map() };
    return this.#open;
  }

  /** Lets the commit take effect: its removes have done so already. */
  #close(): void {
    const open = this.#open;
    if (open === undefined) {
      return;
    }
    const adds = [...open.adds.values()];
    for (const section of adds) {
      const inTheWay = this.#sections.insert(section);
      if (inTheWay !== undefined) {
        throw this.#overlap(section, inTheWay);
      }
    }
    this.#mostSections = Math.max(this.#mostSections, this.#sections.size);
    this.#commits.push({ number: open.number, ms: open.ms, removes: open.removes, adds });
    this.#open = undefined;
  }

  #remove(open: OpenCommit, section: Section): void {
    const there = this.#sections.startingAt(section.range.startPage);
    if (there !== undefined && sameSection(there, section)) {
      this.#sections.remove(there.range);
      open.removes.push(there);
      return;
    }
    if (!open.adds.delete(describeSection(section))) {
      throw this.#neverAdded(section);
    }
  }

  #measure({ name, range, offset }: Section): void {
    const size = offset + range.length;
    if (size > (this.#blocks.get(name)?.size ?? 0n)) {
      this.#blocks.set(name, { name, size });
    }
    if (range.end > this.#highestAddress) {
      this.#highestAddress = range.end;
    }
  }

  #overlap(section: Section, inTheWay: Section): TraceError {
    const same = sameSection(section, inTheWay);
    return new TraceError(
      this.#path,
      section.line,
      same
        ? `adds ${describeSection(section)}, which line ${inTheWay.line} has added already`
        : `adds ${describeSection(section)}, which overlaps ${describeSection(inTheWay)} of line ${inTheWay.line}`,
      'remove the other first, in this commit or before',
    );
  }

  #neverAdded(section: Section): TraceError {
    const near = this.#sections.firstOverlap(section.range);
    return new TraceError(
      this.#path,
      section.line,
      `removes ${describeSection(section)}, which ${near === undefined ? 'is not there' : 'was never added so'}`,
      near === undefined
        ? 'a remove repeats the start, end, name, kind and offset of an add that is still there'
        : `a remove repeats what was added: line ${near.line} added ${describeSection(near)}`,
    );
  }
}
