export { DumpError } from './dump-error.js';
export type { Following } from './follow.js';
export { QemuSource } from './qemu-source.js';
export type { QemuSourceOptions } from './qemu-source-options.js';
export type { Section } from './section.js';
