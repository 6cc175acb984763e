import type { TopLevelSpec } from 'vega-lite';
import type { Figure } from '../support/question.js';
import type { Results } from '../support/results.js';
import { COLOURS } from './draw.js';

/** A chart for each file. */
export type Charts = Readonly<Record<string, TopLevelSpec>>;

const LEGEND = { title: null, orient: 'bottom', direction: 'horizontal' } as const;

const LINES = { ...LEGEND, symbolType: 'stroke', symbolSize: 300 } as const;
const DECADES = [1, 10, 100, 1000, 10_000, 100_000];

const SERIES = [
  { name: 'single command', color: COLOURS.blue },
  { name: 'in sets of 64', color: COLOURS.orange },
  { name: 'in sets of 4,096', color: COLOURS.green },
  { name: 'C++: std::map, virtual call', color: COLOURS.grey },
] as const;

export function hostCharts(run: Results): Charts {
  return { 'change.svg': changeChart(run), 'beside.svg': besideChart(run) };
}

export function guestCharts(run: Results): Charts {
  return { 'kernel.svg': kernelChart(run) };
}

function figures(run: Results): Figure[] {
  return run.questions.flatMap((question) => [...question.figures]);
}

/** Figures whose id has the form, with what the parts of it are. */
function matching(run: Results, form: RegExp): { readonly parts: readonly string[]; readonly figure: Figure }[] {
  return figures(run).flatMap((figure) => {
    const found = form.exec(figure.id);
    return found === null ? [] : [{ parts: found.slice(1), figure }];
  });
}

const PLACES: Readonly<Record<string, string>> = { random: 'random places', sequential: 'sequential places' };
const SET_NAMES: Readonly<Record<string, string>> = { 1: SERIES[0].name, 64: SERIES[1].name, 4096: SERIES[2].name };

function changeChart(run: Results): TopLevelSpec {
  const point = (count: string, order: string, series: string | undefined, { median }: Figure): object => ({
    mappings: Number(count),
    places: PLACES[order],
    series,
    nanoseconds: median,
  });
  const values = [
    ...matching(run, /^change\/(\d+)\/1\/(\d+)\/(random|sequential)$/).map(
      ({ parts: [count = '', set = '', order = ''], figure }) => point(count, order, SET_NAMES[set], figure),
    ),
    ...matching(run, /^change\/std-map\/(\d+)\/1\/(random|sequential)$/).map(
      ({ parts: [count = '', order = ''], figure }) => point(count, order, SERIES[3].name, figure),
    ),
  ];
  return {
    title: {
      text: 'Cost of a change, by number of mappings',
      subtitle: ['One mapping added or removed, at one no-op target.', 'Both axes are logarithmic; lower is better.'],
    },
    data: { values },
    facet: { column: { field: 'places', type: 'nominal', title: null } },
    spec: {
      width: 300,
      height: 300,
      mark: { type: 'line', point: { size: 55, filled: true }, strokeWidth: 2.5 },
      encoding: {
        x: {
          field: 'mappings',
          type: 'quantitative',
          scale: { type: 'log', nice: false },
          axis: {
            title: 'mappings',
            values: [100, 10_000, 100_000, 1_000_000],
            format: '~s',
            labelOverlap: false,
            labelFlush: false,
          },
        },
        y: {
          field: 'nanoseconds',
          type: 'quantitative',
          scale: { type: 'log' },
          axis: { title: 'nanoseconds a change', format: ',', values: DECADES },
        },
        color: {
          field: 'series',
          type: 'nominal',
          scale: { domain: SERIES.map(({ name }) => name), range: SERIES.map(({ color }) => color) },
          legend: LINES,
        },
        strokeDash: {
          field: 'series',
          type: 'nominal',
          scale: {
            domain: SERIES.map(({ name }) => name),
            range: [
              [1, 0],
              [1, 0],
              [1, 0],
              [5, 4],
            ],
          },
          legend: LINES,
        },
      },
    },
  };
}

