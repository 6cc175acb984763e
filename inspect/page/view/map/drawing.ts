import type { Pages } from '../../../wire/messages.js';
import { HIGHLIGHT } from '../../model/highlights.js';
import { laneTargets, type LaneTargets } from '../../model/lane-targets.js';
import { lanesOf, type Lanes } from '../../model/lanes.js';
import { Scale } from '../../model/scale.js';
import { address } from '../../model/text.js';
import type { Selection, Store } from '../store.js';
import { addGestures } from './gestures.js';
import { selectionAt } from './hit.js';
import { onKey } from './keys.js';
import { paint } from './paint.js';
import { Painter } from './painter.js';
import { paletteOf, type Palette } from './palette.js';
import type { Painted, Scene } from './scene.js';

/** The canvas with the address space, its keys and gestures. It draws when told to, and only if something differs from the last time. */
export class Drawing {
  readonly canvas = document.createElement('canvas');
  lanes: Lanes = lanesOf(0, 0, 0);
  /** The targets that have a lane. */
  targets: LaneTargets = { shown: [], from: 0 };
  readonly #store: Store;
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)');
  #scene: Scene | undefined;
  #painted: Painted = { guest: [], levels: [] };
  #palette: Palette | undefined;
  #width = 0;
  #height = 0;
  #timer = 0;

  constructor(store: Store, schedule: () => void) {
    this.#store = store;
    const { canvas } = this;
    canvas.id = 'drawing';
    canvas.tabIndex = 0;
    canvas.setAttribute('role', 'application');
    canvas.setAttribute('aria-roledescription', 'memory map');
    canvas.setAttribute('aria-describedby', 'drawing-keys');
    new ResizeObserver(([entry]) => {
      this.#width = entry?.contentRect.width ?? 0;
      this.#height = entry?.contentRect.height ?? 0;
      schedule();
    }).observe(canvas);
    addGestures(canvas, {
      scale: () => this.#scaleOf(this.#height),
      bounds: () => store.bounds,
      moveTo: (chosen) => store.set({ chosen }),
    });
    canvas.addEventListener('keydown', (event) => onKey(event, store, this.#scaleOf(this.#height)));
    canvas.addEventListener('click', (event) => this.#point(event, (selection) => store.select(selection, 'stay')));
    canvas.addEventListener('dblclick', (event) => this.#point(event, (selection) => store.select(selection, 'fit')));
  }

  /** What is under the pointer. */
  at(event: MouseEvent): { readonly page: number; readonly selection: Selection | undefined; readonly pages: Pages } {
    const { offsetX, offsetY } = event;
    const ratio = this.#palette?.ratio ?? 1;
    const scale = this.#scaleOf(this.#height * ratio);
    const [page, after] = [scale.pageOf(offsetY * ratio), scale.pageOf(offsetY * ratio + 1)];
    return {
      page: Math.floor(page),
      pages: [Math.floor(page), Math.max(Math.floor(page) + 1, Math.floor(after))],
      selection: selectionAt(this.#painted, this.lanes, offsetX, offsetY * ratio, 4 * ratio),
    };
  }

  /** The number of mappings that share a line of pixels, at most. */
  get densest(): number {
    return this.#painted.guest.reduce((most, { count }) => Math.max(most, count), 0);
  }

  /** Reads the colours of the style sheet again. */
  forgetColors(): void {
    this.#palette = undefined;
  }

  draw(schedule: () => void): void {
    const { canvas } = this;
    const ratio = window.devicePixelRatio;
    const [width, height] = [Math.round(this.#width * ratio), Math.round(this.#height * ratio)];
    if (width === 0 || height === 0) {
      return;
    }
    const scene = this.#sceneNow(height);
    const resized = canvas.width !== width || canvas.height !== height || this.#palette?.ratio !== ratio;
    if (!resized && this.#scene !== undefined && isSame(this.#scene, scene)) {
      return;
    }
    const started = performance.now();
    if (resized) {
      canvas.width = width;
      canvas.height = height;
    }
    this.#palette ??= paletteOf(canvas, ratio);
    if (this.#palette.ratio !== ratio) {
      this.#palette = paletteOf(canvas, ratio);
    }
    const context = canvas.getContext('2d');
    if (context === null) {
      return;
    }
    const painter = new Painter(context, this.#palette);
    this.#painted = paint(painter, scene, width, height);
    this.#scene = scene;
    canvas.dataset['drawn'] = painter.drawn.toString();
    canvas.dataset['redrawMs'] = (performance.now() - started).toFixed(2);
    canvas.dataset['window'] = scene.scale.window.join(' ');
    canvas.dataset['redraws'] = (Number(canvas.dataset['redraws'] ?? 0) + 1).toString();
    this.#drawNextStep(schedule);
  }

  #sceneNow(height: number): Scene {
    const { state, picture, selection, bounds } = this.#store;
    this.lanes = lanesOf(this.#width, picture.levels.length, state.targets.length, address(bounds[1]).length);
    this.targets = laneTargets(state.targets, this.lanes.targets.length, this.#store.targetsFrom);
    return {
      state,
      picture,
      scale: this.#scaleOf(height),
      lanes: this.lanes,
      targets: this.targets.shown,
      selected: selection?.pages,
      highlights: this.#store.highlighted(performance.now(), !this.#still.matches),
    };
  }

  #drawNextStep(schedule: () => void): void {
    clearTimeout(this.#timer);
    const next = this.#store.highlights.nextStep(performance.now());
    if (next !== undefined) {
      this.#timer = window.setTimeout(schedule, Math.min(Math.max(next, 16), HIGHLIGHT.lasts));
    }
  }

  #scaleOf(height: number): Scale {
    const { window, fold } = this.#store;
    return new Scale(window, fold, Math.max(1, height));
  }

  #point(event: MouseEvent, use: (selection: Selection) => void): void {
    const { selection, pages } = this.at(event);
    use(selection ?? { kind: 'addresses', pages });
  }
}

function isSame(a: Scene, b: Scene): boolean {
  return (
    a.state === b.state &&
    a.picture === b.picture &&
    a.selected === b.selected &&
    a.targets.length === b.targets.length &&
    a.targets.every((target, index) => target === b.targets[index]) &&
    a.scale.window[0] === b.scale.window[0] &&
    a.scale.window[1] === b.scale.window[1] &&
    a.scale.fold === b.scale.fold &&
    a.scale.length === b.scale.length &&
    a.highlights.length === b.highlights.length &&
    a.highlights.every(({ moment, strength }, index) => {
      const other = b.highlights[index];
      return moment === other?.moment && strength === other.strength;
    })
  );
}
