import { median, quantile } from 'simple-statistics';
import { formatValue } from './format.js';
import { drawRows, wrap } from './layout.js';
import type { Figure } from './question.js';
import type { Results } from './results.js';

/** Differences between two runs of the same code: other addresses, other decisions of the compiler. */
const NOISE = 0.1;
/** The same for counted instructions. */
const COUNTED_NOISE = 0.02;

/** The change of a figure. A ratio above 1 is an increase. */
export interface Comparison {
  readonly id: string;
  readonly name: string;
  readonly before: Figure;
  readonly now: Figure;
  /** The ratio of the medians; times are corrected for the speed of the machine. */
  readonly ratio: number;
  /** The range of the ratio between the quartiles of both runs. */
  readonly low: number;
  readonly high: number;
  readonly verdict: 'more' | 'less' | 'same';
}

export interface ComparedRuns {
  /** Medians that differ by no more than this part are the same. */
  readonly noise: number;
  readonly comparisons: readonly Comparison[];
  /** How much slower the machine was: the ratio of a loop that is no part of this library. 1 when it was not measured in both. */
  readonly machine: number;
  /** Ids that only one of the runs has. */
  readonly unmatched: number;
}

/** Compares the figures that both runs have. Those outside the noise are `more` or `less`. */
export function compareRuns(before: Results, now: Results): ComparedRuns {
  const earlier = figuresOf(before);
  const later = figuresOf(now);
  const counted = before.counted !== undefined && now.counted !== undefined;
  const noise = counted ? COUNTED_NOISE : NOISE;
  const machine = counted ? 1 : ratioOf(earlier.get(before.calibration), later.get(now.calibration));
  const comparisons = [...later].flatMap(([id, figure]): Comparison[] => {
    const old = earlier.get(id);
    return old?.unit === figure.unit ? [compare(old, figure, machine, noise)] : [];
  });
  const unmatched = earlier.size + later.size - 2 * comparisons.length;
  return { comparisons, noise, machine, unmatched };
}

/** Percentages are excluded, because one share grows when another shrinks. */
function figuresOf(run: Results): Map<string, Figure> {
  const figures = run.questions.flatMap((question) => question.figures.filter(({ unit }) => unit !== '%'));
  return new Map(figures.map((figure) => [figure.id, figure]));
}

function ratioOf(before: Figure | undefined, now: Figure | undefined): number {
  return before === undefined || now === undefined ? 1 : now.median / before.median;
}

function compare(before: Figure, now: Figure, machine: number, noise: number): Comparison {
  // Bytes and multiples do not depend on how fast a machine is.
  const speed = ['ns', 'µs', 'ms'].includes(now.unit) ? machine : 1;
  const ratio = safeRatio(median([...now.samples]), median([...before.samples])) / speed;
  const low = safeRatio(quantile([...now.samples], 0.25), quantile([...before.samples], 0.75)) / speed;
  const high = safeRatio(quantile([...now.samples], 0.75), quantile([...before.samples], 0.25)) / speed;
  const outside = low > 1 ? ratio > 1 + noise : high < 1 && ratio < 1 - noise;
  const verdict = !outside ? 'same' : ratio > 1 ? 'more' : 'less';
  return { id: now.id, name: now.name, before, now, ratio, low, high, verdict };
}

/** Of nothing to nothing it is 1. */
function safeRatio(now: number, before: number): number {
  return now === before ? 1 : now / before;
}

/** Draws what has changed, and what has not; `columns`: the width of the terminal. */
export function drawComparison(runs: ComparedRuns, before: Results, now: Results, columns = Infinity): string {
  const rows = runs.comparisons
    .filter(({ id }) => id !== now.calibration)
    .map((one) => [
      one.now.baseline === true ? `· ${one.name}` : one.name,
      formatValue(one.before.median, one.before.unit),
      formatValue(one.now.median, one.now.unit),
      one.ratio.toFixed(2),
      `${one.low.toFixed(2)} to ${one.high.toFixed(2)}`,
      one.verdict === 'same' ? '' : one.verdict.toUpperCase(),
    ]);
  const own = runs.comparisons.filter((one) => one.now.baseline !== true);
  const more = own.filter(({ verdict }) => verdict === 'more');
  const less = own.filter(({ verdict }) => verdict === 'less');
  const head = [
    `before: ${describe(before)}`,
    `now:    ${describe(now)}`,
    now.counted === undefined
      ? `The calibration loop, which does not use this library, took ${runs.machine.toFixed(2)} times as long now: times are divided by this factor.`
      : 'Instructions were counted: how fast the machine was does not matter.',
    `MORE and LESS: the interquartile ranges of both runs do not overlap, and the medians differ by more than ${runs.noise * 100} %.`,
    ...(before.quick === now.quick ? [] : ['One of the two was a quick run: only what both have is compared.']),
    ...(before.machine.cpu === now.machine.cpu ? [] : ['The two ran on different processors.']),
  ];
  const table = {
    head: ['comparison', 'before', 'now', 'ratio', 'spread', ''],
    aligns: ['left', 'right', 'right', 'right', 'right', 'left'] as const,
    rows,
  };
  const sum =
    `${own.length} figures compared: ${more.length} more, ${less.length} less, ${own.length - more.length - less.length} within the noise` +
    (runs.unmatched === 0 ? '' : `; ${runs.unmatched} exist in only one run`);
  return [...head.flatMap((line) => wrap(line, columns)), drawRows(table, columns), ...wrap(sum, columns), ''].join(
    '\n',
  );
}

function describe({ date, commit = 'no commit', machine }: Results): string {
  return `${date}, ${commit}, Node ${machine.node}, ${machine.cpu}`;
}
