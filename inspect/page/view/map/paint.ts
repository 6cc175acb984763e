import type { ExceptionKind, Pages, WireMapping } from '../../../wire/messages.js';
import { bandsOf, type Band } from '../../model/bands.js';
import type { Lane } from '../../model/lanes.js';
import { visible } from '../../model/names.js';
import { NO_EXCEPTIONS, sizeOf } from '../../model/state.js';
import { count, range, size } from '../../model/text.js';
import { paintAxis } from './axis.js';
import { exceptionLook, heldLook, memoryKind, memoryLook } from './looks.js';
import { paintBoxes } from './boxes.js';
import { paintHighlights, paintSelection } from './marks.js';
import type { Painter } from './painter.js';
import type { Painted, Scene } from './scene.js';
import { paintRegions } from './regions.js';

const KINDS: readonly ExceptionKind[] = ['absent', 'extra', 'missing', 'stuck'];

/** Draws the scene, and returns what was drawn where. */
export function paint(painter: Painter, scene: Scene, width: number, height: number): Painted {
  const { scale, lanes, state } = scene;
  painter.clear(width, height);
  const guest = bandsOf(state.mappings, scale);
  paintFolds(painter, scene, width);
  if (scene.selected !== undefined) {
    paintSelection(painter, scale, scene.selected, painter.px(lanes.axis.width), width);
  }
  paintGuest(painter, lanes.guest, guest);
  const levels = paintRegions(painter, scene);
  const held = heldLook(painter.palette);
  scene.targets.forEach((target, index) => {
    const lane = lanes.targets[index] as Lane;
    if (target.phase !== 'gone') {
      paintBoxes(painter, lane, guest, () => held);
    }
    const lists = state.exceptions.get(target.key) ?? NO_EXCEPTIONS;
    for (const kind of KINDS) {
      paintExceptions(painter, lane, kind, bandsOf(lists[kind], scale));
    }
  });
  paintHighlights(painter, scene);
  paintAxis(painter, scale, lanes);
  return { guest, levels };
}

function paintFolds(painter: Painter, { scale, lanes }: Scene, width: number): void {
  const left = painter.px(lanes.axis.width);
  for (const { pages } of scale.fold.gaps) {
    const [from, to] = [scale.pixelOf(pages[0]), scale.pixelOf(pages[1])];
    if (to > 0 && from < scale.length) {
      const [top, bottom] = [Math.max(0, from), Math.min(scale.length, to)];
      painter.fill(left, top, width - left, bottom - top, painter.palette.patterns.folded);
      painter.label(
        [`${size(Math.floor(pages[1] - pages[0]))} empty, not to scale`],
        left + painter.px(lanes.guest.left - lanes.axis.width),
        Math.round((top + bottom) / 2 - painter.px(7)),
        painter.px(260),
        bottom - top,
        painter.palette.color('dim'),
        painter.palette.color('paper'),
      );
    }
  }
}

function paintGuest(painter: Painter, lane: Lane, bands: readonly Band<WireMapping>[]): void {
  const { palette } = painter;
  const [x, wide] = [painter.px(lane.left), painter.px(lane.width)];
  paintBoxes(painter, lane, bands, ({ type, writable }) => memoryLook(palette, memoryKind(type, writable)));
  for (const { from, to, item, count: several } of bands) {
    if (several === 1) {
      const note = item.type === 'device' ? ' · device' : item.writable ? '' : ' · read-only';
      painter.label(
        [`${visible(item.region)}${note}`, size(sizeOf(item)), range(item.pages)],
        x,
        from,
        wide,
        to - from,
        palette.color('ink'),
      );
    }
  }
}

function paintExceptions(
  painter: Painter,
  { left, width }: Lane,
  kind: ExceptionKind,
  bands: readonly Band<{ readonly pages: Pages }>[],
): void {
  const [x, wide] = [painter.px(left), painter.px(width)];
  const look = exceptionLook(painter.palette, kind);
  // What went wrong is seen however small it is.
  const least = kind === 'stuck' || kind === 'missing' ? painter.px(3) : 1;
  for (const { from, to, count: several } of bands) {
    const height = Math.max(to - from, least);
    if (kind === 'absent') {
      painter.fill(x, from, wide, height, look.fill);
      painter.outline(x, from, wide, height, look.edge, 1, true);
    } else {
      painter.box(x, from, wide, height, look);
    }
    if (height >= painter.px(16)) {
      const text = several > 1 ? `${kind} (${count(several)})` : kind;
      painter.label([text], x, from, wide, height, painter.palette.color('ink'), painter.palette.color('paper'));
    }
  }
}
