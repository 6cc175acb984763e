import type { Scale } from './scale.js';
import { address, exactSize } from './text.js';

export interface Tick {
  readonly pixel: number;
  readonly page: number;
  readonly address: string;
  /** The address as a size, where that is short: `4 GiB`. */
  readonly size: string;
}

/** Marks of the axis at multiples of a power of two, at least `distance` pixels from each other, and at the borders of folded gaps. */
export function ticksOf(scale: Scale, distance: number): readonly Tick[] {
  const { fold, length } = scale;
  const step = 2 ** Math.max(0, Math.ceil(Math.log2(scale.pagesPerPixel * distance)));
  const borders = fold.gaps
    .flatMap(({ pages }) => [...pages])
    .map((page) => ({ page, pixel: scale.pixelOf(page) }))
    .filter(({ pixel }) => pixel >= 0 && pixel <= length);
  const marks = spaced(borders, distance / 2);
  const regular: { readonly page: number; readonly pixel: number }[] = [];
  for (let pixel = 0; pixel <= length;) {
    const page = Math.ceil(scale.pageOf(pixel) / step) * step;
    const at = scale.pixelOf(page);
    if (at > length) {
      break;
    }
    const gap = fold.gapAt(page);
    if (gap !== undefined && page > gap.pages[0]) {
      // An address in a folded gap says nothing: few pixels stand for very many.
      pixel = Math.max(scale.pixelOf(gap.pages[1]), pixel + 1);
      continue;
    }
    if (!marks.some((mark) => Math.abs(mark.pixel - at) < distance * 0.75)) {
      regular.push({ page, pixel: at });
    }
    // At least a pixel further: near the end of the address space a page may be more exact than a double.
    pixel = Math.max(at + distance / 2, pixel + 1);
  }
  return [...marks, ...spaced(regular, distance * 0.75)]
    .sort((a, b) => a.pixel - b.pixel)
    .map(({ page, pixel }) => ({ page, pixel, address: address(page), size: exactSize(page) }));
}

function spaced<T extends { readonly pixel: number }>(marks: readonly T[], distance: number): T[] {
  const kept: T[] = [];
  for (const mark of marks) {
    const last = kept.at(-1);
    if (last === undefined || mark.pixel - last.pixel >= distance) {
      kept.push(mark);
    }
  }
  return kept;
}
