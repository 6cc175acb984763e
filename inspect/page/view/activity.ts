import type { History } from '../model/history.js';
import { Painter } from './map/painter.js';
import { paletteOf } from './map/palette.js';

/** How much each state of the time line changed, as bars; failures in another colour, and over the whole height. */
export class Activity {
  readonly canvas = document.createElement('canvas');
  readonly #history: History;
  #width = 0;
  #height = 0;
  #drawn = '';

  constructor(history: History, schedule: () => void) {
    this.#history = history;
    this.canvas.id = 'activity';
    this.canvas.setAttribute('aria-hidden', 'true');
    new ResizeObserver(([entry]) => {
      this.#width = entry?.contentRect.width ?? 0;
      this.#height = entry?.contentRect.height ?? 0;
      schedule();
    }).observe(this.canvas);
  }

  forgetColors(): void {
    this.#drawn = '';
  }

  draw(): void {
    const { first, last } = this.#history;
    const ratio = devicePixelRatio;
    const [width, height] = [Math.round(this.#width * ratio), Math.round(this.#height * ratio)];
    const key = [first, last, width, height].join(' ');
    const context = this.canvas.getContext('2d');
    if (key === this.#drawn || width === 0 || context === null || last < 0) {
      return;
    }
    this.#drawn = key;
    this.canvas.width = width;
    this.canvas.height = height;
    const painter = new Painter(context, paletteOf(this.canvas, ratio));
    const { color } = painter.palette;
    // The thumb of the slider is this wide, and the middle of it is at the state.
    const thumb = painter.px(14);
    const step = (width - thumb) / Math.max(1, last - first);
    const wide = Math.max(1, Math.min(step - painter.px(1), painter.px(4)));
    const columns = new Map<number, { changes: number; failed: boolean }>();
    for (let number = first; number <= last; number++) {
      const moment = this.#history.at(number);
      if (moment !== undefined) {
        const column = Math.round(thumb / 2 + (number - first) * step - wide / 2);
        const known = columns.get(column) ?? { changes: 0, failed: false };
        known.changes = Math.max(known.changes, moment.mapped.length + moment.unmapped.length + moment.targets.length);
        known.failed ||= moment.failed;
        columns.set(column, known);
      }
    }
    for (const [x, { changes, failed }] of columns) {
      const tall = Math.min(height, painter.px(2) + Math.log2(changes + 1) * painter.px(2));
      painter.fill(x, failed ? 0 : height - tall, wide, failed ? height : tall, color(failed ? 'missing' : 'ram-edge'));
    }
  }
}
