import type { WireRegion } from '../../../wire/messages.js';
import { bandsOf, isDense, paintOrder, type Band } from '../../model/bands.js';
import type { Lane } from '../../model/lanes.js';
import { visible } from '../../model/names.js';
import { isMapped, type ShownPart } from '../../model/shown.js';
import { sizeOf } from '../../model/state.js';
import { range, size } from '../../model/text.js';
import { memoryKind, memoryLook } from './looks.js';
import type { Painter } from './painter.js';
import type { Scene } from './scene.js';

/** Draws the regions, each level in a lane, with what is hidden of them hatched. Returns what was drawn in each lane. */
export function paintRegions(
  painter: Painter,
  { picture, scale, lanes }: Scene,
): readonly (readonly Band<WireRegion>[])[] {
  const shown = bandsOf(picture.shown, scale);
  const painted: Band<WireRegion>[][] = lanes.levels.map(() => []);
  picture.levels.forEach((level, index) => {
    const place = Math.min(index, lanes.levels.length - 1);
    const lane = lanes.levels[place];
    const bands = bandsOf(level, scale);
    if (lane !== undefined) {
      for (const at of paintOrder(bands)) {
        paintRegion(painter, lane, bands[at] as Band<WireRegion>, isDense(bands, at), shown);
      }
      painted[place]?.push(...bands);
    }
  });
  return painted;
}

function paintRegion(
  painter: Painter,
  { left, width }: Lane,
  band: Band<WireRegion>,
  dense: boolean,
  shown: readonly Band<ShownPart>[],
): void {
  const { palette } = painter;
  const { from, to, item, count, enlarged } = band;
  const [x, wide] = [painter.px(left), painter.px(width)];
  const height = enlarged && !dense ? Math.max(to - from, painter.px(2)) : to - from;
  const ink = palette.color('ink');
  const look = memoryLook(palette, memoryKind(item.type, item.access === 'writable'));
  if (!isMapped(item)) {
    painter.outline(x, from, wide, height, palette.color('absent'), 1, true);
  } else {
    if (item.holes === 'transparent') {
      painter.fill(x, from, wide, height, look.fill, 0.3);
    } else {
      painter.box(x, from, wide, height, look, dense);
      for (const [start, end] of hiddenRuns(band, shown)) {
        painter.fill(x, start, wide, end - start, palette.patterns.hidden);
      }
    }
    if (height >= painter.px(3)) {
      painter.outline(x, from, wide, height, look.edge);
    }
  }
  if (count === 1) {
    const note = isMapped(item) ? (item.holes === 'transparent' ? 'transparent holes' : '') : 'not mapped';
    const lines = [
      visible(item.name),
      note,
      `priority ${item.priority.toString()}`,
      size(sizeOf(item)),
      range(item.pages),
    ];
    painter.label(
      lines.filter((line) => line !== ''),
      x,
      from,
      wide,
      height,
      ink,
      isMapped(item) && item.holes === 'opaque' ? look.fill : undefined,
    );
  }
}

/** Where a region does not show, in pixels. */
function hiddenRuns(
  { from, to, item }: Band<WireRegion>,
  shown: readonly Band<ShownPart>[],
): readonly (readonly [from: number, to: number])[] {
  const runs: [number, number][] = [];
  let position = from;
  for (let index = firstAfter(shown, from); position < to; index++) {
    const band = shown[index];
    const start = Math.min(band?.from ?? to, to);
    if (band?.item.region === item.key || start >= to) {
      if (start > position) {
        runs.push([position, start]);
      }
      position = Math.max(position, band?.to ?? to);
    }
  }
  return runs;
}

/** The first band that ends after a pixel. */
function firstAfter(bands: readonly Band<unknown>[], pixel: number): number {
  let low = 0;
  let high = bands.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((bands[middle]?.to ?? 0) > pixel) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}
