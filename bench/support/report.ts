import Table from 'cli-table3';
import { formatNumber, formatSpread, formatValue, verdictOf, wrap } from './format.js';
import type { Figure } from './question.js';
import type { QuestionResult } from './results.js';

/** Draws a table of the figures of one question with their limits, baselines last. */
export function drawQuestion({ title, about, figures, warnings }: QuestionResult): string {
  const columns = [...new Set(figures.flatMap(({ ratios = {} }) => Object.keys(ratios)))];
  const table = new Table({
    head: [title, 'median', 'least', 'spread', 'at most', '', ...columns.map((column) => `× ${column}`)],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'left', ...columns.map(() => 'right' as const)],
    style: { head: [], border: [], compact: true },
  });
  for (const figure of [...figures.filter((one) => one.baseline !== true), ...figures.filter((one) => one.baseline)]) {
    table.push(row(figure, columns));
  }
  return [wrap(about, 110), ...warnings.map((warning) => `! ${warning}`), table.toString(), ''].join('\n');
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

/** How many limits are met, and which are not. */
export function drawVerdict(questions: readonly QuestionResult[]): string {
  const limited = questions.flatMap(({ figures }) => figures.filter(({ atMost }) => atMost !== undefined));
  const missed = limited.filter(({ median, atMost }) => atMost !== undefined && median > atMost);
  return [
    limited.length === 0 ? 'no limits apply' : `${limited.length - missed.length} of ${limited.length} limits met`,
    ...missed.map((figure) => {
      const limit = formatValue(figure.atMost ?? NaN, figure.unit);
      return `  NOT MET: ${figure.name}: ${formatValue(figure.median, figure.unit)}, at most ${limit}`;
    }),
  ].join('\n');
}
