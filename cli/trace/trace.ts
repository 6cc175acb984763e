import type { Hole, PlacedSection } from './section.js';

/** All lines of one commit: one transaction. */
export interface TraceCommit {
  /** As in the trace. */
  readonly number: number;
  /** Since the machine started, in milliseconds. */
  readonly ms: number;
  /** Sections that this commit takes away, the same objects that an earlier commit added. In the order of the trace. */
  readonly removes: readonly PlacedSection[];
  /** Sections that it brings. In the order of the trace. */
  readonly adds: readonly PlacedSection[];
  /** Lines of it that add or remove what takes no place. */
  readonly holes: number;
}

/** Sections of memory that do not begin and end at pages, of which only the whole pages are mapped. */
export interface RoundedSections {
  /** In the order of the trace. */
  readonly first: PlacedSection | Hole;
  /** Lines that add one. */
  readonly count: number;
}

/** A memory block: what becomes one memfd. */
export interface MemoryBlock {
  readonly name: string;
  /** As far as the trace ever reaches into it, in bytes. */
  readonly size: bigint;
}

/** The commits of a trace that is still being written. */
export interface ArrivingCommits {
  /** In order, each as soon as it is known to be whole. Throws what `readTrace` throws. */
  readonly commits: AsyncIterable<TraceCommit>;
  /** Ends `commits`, without a commit of which only a part has come. */
  stop(): void;
}

/** A trace, checked: every commit of it can be applied. */
export interface Trace {
  readonly path: string;
  /** Blank lines not counted. */
  readonly lineCount: number;
  readonly commits: readonly TraceCommit[];
  /** By name, in the order in which they are met. */
  readonly blocks: ReadonlyMap<string, MemoryBlock>;
  /** Lines that add a section that takes no place: it is no memory, or holds no whole page, and has no priority. */
  readonly holes: number;
  readonly rounded: RoundedSections | undefined;
  /** Whether a section has a priority: then sections may overlap in any way. */
  readonly hasPriorities: boolean;
  /** Present if the trace is still being written: everything else then describes what has come so far. Can be read once. */
  readonly arriving?: ArrivingCommits;
}
