import { select } from 'd3-selection';
import { zoom, zoomIdentity, type D3ZoomEvent, type ZoomTransform } from 'd3-zoom';
import type { Scale, Window } from '../../model/scale.js';

/** What gestures work on. */
export interface GestureTarget {
  /** The scale that is drawn, in pixels of the style sheet. */
  scale(): Scale;
  bounds(): Window;
  moveTo(window: Window): void;
}

/**
 * Wheel, drag and pinch on an element. d3-zoom recognises them; what it gives is relative to the start of a gesture, and the scale of the page
 * stays the one truth: so it is exact at any depth.
 */
export function addGestures(element: HTMLElement, target: GestureTarget): void {
  let scaleAtStart: Scale | undefined;
  const windowOf = (scale: Scale, { k, y }: ZoomTransform): Window => scale.transformed(k, y, target.bounds());
  const behaviour = zoom<HTMLElement, unknown>()
    .scaleExtent([0, Infinity])
    .on('start', () => {
      scaleAtStart = target.scale();
    })
    .constrain((transform) => {
      // Where the window meets its bounds, the gesture does too: turning back has an effect at once.
      const scale = scaleAtStart ?? target.scale();
      const [start, end] = windowOf(scale, transform).map((page) => scale.fold.fold(page)) as [number, number];
      const from = scale.fold.fold(scale.window[0]);
      const factor = (scale.length * scale.pagesPerPixel) / (end - start);
      const offset = ((from - start) / scale.pagesPerPixel) * factor;
      return zoomIdentity.translate(0, offset).scale(factor);
    })
    .on('zoom', ({ transform }: D3ZoomEvent<HTMLElement, unknown>) => {
      if (scaleAtStart !== undefined) {
        target.moveTo(windowOf(scaleAtStart, transform));
      }
    })
    .on('end', () => {
      scaleAtStart = undefined;
      select(element).property('__zoom', zoomIdentity);
    });
  select(element).call(behaviour).on('dblclick.zoom', null);
}