/** The cost of a change at 100 mappings, compared with all baselines. */
function besideChart(run: Results): TopLevelSpec {
  const all = new Map(figures(run).map((figure) => [figure.id, figure]));
  const bars = [
    ['single command', 'change/100/1/1/random', true],
    ['in sets of 64', 'change/100/1/64/random', true],
    ['in sets of 4,096', 'change/100/1/4096/random', true],
    ['a bare call into the addon', 'change/native', false],
    ['EventEmitter, one listener', 'change/emitter/1', false],
    ['C++: std::map, virtual call', 'change/std-map/100/1/random', false],
    ['a plain function call', 'change/loop/1', false],
  ] as const;
  const values = bars.flatMap(([name, id, own]) => {
    const figure = all.get(id);
    const label =
      figure === undefined
        ? ''
        : figure.median >= 10
          ? Math.round(figure.median).toLocaleString('en')
          : figure.median.toFixed(1);
    return figure === undefined
      ? []
      : [{ name, nanoseconds: figure.median, label: `${label} ns`, kind: own ? 'dma-streams' : 'for comparison' }];
  });
  const order = values.map(({ name }) => name);
  return {
    title: {
      text: 'Cost of a change, compared with baselines',
      subtitle: [
        'One mapping added or removed among 100, at one no-op target.',
        'Grey: baselines without checks and rollback. Logarithmic; lower is better.',
      ],
    },
    data: { values },
    width: 520,
    height: { step: 30 },
    encoding: {
      y: {
        field: 'name',
        type: 'nominal',
        sort: order,
        axis: { title: null, labelLimit: 260, labelPadding: 8, ticks: false, domain: false },
      },
      x: {
        field: 'nanoseconds',
        type: 'quantitative',
        scale: { type: 'log', domainMin: 1 },
        axis: { title: 'nanoseconds a change', format: ',', values: DECADES },
      },
    },
    layer: [
      {
        mark: { type: 'bar', height: { band: 0.65 } },
        encoding: {
          x2: { datum: 1 },
          color: {
            field: 'kind',
            type: 'nominal',
            scale: { domain: ['dma-streams', 'for comparison'], range: [COLOURS.blue, '#9aa4ae'] },
            legend: LEGEND,
          },
        },
      },
      {
        mark: { type: 'text', align: 'left', dx: 5, fontSize: 12, color: '#1b1f24' },
        encoding: { text: { field: 'label' } },
      },
    ],
  };
}

const WAY_COLOURS = { type1: COLOURS.blue, 'iommufd by va': COLOURS.orange, 'iommufd by file': COLOURS.green } as const;

function kernelChart(run: Results): TopLevelSpec {
  const values = matching(run, /^cycle\/([^/]+)\/([^/]+)\/ratio$/).map(({ parts: [way = '', shape = ''], figure }) => ({
    way,
    shape,
    ratio: figure.median,
  }));
  const ways = Object.keys(WAY_COLOURS);
  return {
    title: {
      text: 'Programming a real IOMMU, compared with a C++ loop',
      subtitle: [
        'Maps and unmaps through the whole pipeline, as a multiple of the C++ loop',
        'with the same system calls. In an emulated guest; logarithmic, lower is better.',
      ],
    },
    data: { values },
    width: 520,
    height: { step: 16 },
    layer: [
      {
        data: { values: [{}] },
        mark: { type: 'rule', color: '#1b1f24', strokeDash: [4, 3] },
        encoding: { x: { datum: 1, type: 'quantitative' } },
      },
      {
        mark: { type: 'point', filled: true, size: 110, opacity: 1 },
        encoding: {
          y: {
            field: 'shape',
            type: 'nominal',
            sort: [...new Set(values.map(({ shape }) => shape))],
            axis: { title: null, labelLimit: 260, labelPadding: 8, grid: true, ticks: false, domain: false },
          },
          x: {
            field: 'ratio',
            type: 'quantitative',
            scale: { type: 'log', nice: false, padding: 12 },
            axis: { title: 'times the C++ loop', format: ',~g', values: [0.5, 1, 1.5, 2, 3, 5, 10, 20, 50, 100, 200] },
          },
          yOffset: { field: 'way', type: 'nominal', scale: { domain: ways, paddingOuter: 0.6 } },
          color: {
            field: 'way',
            type: 'nominal',
            scale: { domain: ways, range: Object.values(WAY_COLOURS) },
            legend: LEGEND,
          },
          shape: { field: 'way', type: 'nominal', scale: { domain: ways }, legend: LEGEND },
        },
      },
    ],
  };
}
