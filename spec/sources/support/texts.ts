import { readFileSync } from 'node:fs';
import { projectRoot } from '../../../lab/paths.js';
import { parseFlatViews, sectionsOfSpace } from '../../../sources/flat-view.js';
import type { Section } from '../../../sources/section.js';

/** A text that QEMU 11.1 printed for a q35 machine. */
export function recordedBy11(name: string): string {
  return readFileSync(`${projectRoot}spec/sources/recorded/qemu-11-${name}.txt`, 'utf8');
}

/** The sections of the address space `memory`. */
export function memoryIn(flat: string): readonly Section[] {
  return sectionsOfSpace(parseFlatViews(flat), 'memory');
}
