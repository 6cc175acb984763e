import { RangeMap } from '../../streams/internal.js';
import { isMemory } from '../../sources/section-kind.js';
import { TraceError } from '../errors.js';
import { overlapHint } from './overlap-hint.js';
import {
  describeSection,
  isMapped,
  isPlaced,
  sameSection,
  type Hole,
  type PlacedSection,
  type Section,
} from './section.js';
import type { TraceLine } from './trace-line.js';
import type { ArrivingCommits, MemoryBlock, RoundedSections, Trace, TraceCommit } from './trace.js';

interface OpenCommit {
  readonly number: number;
  readonly ms: number;
  readonly removes: PlacedSection[];
  /** By their description, which names all that a remove has to repeat. */
  readonly adds: Map<string, PlacedSection | Hole>;
  holes: number;
  /** How many lines it has, if they say so. */
  readonly expected: number | undefined;
  lines: number;
}

/** How the last commit was found to be whole. */
interface ClosedCommit {
  readonly number: number;
  readonly lines: number;
  readonly isComplete: boolean;
}

/**
 * Puts a trace together, a line at a time, and keeps the sections that are there, so that a line that does not follow from
 * those before is found.
 *
 * The lines of one commit take effect together: what it removes makes room for what it adds, in whatever order they stand.
 *
 * A section without a priority must not overlap another one. A section with a priority may overlap any.
 */
export class TraceBuilder {
  readonly #path: string;
  /** Without a priority. */
  readonly #sections = new RangeMap<Section>();
  /** With a priority, by their description. */
  readonly #layers = new Map<string, PlacedSection>();
  /** By their description. Nothing is mapped there: they overlap nothing. */
  readonly #holes = new Map<string, Hole>();
  readonly #blocks = new Map<string, MemoryBlock>();
  readonly #commits: TraceCommit[] = [];
  #open: OpenCommit | undefined;
  #closed: ClosedCommit | undefined;
  #lineCount = 0;
  #holeCount = 0;
  #hasPriorities = false;
  #rounded: RoundedSections | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws TraceError when the line does not follow from those before */
  add(line: TraceLine): void {
    const { op, section } = line;
    const open = this.#commitFor(line);
    this.#lineCount++;
    open.lines++;
    open.holes += isPlaced(section) ? 0 : 1;
    if (op === 'remove') {
      this.#remove(open, section);
    } else {
      const key = describeSection(section);
      const same = open.adds.get(key);
      if (same !== undefined) {
        throw this.#overlap(section, same);
      }
      open.adds.set(key, section);
      this.#measure(section);
    }
    if (open.lines === open.expected) {
      this.close(section.line);
    }
  }

  /** Lets the last commit take effect, unless its lines say that there are more. */
  closeUnlessCounted(): void {
    if (this.#open?.expected === undefined) {
      this.close();
    }
  }

  /** Whether the last commit may get more lines. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** @throws TraceError when the last commit does not follow from those before, or is not whole */
  finish(): Trace {
    this.close();
    return this.view();
  }

  /** What has been added so far. It changes with what is added. */
  view(arriving?: ArrivingCommits): Trace {
    const values = {
      lineCount: () => this.#lineCount,
      holes: () => this.#holeCount,
      rounded: () => this.#rounded,
      hasPriorities: () => this.#hasPriorities,
    };
    return {
      path: this.#path,
      commits: this.#commits,
      blocks: this.#blocks,
      get lineCount() {
        return values.lineCount();
      },
      get holes() {
        return values.holes();
      },
      get rounded() {
        return values.rounded();
      },
      get hasPriorities() {
        return values.hasPriorities();
      },
      ...(arriving === undefined ? {} : { arriving }),
    };
  }

