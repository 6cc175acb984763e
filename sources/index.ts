/**
 * The memory map of another program as the source of changes: a QEMU that runs, and dumps of `info mtree` and `/proc/iomem`.
 *
 * @module dma-streams/sources
 */
export { DumpError } from './dump-error.js';
export type { Following } from './follow.js';
export { QemuSource } from './qemu-source.js';
export type { QemuSourceOptions } from './qemu-source-options.js';
export type { Section } from './section.js';
