import { exceptionLook, heldLook, memoryLook } from './looks.js';
import { Painter, type Look } from './painter.js';
import { paletteOf, type Palette } from './palette.js';

const [WIDTH, HEIGHT] = [22, 12];

/** What the looks in the drawing mean; drawn as there. */
export class Legend {
  readonly element = document.createElement('ul');
  #isDrawn = false;

  constructor() {
    this.element.id = 'legend';
    this.element.setAttribute('aria-label', 'Legend');
  }

  forgetColors(): void {
    this.#isDrawn = false;
  }

  draw(): void {
    if (this.#isDrawn || !this.element.isConnected) {
      return;
    }
    this.#isDrawn = true;
    const palette = paletteOf(this.element, devicePixelRatio);
    const ram = memoryLook(palette, 'ram');
    this.element.replaceChildren(
      item(palette, 'RAM', ram),
      item(palette, 'read-only', memoryLook(palette, 'read-only')),
      item(palette, 'device', memoryLook(palette, 'device')),
      item(palette, 'hidden by a region of higher rank', { ...ram, pattern: palette.patterns.hidden }),
      item(palette, 'held', heldLook(palette)),
      item(palette, 'stuck', exceptionLook(palette, 'stuck')),
      item(palette, 'missing', exceptionLook(palette, 'missing')),
      item(palette, 'absent, or a region that is not mapped', exceptionLook(palette, 'absent'), true),
      item(palette, 'extra', exceptionLook(palette, 'extra')),
      item(palette, '▸ drawn larger than it is'),
    );
  }
}

function item(palette: Palette, text: string, look?: Look, dashed = false): HTMLLIElement {
  const element = document.createElement('li');
  if (look !== undefined) {
    const canvas = document.createElement('canvas');
    canvas.width = WIDTH * palette.ratio;
    canvas.height = HEIGHT * palette.ratio;
    const context = canvas.getContext('2d');
    if (context !== null) {
      const painter = new Painter(context, palette);
      if (dashed) {
        painter.outline(0, 0, canvas.width, canvas.height, look.edge, 1, true);
      } else {
        painter.box(0, 0, canvas.width, canvas.height, look);
      }
    }
    element.append(canvas);
  }
  element.append(text);
  return element;
}
