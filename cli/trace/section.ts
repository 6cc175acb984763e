import type { MappingType, MemoryRange } from '../../streams/index.js';

export const SECTION_KINDS = ['ram', 'rom', 'ramd', 'romd', 'nv-ram'] as const;

/** What QEMU calls a memory region's kind: `d` stands for memory of a device. */
export type SectionKind = (typeof SECTION_KINDS)[number];

/** A part of the guest's physical address space that shows a part of a memory block: what a line of a trace adds or removes. */
export interface Section {
  readonly range: MemoryRange;
  /** Of the memory block. */
  readonly name: string;
  readonly kind: SectionKind;
  /** Where in the memory block it begins. In bytes, page aligned. */
  readonly offset: bigint;
  /** Line of the trace that it stands in, counted from 1. */
  readonly line: number;
}

export function isWritable(kind: SectionKind): boolean {
  return kind !== 'rom' && kind !== 'romd';
}

export function mappingType(kind: SectionKind): MappingType {
  return kind === 'ramd' || kind === 'romd' ? 'device' : 'ram';
}

/** Whether a `remove` of one means the other. */
export function sameSection(a: Section, b: Section): boolean {
  return a.range.equals(b.range) && a.name === b.name && a.kind === b.kind && a.offset === b.offset;
}

/** `0xc0000-0xe0000 pc.rom (rom, offset 0x0)`: for messages. */
export function describeSection(section: Section): string {
  return `${section.range.toString()} ${JSON.stringify(section.name)} (${section.kind}, offset 0x${section.offset.toString(16)})`;
}
