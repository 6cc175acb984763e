import type { Pages } from '../../../wire/messages.js';
import { bandsOf, type Band } from '../../model/bands.js';
import type { Lane } from '../../model/lanes.js';
import type { Scale } from '../../model/scale.js';
import { SortedList } from '../../model/sorted-list.js';
import { firstPage } from '../../model/state.js';
import type { Painter } from './painter.js';
import type { Scene } from './scene.js';

interface Ranged {
  readonly pages: Pages;
}

/** Marks the selected range over all lanes. */
export function paintSelection(painter: Painter, scale: Scale, [start, end]: Pages, left: number, width: number): void {
  const { color } = painter.palette;
  const line = painter.px(1);
  const from = Math.round(scale.pixelOf(start));
  const to = Math.max(from + line, Math.round(scale.pixelOf(end)));
  if (to >= 0 && from <= scale.length) {
    painter.fill(left, from, width - left, to - from, color('selected'), 0.16);
    painter.fill(left, from - line, width - left, line, color('selected'));
    painter.fill(left, to, width - left, line, color('selected'));
  }
}

/** Marks what changed: in the lane of what the guest sees, and in those of targets. */
export function paintHighlights(painter: Painter, { highlights, lanes, scale, targets }: Scene): void {
  for (const { moment, strength } of highlights) {
    paintChanged(painter, lanes.guest, bandsOf(disjoint(moment.unmapped), scale), '−', 'unmapped', strength);
    paintChanged(painter, lanes.guest, bandsOf(disjoint(moment.mapped), scale), '+', 'mapped', strength);
    targets.forEach(({ key }, index) => {
      const ranges = moment.targets.filter(({ target }) => target === key).map(({ pages }) => pages);
      if (ranges.length > 0) {
        paintChanged(painter, lanes.targets[index] as Lane, bandsOf(disjoint(ranges), scale), '', 'selected', strength);
      }
    });
  }
}

function paintChanged(
  painter: Painter,
  { left, width }: Lane,
  bands: readonly Band<Ranged>[],
  sign: string,
  colorName: string,
  strength: number,
): void {
  const color = painter.palette.color(colorName);
  const [x, wide, around] = [painter.px(left), painter.px(width), painter.px(2)];
  let signed = -Infinity;
  for (const { from, to } of bands) {
    painter.fill(x, from, wide, to - from, color, 0.3 * strength);
    painter.outline(x - around, from - around, wide + 2 * around, to - from + 2 * around, color, 1 + strength);
    if (sign !== '' && from - signed > painter.px(14) && to - from >= painter.px(12)) {
      painter.sign(sign, x + wide - painter.px(12), from + painter.px(8), color);
      signed = from;
    }
  }
}

function disjoint(ranges: readonly Pages[]): SortedList<Ranged> {
  return SortedList.empty<Ranged>(firstPage).with(ranges.map((pages) => ({ pages })));
}
