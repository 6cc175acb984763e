import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';

/** The chart has a background, so that it is legible on dark and light pages. */
const LOOK = {
  background: '#ffffff',
  padding: 16,
  font: 'system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif',
  title: {
    fontSize: 15,
    fontWeight: 600,
    anchor: 'start',
    offset: 12,
    color: '#1b1f24',
    subtitleColor: '#57606a',
    subtitleFontSize: 12,
  },
  axis: {
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 400,
    labelColor: '#1b1f24',
    titleColor: '#57606a',
    gridColor: '#e5e8eb',
    domainColor: '#8c959f',
    tickColor: '#8c959f',
  },
  legend: { labelFontSize: 12, titleFontSize: 12, labelLimit: 320, labelColor: '#1b1f24', symbolStrokeWidth: 2.5 },
  header: { labelFontSize: 13, labelFontWeight: 600, labelColor: '#1b1f24' },
  view: { stroke: null },
} as const;

/** The palette of Okabe and Ito, which is safe for colour-blind readers. */
export const COLOURS = {
  blue: '#0072b2',
  orange: '#d55e00',
  green: '#009e73',
  purple: '#cc79a7',
  grey: '#57606a',
} as const;

/** Draws a chart as SVG. */
export async function draw(spec: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile({ ...spec, config: LOOK }).spec), { renderer: 'none' });
  try {
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
}
