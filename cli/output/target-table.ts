import Table from 'cli-table3';
import type { TargetReport } from '../replay/report.js';
import type { Terminal } from './terminal.js';
import { fit, formatCount, formatSize, printable, truncate } from './text.js';

const ASCII_LINES = {
  top: '-',
  'top-mid': '+',
  'top-left': '+',
  'top-right': '+',
  bottom: '-',
  'bottom-mid': '+',
  'bottom-left': '+',
  'bottom-right': '+',
  left: '|',
  'left-mid': '+',
  mid: '-',
  'mid-mid': '+',
  right: '|',
  'right-mid': '+',
  middle: '|',
};

/** Columns that the table takes beside the names. */
const WIDTH_WITHOUT_NAMES = 62;

/** What each target was asked, and what it held at the end. */
export function drawTargetTable(targets: readonly TargetReport[], terminal: Terminal): string[] {
  const { colours, unicode, width } = terminal;
  const narrow = width < WIDTH_WITHOUT_NAMES + 12;
  const head = ['target', 'maps', 'unmaps', 'failed', ...(narrow ? [] : ['mappings']), 'holds'];
  const table = new Table({
    head: head.map((title) => colours.bold(title)),
    colAligns: head.map((_title, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
    ...(unicode ? {} : { chars: ASCII_LINES }),
  });
  for (const { name, maps, unmaps, failed, held } of targets) {
    const stuck = held.filter((mapping) => mapping.stuck).length;
    const bytes = held.reduce((sum, { range }) => sum + range.length, 0n);
    table.push([
      truncate(printable(name), Math.max(12, width - WIDTH_WITHOUT_NAMES)),
      formatCount(maps),
      formatCount(unmaps),
      failed === 0 ? '0' : colours.red(formatCount(failed)),
      ...(narrow ? [] : [formatCount(held.length) + (stuck === 0 ? '' : colours.red(` (${stuck} stuck)`))]),
      fit(formatSize(bytes), 8, 'right'),
    ]);
  }
  return table
    .toString()
    .split('\n')
    .map((line) => `  ${line}`);
}
