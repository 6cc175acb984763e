import type { Pages } from '../../wire/messages.js';
import type { Fold } from './fold.js';

/** The end of the address space, in pages. */
export const ALL_PAGES = 2 ** 52;
/** What is seen when everything is zoomed in on, in pages: one page fills the drawing. */
const SMALLEST = 1;
/** What is seen of a small range with its surroundings, in pages, at least. */
const SURROUNDINGS = 4;

/** The part of the address space that is seen, in pages, which need not be whole. */
export type Window = readonly [start: number, end: number];

/** Pixels of pages, and the reverse, for a window of so many pixels. Exact to the precision of doubles, however far it is zoomed in. */
export class Scale {
  readonly window: Window;
  readonly fold: Fold;
  /** Pixels. */
  readonly length: number;
  /** Folded addresses for a pixel: pages outside folded gaps. */
  readonly pagesPerPixel: number;
  readonly #start: number;

  constructor(window: Window, fold: Fold, length: number) {
    this.window = window;
    this.fold = fold;
    this.length = length;
    this.#start = fold.fold(window[0]);
    this.pagesPerPixel = (fold.fold(window[1]) - this.#start) / length;
  }

  pixelOf(page: number): number {
    return (this.fold.fold(page) - this.#start) / this.pagesPerPixel;
  }

  pageOf(pixel: number): number {
    return this.fold.unfold(this.#start + pixel * this.pagesPerPixel);
  }

  /** The window after what was at the pixel `y` is at `factor * y + offset`, inside `bounds`. */
  transformed(factor: number, offset: number, bounds: Window): Window {
    const start = this.#start - (offset / factor) * this.pagesPerPixel;
    return clamped(start, (this.length * this.pagesPerPixel) / factor, this.fold, bounds);
  }

  /** The window that is `factor` times as near, with what is at a pixel where it was. */
  zoomed(factor: number, bounds: Window, pixel = this.length / 2): Window {
    return this.transformed(factor, (1 - factor) * pixel, bounds);
  }

  /** The middle of what is seen of a range, in pixels; `undefined` if nothing of it is. */
  middleOf([start, end]: Pages): number | undefined {
    const [from, to] = [Math.max(0, this.pixelOf(start)), Math.min(this.length, this.pixelOf(end))];
    return from < to ? (from + to) / 2 : undefined;
  }

  /** The window moved by a part of its length; forward when it is positive. */
  panned(part: number, bounds: Window): Window {
    return this.transformed(1, -part * this.length, bounds);
  }
}

function clamped(start: number, span: number, fold: Fold, bounds: Window): Window {
  const from = fold.fold(bounds[0]);
  const to = fold.fold(bounds[1]);
  const length = Math.min(Math.max(span, SMALLEST), to - from);
  const first = Math.min(Math.max(start, from), to - length);
  return [fold.unfold(first), fold.unfold(first + length)];
}

/** A window with a range in the middle, and a margin around it: a part of its length. */
export function fitted([start, end]: Pages, fold: Fold, bounds: Window, margin = 0.08): Window {
  const from = fold.fold(start);
  const length = Math.max(fold.fold(end) - from, SURROUNDINGS);
  return clamped(from - margin * length, (1 + 2 * margin) * length, fold, bounds);
}

/** The window moved as little as needed to show a range; zoomed out only where it does not fit. */
export function revealed(window: Window, pages: Pages, fold: Fold, bounds: Window): Window {
  const [start, end] = [fold.fold(window[0]), fold.fold(window[1])];
  const [from, to] = [fold.fold(pages[0]), fold.fold(pages[1])];
  if (to - from > end - start) {
    return fitted(pages, fold, bounds);
  }
  if (from >= start && to <= end) {
    return window;
  }
  // Not at the border, where nobody looks.
  return clamped((from + to - (end - start)) / 2, end - start, fold, bounds);
}
