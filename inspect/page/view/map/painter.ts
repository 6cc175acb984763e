import { short } from '../../model/names.js';
import type { Palette } from './palette.js';

/** What is filled, how its border looks, and what lies over it. */
export interface Look {
  readonly fill: string;
  readonly edge: string;
  readonly pattern?: CanvasPattern | string;
}

export const FONT = 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';

/** Pixels of a box in which only a name is written. */
const NARROW = 60;

/** Draws rectangles and text in device pixels, and counts the rectangles. */
export class Painter {
  drawn = 0;
  readonly palette: Palette;
  readonly #context: CanvasRenderingContext2D;
  readonly #characterWidth: number;

  constructor(context: CanvasRenderingContext2D, palette: Palette) {
    this.#context = context;
    this.palette = palette;
    context.font = `${(11 * palette.ratio).toFixed(1)}px ${FONT}`;
    context.textBaseline = 'middle';
    this.#characterWidth = context.measureText('0').width;
  }

  /** Device pixels of pixels of the style sheet. */
  px(pixels: number): number {
    return Math.round(pixels * this.palette.ratio);
  }

  clear(width: number, height: number): void {
    this.#context.clearRect(0, 0, width, height);
  }

  fill(x: number, y: number, width: number, height: number, style: CanvasPattern | string, alpha = 1): void {
    const context = this.#context;
    context.globalAlpha = alpha;
    context.fillStyle = style;
    context.fillRect(x, y, width, height);
    context.globalAlpha = 1;
    this.drawn++;
  }

  /** A box with a border, where it is high enough for one. Where not, a line that is well seen; among others of them (`dense`) a tone between. */
  box(x: number, y: number, width: number, height: number, look: Look, dense = false): void {
    const line = Math.max(1, this.px(1));
    if (height < 3 * line) {
      if (dense) {
        this.fill(x, y, width, height, look.fill);
      }
      this.fill(x, y, width, height, look.edge, dense ? 0.45 : 1);
      return;
    }
    this.fill(x, y, width, height, look.fill);
    if (look.pattern !== undefined) {
      this.fill(x, y, width, height, look.pattern);
    }
    this.outline(x, y, width, height, look.edge);
  }

  outline(x: number, y: number, width: number, height: number, style: string, thick = 1, dashed = false): void {
    const context = this.#context;
    const line = Math.max(1, this.px(thick));
    context.strokeStyle = style;
    context.lineWidth = line;
    context.setLineDash(dashed ? [3 * line, 3 * line] : []);
    context.strokeRect(x + line / 2, y + line / 2, Math.max(0, width - line), Math.max(0, height - line));
    context.setLineDash([]);
    this.drawn++;
  }

  /** A line of text, cut at `width`, its middle at `y`. Nothing where fewer than three characters fit. */
  text(text: string, x: number, y: number, width: number, style: string, alignment: 'left' | 'right' = 'left'): void {
    const fit = Math.floor(width / this.#characterWidth);
    if (fit < 3 || text === '') {
      return;
    }
    const context = this.#context;
    context.fillStyle = style;
    context.textAlign = alignment;
    context.fillText(short(text, fit), alignment === 'left' ? x : x + width, y);
  }

  /** What is written in a box: as many of the lines as it has room for, at the top. */
  label(
    lines: readonly string[],
    x: number,
    y: number,
    width: number,
    height: number,
    style: string,
    backed?: string,
  ): void {
    const line = this.px(13);
    const pad = this.px(5);
    // A name says something when it is cut; a size or a range does not.
    const fit = Math.floor((width - 2 * pad) / this.#characterWidth);
    const whole = lines.filter((text, index) => index === 0 || (text.length <= fit && width >= this.px(NARROW)));
    const room = Math.max(0, Math.min(whole.length, Math.floor((height - this.px(1)) / line)));
    whole.slice(0, room).forEach((text, index) => {
      if (text !== '') {
        const top = y + (room === 1 ? Math.min(height - line, this.px(3)) / 2 : this.px(2)) + index * line;
        if (backed !== undefined) {
          const wide = Math.min(width - 2 * pad, Array.from(text).length * this.#characterWidth);
          this.fill(x + pad - this.px(2), top, wide + this.px(4), line, backed, 0.85);
        }
        this.text(text, x + pad, top + line / 2 + this.px(0.5), width - 2 * pad, style);
      }
    });
  }

  /** A small triangle that points to the right, to what is drawn larger than it is. */
  pointer(x: number, y: number, style: string): void {
    const context = this.#context;
    const size = this.px(3);
    context.fillStyle = style;
    context.beginPath();
    context.moveTo(x, y - size);
    context.lineTo(x + size, y);
    context.lineTo(x, y + size);
    context.fill();
    this.drawn++;
  }

  /** A character in a small circle. */
  sign(text: string, x: number, y: number, style: string): void {
    const context = this.#context;
    context.fillStyle = style;
    context.beginPath();
    context.arc(x, y, this.px(6), 0, 2 * Math.PI);
    context.fill();
    context.fillStyle = this.palette.color('paper');
    context.textAlign = 'center';
    context.fillText(text, x, y + this.px(0.5));
    this.drawn++;
  }
}
