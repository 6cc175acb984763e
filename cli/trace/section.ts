import type { MemoryRange } from '../../streams/index.js';
import type { SectionKind } from '../../sources/section-kind.js';

/** A part of the guest's physical address space as a line of a trace gives it, by the byte. */
export interface RecordedSection {
  readonly start: bigint;
  /** The address after the last. */
  readonly end: bigint;
  /** Of the memory block. */
  readonly name: string;
  readonly kind: SectionKind;
  /** Where in the memory block it begins, in bytes. */
  readonly offset: bigint;
  /** Present if the section may overlap others. It shows where no section of a higher priority does. */
  readonly priority?: number;
  /** Line of the trace that it stands in, counted from 1. */
  readonly line: number;
}

/** A section that takes a place in the address space: memory, or with a priority also a window. */
export type PlacedSection = Section | Window;

/** A section of memory: a part of a memory block that the guest sees. Only its whole pages can be mapped. */
export interface Section extends RecordedSection {
  /** The whole pages between `start` and `end`. */
  readonly range: MemoryRange;
  /** Where in the memory block `range` begins. In bytes, page aligned. */
  readonly fileOffset: bigint;
  /** The pages at which no section below it shows: `range`; with a priority also the pages that it takes in part. */
  readonly covers: MemoryRange;
}

/** A section with a priority of which nothing is mapped, and which covers what is below it, such as the registers of a device. */
export interface Window extends RecordedSection {
  readonly priority: number;
  readonly range: undefined;
  /** The pages that it takes, also in part. */
  readonly covers: MemoryRange;
}

/** A section that takes no place: it has no priority, and is no memory, or holds no whole page; or it is a container. */
export interface Hole extends RecordedSection {
  readonly range: undefined;
  readonly covers?: undefined;
}

export function isMapped(section: PlacedSection): section is Section {
  return section.range !== undefined;
}

/** Whether it takes a place. */
export function isPlaced(section: PlacedSection | Hole): section is PlacedSection {
  return section.covers !== undefined;
}

/** Whether a `remove` of one means the other. */
export function sameSection(a: RecordedSection, b: RecordedSection): boolean {
  return (
    a.start === b.start &&
    a.end === b.end &&
    a.name === b.name &&
    a.kind === b.kind &&
    a.offset === b.offset &&
    a.priority === b.priority
  );
}

/** `0xc0000-0xe0000 "pc.rom" (rom, offset 0x0)`, with all that a `remove` repeats: for messages. */
export function describeSection({ start, end, name, kind, offset, priority }: RecordedSection): string {
  const rank = priority === undefined ? '' : `, priority ${priority}`;
  return `${hex(start)}-${hex(end)} ${JSON.stringify(name)} (${kind}, offset ${hex(offset)}${rank})`;
}

export function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
