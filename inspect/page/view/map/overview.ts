import { bandsOf } from '../../model/bands.js';
import { Scale, type Window } from '../../model/scale.js';
import type { State } from '../../model/state.js';
import type { Store } from '../store.js';
import { memoryKind, memoryLook } from './looks.js';
import { Painter } from './painter.js';
import { paletteOf } from './palette.js';

/** A narrow picture of everything, with the part that the drawing shows. A click or a drag moves that part. */
export class Overview {
  readonly canvas = document.createElement('canvas');
  readonly #store: Store;
  #height = 0;
  #width = 0;
  #drawn: { readonly state: State; readonly window: Window; readonly key: string } | undefined;

  constructor(store: Store, schedule: () => void) {
    this.#store = store;
    const { canvas } = this;
    canvas.id = 'overview';
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', 'Overview of all addresses, with the part that the drawing shows');
    new ResizeObserver(([entry]) => {
      this.#width = entry?.contentRect.width ?? 0;
      this.#height = entry?.contentRect.height ?? 0;
      schedule();
    }).observe(canvas);
    const move = ({ offsetY }: PointerEvent): void => this.#moveTo(offsetY);
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      move(event);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) {
        move(event);
      }
    });
  }

  forgetColors(): void {
    this.#drawn = undefined;
  }

  draw(): void {
    const { canvas } = this;
    const ratio = devicePixelRatio;
    const [width, height] = [Math.round(this.#width * ratio), Math.round(this.#height * ratio)];
    const { state, window, fold, bounds } = this.#store;
    const key = `${width.toString()} ${height.toString()} ${bounds[1].toString()} ${this.#store.folded.toString()}`;
    const same = this.#drawn;
    const context = canvas.getContext('2d');
    if (
      width === 0 ||
      height === 0 ||
      context === null ||
      (same?.state === state && same.key === key && same.window[0] === window[0] && same.window[1] === window[1])
    ) {
      return;
    }
    this.#drawn = { state, window, key };
    canvas.width = width;
    canvas.height = height;
    const painter = new Painter(context, paletteOf(canvas, ratio));
    const scale = new Scale(bounds, fold, height);
    const inset = painter.px(4);
    for (const { pages } of fold.gaps) {
      painter.fill(
        inset,
        scale.pixelOf(pages[0]),
        width - 2 * inset,
        scale.pixelOf(pages[1]) - scale.pixelOf(pages[0]),
        painter.palette.patterns.folded,
      );
    }
    for (const { from, to, item } of bandsOf(state.mappings, scale)) {
      painter.fill(
        inset,
        from,
        width - 2 * inset,
        to - from,
        memoryLook(painter.palette, memoryKind(item.type, item.writable)).edge,
        0.75,
      );
    }
    const [from, to] = window.map((page) => scale.pixelOf(page)) as [number, number];
    const shown = Math.max(to - from, painter.px(3));
    painter.fill(0, from, width, shown, painter.palette.color('selected'), 0.12);
    painter.outline(0, from, width, shown, painter.palette.color('selected'), 1.5);
  }

  /** Moves the window so that its middle is at a place of the overview. */
  #moveTo(y: number): void {
    const { window, fold, bounds } = this.#store;
    const all = new Scale(bounds, fold, Math.max(1, this.#height));
    const seen = new Scale(window, fold, Math.max(1, this.#height));
    const offset = seen.length / 2 - seen.pixelOf(all.pageOf(y));
    this.#store.set({ chosen: seen.transformed(1, offset, bounds) });
  }
}
