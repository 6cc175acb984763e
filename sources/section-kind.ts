import type { MappingType } from '../streams/index.js';

const MEMORY_KINDS = ['ram', 'rom', 'ramd', 'romd', 'nv-ram', 'nv-rom', 'nv-ramd', 'nv-romd'] as const;

/** As QEMU prints them in `info mtree -f`: what is no memory is `i/o`, or `container` in recent versions. */
export const SECTION_KINDS = [...MEMORY_KINDS, 'i/o', 'container'] as const;

/** What QEMU calls a memory region's kind: a final `d` stands for memory of a device, `nv-` for memory that is non-volatile. */
export type SectionKind = (typeof SECTION_KINDS)[number];

/** Whether it is memory. A kind that is not known is none. */
export function isMemory(kind: string): boolean {
  return (MEMORY_KINDS as readonly string[]).includes(kind);
}

/** Whether the guest and devices can write it without leaving the machine. */
export function isWritable(kind: string): boolean {
  return isMemory(kind) && !kind.includes('rom');
}

export function mappingType(kind: string): MappingType {
  return kind.endsWith('d') ? 'device' : 'ram';
}
