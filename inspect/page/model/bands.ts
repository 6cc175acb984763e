import type { Pages } from '../../wire/messages.js';
import type { Scale } from './scale.js';
import type { SortedList } from './sorted-list.js';

/** What is drawn of a list of ranges: one of them, or several that are smaller than a pixel and share it. */
export interface Band<T> {
  /** Whole pixels; at least one. */
  readonly from: number;
  readonly to: number;
  /** The range; the first of several. */
  readonly item: T;
  readonly count: number;
  /** Whether it is drawn larger than it is. */
  readonly enlarged: boolean;
}

/** Whether the band of that index is one of many small ones side by side. */
export function isDense(bands: readonly Band<unknown>[], index: number): boolean {
  const [before, band, after] = [bands[index - 1], bands[index], bands[index + 1]];
  return (
    band !== undefined && ((before?.to === band.from && isSmall(before)) || (after?.from === band.to && isSmall(after)))
  );
}

/** Too small for a border. */
function isSmall({ from, to }: Band<unknown>): boolean {
  return to - from < 3;
}

/** The indices in the order in which they are painted: what is drawn larger than it is comes last, and is not covered. */
export function paintOrder(bands: readonly Band<unknown>[]): readonly number[] {
  const indices = [...bands.keys()];
  return [
    ...indices.filter((index) => bands[index]?.enlarged === false),
    ...indices.filter((index) => bands[index]?.enlarged === true),
  ];
}

/**
 * The bands of disjoint ranges, in ascending order, that the scale shows. At most two begin in a pixel, however many ranges there are: the time
 * depends on the pixels, and on the logarithm of the number of ranges.
 */
export function bandsOf<T extends { readonly pages: Pages }>(list: SortedList<T>, scale: Scale): readonly Band<T>[] {
  const bands: Band<T>[] = [];
  const [start, end] = [scale.pageOf(0), scale.pageOf(scale.length)];
  const add = (item: T): void => {
    const from = Math.max(0, Math.round(scale.pixelOf(item.pages[0])));
    const to = Math.min(scale.length, Math.round(scale.pixelOf(item.pages[1])));
    if (to > from) {
      bands.push({ from, to, item, count: 1, enlarged: false });
    } else if (from < scale.length) {
      bands.push({ from, to: from + 1, item, count: 1, enlarged: true });
    }
  };
  const first = list.floor(start);
  list.walk(first !== undefined && first.pages[1] > start ? first.pages[0] : start, (item) => {
    const [from, to] = item.pages;
    if (from >= end) {
      return Infinity;
    }
    if (scale.pixelOf(to) - scale.pixelOf(from) >= 1) {
      add(item);
      return undefined;
    }
    // All that begin in this pixel are one band; the last of them may be large.
    const pixel = Math.floor(scale.pixelOf(from));
    const after = scale.pageOf(pixel + 1);
    const last = list.floor(beforePage(after));
    const large =
      last !== undefined && last !== item && scale.pixelOf(last.pages[1]) - scale.pixelOf(last.pages[0]) >= 1;
    const count = list.positionOf(after) - list.positionOf(from) - (large ? 1 : 0);
    bands.push({
      from: Math.max(0, pixel),
      to: Math.max(0, pixel) + 1,
      item,
      count: Math.max(1, count),
      enlarged: true,
    });
    if (large) {
      add(last);
    }
    return Math.max(after, from + 1);
  });
  return bands;
}

/** The last page before a place that need not be a whole page. */
function beforePage(place: number): number {
  return Math.ceil(place) - 1;
}
