import Table from 'cli-table3';
import type { TargetReport } from '../replay/report.js';
import { fold } from './fold.js';
import type { Terminal } from './terminal.js';
import { counted, displayWidth, fit, formatCount, formatSize, printable, truncate } from './text.js';

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

/** In columns: the width of the table without the names. */
const WIDTH_WITHOUT_NAMES = 62;

/** The calls of each target and its mappings at the end: a table, or a list if the table is too wide. */
export function drawTargetTable(targets: readonly TargetReport[], terminal: Terminal): string[] {
  const { colours, unicode, width, limit } = terminal;
  const narrow = width < WIDTH_WITHOUT_NAMES + 12;
  const head = ['target', 'maps', 'unmaps', 'failed', ...(narrow ? [] : ['mappings']), 'holds'];
  const table = new Table({
    head: head.map((title) => colours.bold(title)),
    colAligns: head.map((_title, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
    ...(unicode ? {} : { chars: ASCII_LINES }),
  });
  for (const { name, maps, unmaps, failed, held } of targets) {
    const { stuck, bytes } = sumOf(held);
    table.push([
      truncate(printable(name), Math.max(12, width - WIDTH_WITHOUT_NAMES)),
      formatCount(maps),
      formatCount(unmaps),
      failed === 0 ? '0' : colours.red(formatCount(failed)),
      ...(narrow ? [] : [formatCount(held.length) + (stuck === 0 ? '' : colours.red(` (${stuck} stuck)`))]),
      fit(formatSize(bytes), 8, 'right'),
    ]);
  }
  const lines = table
    .toString()
    .split('\n')
    .map((line) => `  ${line}`);
  // The first line is the border.
  return displayWidth(lines[0] ?? '') <= limit ? lines : targets.flatMap((target) => listTarget(target, terminal));
}

function listTarget({ name, maps, unmaps, failed, held }: TargetReport, { colours, limit }: Terminal): string[] {
  const { stuck, bytes } = sumOf(held);
  const failures = `${formatCount(failed)} failed`;
  const kept = `${counted(held.length, 'mapping')}${stuck === 0 ? '' : colours.red(` (${stuck} stuck)`)}`;
  return [
    `  ${colours.bold(printable(name))}`,
    `    ${counted(maps, 'map')}, ${counted(unmaps, 'unmap')}, ${failed === 0 ? failures : colours.red(failures)}`,
    `    holds ${kept}, ${formatSize(bytes)}`,
  ].flatMap((line) => fold(line, limit, 4));
}

function sumOf(held: TargetReport['held']): { readonly stuck: number; readonly bytes: bigint } {
  return {
    stuck: held.filter((mapping) => mapping.stuck).length,
    bytes: held.reduce((sum, { range }) => sum + range.length, 0n),
  };
}
