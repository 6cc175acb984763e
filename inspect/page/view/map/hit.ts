import type { Band } from '../../model/bands.js';
import type { Lane, Lanes } from '../../model/lanes.js';
import type { Selection } from '../store.js';
import type { Painted } from './scene.js';

/**
 * What was drawn at a place: a region in the lanes of regions, a mapping in the others. What is a little beside counts too, for what is small.
 *
 * @param x pixels of the style sheet
 * @param y device pixels, as `tolerance`
 */
export function selectionAt(
  { guest, levels }: Painted,
  lanes: Lanes,
  x: number,
  y: number,
  tolerance: number,
): Selection | undefined {
  const level = lanes.levels.findIndex((lane) => isIn(lane, x));
  if (level >= 0) {
    const region = bandAt(levels[level] ?? [], y, tolerance)?.item;
    return region === undefined ? undefined : { kind: 'region', pages: region.pages, region };
  }
  const mapping = bandAt(guest, y, tolerance)?.item;
  return mapping === undefined ? undefined : { kind: 'mapping', pages: mapping.pages, mapping };
}

function isIn({ left, width }: Lane, x: number): boolean {
  return x >= left && x < left + width;
}

function bandAt<T>(bands: readonly Band<T>[], y: number, tolerance: number): Band<T> | undefined {
  const small = bands.find((band) => band.enlarged && Math.abs(band.from - y) <= tolerance / 2);
  return (
    small ??
    bands.find(({ from, to }) => from <= y && y < to) ??
    bands.find(({ from, to }) => from - tolerance <= y && y < to + tolerance)
  );
}
