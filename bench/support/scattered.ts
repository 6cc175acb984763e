import { MemoryRange, type MappingParams } from '../../streams/index.js';

/** Pages between the starts of two neighbouring slots: mappings of one page that never touch. */
const STRIDE = 16;

const mappable = { fd: 0, label: 'bench' };

/** Slot number `index` of many: one page, far enough from the next that nothing could be merged. */
export function slot(index: number): MemoryRange {
  return MemoryRange.ofPages(index * STRIDE, index * STRIDE + 1);
}

/** A mapping in a slot. Made anew for each change, as a caller would: else many mappings would measure the bench's own cold memory. */
export function mapping(index: number, fileOffset = 0n): MappingParams {
  return { rangeInRegion: slot(index), backing: { mappable, fileOffset }, writable: true };
}

/** The numbers below `count` in a pseudo-random order, the same in every run. */
export function shuffled(count: number): number[] {
  const numbers = Array.from({ length: count }, (_, index) => index);
  let state = 1;
  for (let index = count - 1; index > 0; index--) {
    state = (state * 48271) % 0x7fffffff;
    const other = state % (index + 1);
    [numbers[index], numbers[other]] = [numbers[other] ?? 0, numbers[index] ?? 0];
  }
  return numbers;
}
