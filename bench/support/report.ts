import { formatNumber, formatSpread, formatValue, verdictOf } from './format.js';
import { drawRows, drawText, wrap } from './layout.js';
import type { Figure } from './question.js';
import type { QuestionResult } from './results.js';

/** Draws the figures of one question with their limits, baselines last; `columns`: the width of the terminal. */
export function drawQuestion({ title, about, figures, warnings }: QuestionResult, columns = Infinity): string {
  const ratios = [...new Set(figures.flatMap(({ ratios: all = {} }) => Object.keys(all)))];
  const sorted = [...figures.filter((one) => one.baseline !== true), ...figures.filter((one) => one.baseline)];
  const table = {
    head: [title, 'median', 'least', 'spread', 'at most', '', ...ratios.map((column) => `× ${column}`)],
    aligns: ['left', 'right', 'right', 'right', 'right', 'left', ...ratios.map(() => 'right' as const)] as const,
    rows: sorted.map((figure) => row(figure, ratios)),
  };
  const warned = warnings.map((warning) => drawText(`! ${warning}`, columns));
  return [drawText(about, columns), ...warned, drawRows(table, columns), ''].join('\n');
}

function row(figure: Figure, columns: readonly string[]): string[] {
  const { name, unit, median, min, atMost, baseline, ratios = {} } = figure;
  return [
    baseline === true ? `· ${name}` : name,
    formatValue(median, unit),
    formatNumber(min),
    formatSpread(figure.spread),
    atMost === undefined ? '' : formatValue(atMost, unit),
    verdictOf(figure),
    ...columns.map((column) => {
      const ratio = ratios[column];
      return ratio === undefined ? '' : formatNumber(ratio);
    }),
  ];
}

/** How many limits are met, and which are not; `columns`: the width of the terminal. */
export function drawVerdict(questions: readonly QuestionResult[], columns = Infinity): string {
  const limited = questions.flatMap(({ figures }) => figures.filter(({ atMost }) => atMost !== undefined));
  const missed = limited.filter(({ median, atMost }) => atMost !== undefined && median > atMost);
  return [
    limited.length === 0 ? 'no limits apply' : `${limited.length - missed.length} of ${limited.length} limits met`,
    ...missed.flatMap((figure) => {
      const limit = formatValue(figure.atMost ?? NaN, figure.unit);
      const text = `NOT MET: ${figure.name}: ${formatValue(figure.median, figure.unit)}, at most ${limit}`;
      return wrap(text, columns, 2);
    }),
  ].join('\n');
}
