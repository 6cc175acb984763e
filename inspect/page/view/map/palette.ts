/** The colours of the drawing, from the variables of the style sheet, and its patterns: for what differs there is never only a colour. */
export interface Palette {
  readonly color: (name: string) => string;
  readonly patterns: Patterns;
  /** Device pixels for a pixel of the style sheet. */
  readonly ratio: number;
}

export interface Patterns {
  readonly readOnly: CanvasPattern | string;
  readonly device: CanvasPattern | string;
  readonly hidden: CanvasPattern | string;
  readonly stuck: CanvasPattern | string;
  readonly missing: CanvasPattern | string;
  readonly extra: CanvasPattern | string;
  readonly folded: CanvasPattern | string;
}

export function paletteOf(element: Element, ratio: number): Palette {
  const style = getComputedStyle(element);
  const known = new Map<string, string>();
  const color = (name: string): string => {
    const value = known.get(name) ?? style.getPropertyValue(`--${name}`).trim();
    known.set(name, value);
    return value;
  };
  return {
    color,
    ratio,
    patterns: {
      readOnly: pattern(8, ratio, (context) => {
        context.strokeStyle = color('read-only-edge');
        context.globalAlpha = 0.45;
        lines(context, [[0, 2.5, 8, 2.5]]);
      }),
      device: pattern(6, ratio, (context) => {
        context.fillStyle = color('device-edge');
        context.globalAlpha = 0.6;
        context.fillRect(1, 1, 1.4, 1.4);
        context.fillRect(4, 4, 1.4, 1.4);
      }),
      hidden: pattern(7, ratio, (context) => {
        context.fillStyle = color('paper');
        context.globalAlpha = 0.72;
        context.fillRect(0, 0, 7, 7);
        context.globalAlpha = 0.75;
        context.strokeStyle = color('hatch');
        diagonals(context, 7, 1);
      }),
      stuck: pattern(7, ratio, (context) => {
        context.fillStyle = color('stuck');
        context.fillRect(0, 0, 7, 7);
        context.strokeStyle = color('stuck-hatch');
        diagonals(context, 7, 2);
      }),
      missing: pattern(8, ratio, (context) => {
        context.fillStyle = color('paper');
        context.fillRect(0, 0, 8, 8);
        context.strokeStyle = color('missing');
        context.lineWidth = 1.2;
        lines(context, [
          [1, 1, 7, 7],
          [7, 1, 1, 7],
        ]);
      }),
      extra: pattern(4, ratio, (context) => {
        context.fillStyle = color('held');
        context.fillRect(0, 0, 4, 4);
        context.strokeStyle = color('paper');
        lines(context, [[0, 1, 4, 1]]);
      }),
      folded: pattern(6, ratio, (context) => {
        context.strokeStyle = color('hatch');
        context.globalAlpha = 0.35;
        lines(context, [
          [0, 4, 3, 1],
          [3, 1, 6, 4],
        ]);
      }),
    },
  };
}

function pattern(
  size: number,
  ratio: number,
  draw: (context: CanvasRenderingContext2D) => void,
): CanvasPattern | string {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = Math.round(size * ratio);
  const context = canvas.getContext('2d');
  if (context === null) {
    return 'transparent';
  }
  context.scale(canvas.width / size, canvas.width / size);
  draw(context);
  return context.createPattern(canvas, 'repeat') ?? 'transparent';
}

function diagonals(context: CanvasRenderingContext2D, size: number, width: number): void {
  context.lineWidth = width;
  // Also beyond the corners, so that it continues in the next tile.
  lines(
    context,
    [-size, 0, size].map((offset) => [offset - 1, size + 1, offset + size + 1, -1]),
  );
}

function lines(context: CanvasRenderingContext2D, coordinates: readonly (readonly number[])[]): void {
  context.beginPath();
  for (const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] of coordinates) {
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
  }
  context.stroke();
}