  #commitFor({ commit: number, ms, lines, section: { line } }: TraceLine): OpenCommit {
    const open = this.#open;
    if (open?.number === number) {
      if (open.expected !== lines) {
        throw this.#miscounted(
          line,
          `commit ${number} has "lines" ${show(open.expected)} before, and ${show(lines)} here`,
        );
      }
      return open;
    }
    const last = open ?? this.#closed;
    if (last !== undefined && number < last.number) {
      throw new TraceError(
        this.#path,
        line,
        `commit ${number} comes after commit ${last.number}`,
        'commits are numbered upwards, and all lines of one stand together',
      );
    }
    this.close(line);
    if (this.#closed?.isComplete === true && this.#closed.number === number) {
      throw this.#miscounted(
        line,
        `commit ${number} has more than the ${this.#closed.lines} lines that its "lines" says`,
      );
    }
    this.#open = { number, ms, removes: [], adds: new Map(), holes: 0, expected: lines, lines: 0 };
    return this.#open;
  }

  /**
   * Lets the last commit take effect: its removes have done so already.
   *
   * @param line where it ends, for errors
   * @throws TraceError when it does not follow from those before, or has fewer lines than it says
   */
  close(line?: number): void {
    const open = this.#open;
    if (open === undefined) {
      return;
    }
    const { number, ms, removes, holes, lines, expected } = open;
    if (expected !== undefined && lines !== expected) {
      throw this.#miscounted(line, `commit ${number} has ${lines} of the ${expected} lines that its "lines" says`);
    }
    const adds: PlacedSection[] = [];
    for (const [key, section] of open.adds) {
      const inTheWay = this.#insert(key, section);
      if (inTheWay !== undefined) {
        throw this.#overlap(section, inTheWay);
      }
      if (isPlaced(section)) {
        adds.push(section);
      }
    }
    this.#commits.push({ number, ms, removes, adds, holes });
    this.#closed = { number, lines, isComplete: expected !== undefined };
    this.#open = undefined;
  }

  #miscounted(line: number | undefined, what: string): TraceError {
    return new TraceError(
      this.#path,
      line,
      what,
      'the trace is cut short, or was edited: record it again, or leave "lines" out of all lines of the commit',
    );
  }

  /** Returns a section that is in its way, and then adds nothing. */
  #insert(key: string, section: PlacedSection | Hole): PlacedSection | Hole | undefined {
    if (isPlaced(section) && section.priority === undefined) {
      return this.#sections.insert(section as Section);
    }
    const same = this.#layers.get(key) ?? this.#holes.get(key);
    if (same === undefined) {
      if (isPlaced(section)) {
        this.#layers.set(key, section);
      } else {
        this.#holes.set(key, section);
      }
    }
    return same;
  }

  #remove(open: OpenCommit, section: PlacedSection | Hole): void {
    const key = describeSection(section);
    const there = this.#layers.get(key) ?? this.#sectionAt(section);
    if (there !== undefined) {
      if (!this.#layers.delete(key)) {
        this.#sections.remove(there.covers);
      }
      open.removes.push(there);
      return;
    }
    if (!this.#holes.delete(key) && !open.adds.delete(key)) {
      throw this.#neverAdded(section);
    }
  }

  /** The same section without a priority, if it is there. */
  #sectionAt(section: PlacedSection | Hole): Section | undefined {
    const there = section.range === undefined ? undefined : this.#sections.startingAt(section.range.startPage);
    return there !== undefined && sameSection(there, section) ? there : undefined;
  }

  #measure(section: PlacedSection | Hole): void {
    const { start, end, name, kind, range } = section;
    if (isMemory(kind) && (range?.start !== start || range.end !== end)) {
      this.#rounded = { first: this.#rounded?.first ?? section, count: (this.#rounded?.count ?? 0) + 1 };
    }
    if (!isPlaced(section)) {
      this.#holeCount++;
      return;
    }
    this.#hasPriorities ||= section.priority !== undefined;
    if (!isMapped(section)) {
      return;
    }
    const size = section.fileOffset + section.range.length;
    if (size > (this.#blocks.get(name)?.size ?? 0n)) {
      this.#blocks.set(name, { name, size });
    }
  }

  #overlap(section: PlacedSection | Hole, inTheWay: PlacedSection | Hole): TraceError {
    const same = sameSection(section, inTheWay);
    return new TraceError(
      this.#path,
      section.line,
      same
        ? `adds ${describeSection(section)}, which line ${inTheWay.line} has added already`
        : `adds ${describeSection(section)}, which overlaps ${describeSection(inTheWay)} of line ${inTheWay.line}`,
      `remove the other first, in this commit or before${same ? '' : overlapHint(section, inTheWay)}`,
    );
  }

  #neverAdded(section: PlacedSection | Hole): TraceError {
    const near = this.#nearest(section);
    return new TraceError(
      this.#path,
      section.line,
      `removes ${describeSection(section)}, which ${near === undefined ? 'is not there' : 'was never added so'}`,
      near === undefined
        ? 'a remove repeats the start, end, name, kind, offset and priority of an add that is still there'
        : `a remove repeats what was added: line ${near.line} added ${describeSection(near)}`,
    );
  }

  /** What a remove may have meant. */
  #nearest({ start, end, name, range }: PlacedSection | Hole): PlacedSection | Hole | undefined {
    const mapped = range === undefined ? undefined : this.#sections.firstOverlap(range);
    const others = [...this.#layers.values(), ...this.#holes.values()].filter(
      (other) => other.start < end && start < other.end,
    );
    return others.find((other) => other.name === name) ?? mapped ?? others[0];
  }
}

function show(lines: number | undefined): string {
  return lines === undefined ? 'left out' : String(lines);
}
