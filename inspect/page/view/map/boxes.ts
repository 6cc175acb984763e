import { isDense, paintOrder, type Band } from '../../model/bands.js';
import type { Lane } from '../../model/lanes.js';
import type { Look, Painter } from './painter.js';

/** Draws the bands of a lane as boxes. What is small and by itself is drawn so that one sees it, with a triangle that says so. */
export function paintBoxes<T>(
  painter: Painter,
  { left, width }: Lane,
  bands: readonly Band<T>[],
  lookOf: (item: T) => Look,
): void {
  const [x, wide] = [painter.px(left), painter.px(width)];
  let pointed = -Infinity;
  for (const index of paintOrder(bands)) {
    const { from, to, item, enlarged } = bands[index] as Band<T>;
    const dense = isDense(bands, index);
    const height = enlarged && !dense ? Math.max(to - from, painter.px(2)) : to - from;
    painter.box(x, from, wide, height, lookOf(item), dense);
    if (enlarged && !dense && from - pointed > painter.px(4)) {
      painter.pointer(x - painter.px(4), from + height / 2, painter.palette.color('ink'));
      pointed = from;
    }
  }
}
