import type { Lanes } from '../../model/lanes.js';
import type { Scale } from '../../model/scale.js';
import { ticksOf } from '../../model/ticks.js';
import type { Painter } from './painter.js';

/** The addresses, and the same as sizes where there is room. */
export function paintAxis(painter: Painter, scale: Scale, { axis, withSizes }: Lanes): void {
  const { color } = painter.palette;
  const right = painter.px(axis.width);
  const mark = painter.px(5);
  painter.fill(right - painter.px(1), 0, painter.px(1), scale.length, color('line'));
  for (const { pixel, address, size } of ticksOf(scale, painter.px(34))) {
    const y = Math.min(Math.max(Math.round(pixel), 0), scale.length - 1);
    const middle = Math.min(Math.max(y, painter.px(7)), scale.length - painter.px(7));
    painter.fill(right - mark, y, mark, painter.px(1), color('dim'));
    const addressRight = right - painter.px(withSizes ? 80 : 8);
    painter.text(address, 0, middle, addressRight, color('ink'), 'right');
    if (withSizes) {
      painter.text(size, addressRight, middle, right - painter.px(9) - addressRight, color('dim'), 'right');
    }
  }
}
