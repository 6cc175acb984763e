import pc from 'picocolors';
import { counted } from '../support/format.js';
import { wrap } from '../support/layout.js';
import type { EnteredFile } from './entered.js';

/** In columns. */
const WIDTH = 80;
const INDENT = 4;

/** Draws the files in walking order, each with its functions, and the totals with the limit, if there is one. */
export function drawWalk(files: readonly EnteredFile[], atMost: number): string {
  const functions = files.reduce((sum, file) => sum + file.functions.length, 0);
  const limit = atMost === Infinity ? '' : ` (at most ${atMost}: ${files.length > atMost ? 'NOT MET' : 'met'})`;
  return [
    ...files.flatMap(drawFile),
    '',
    `${counted(files.length, 'file')}${limit}, ${counted(functions, 'function')}`,
  ].join('\n');
}

function drawFile({ path, functions }: EnteredFile, index: number): string[] {
  const head = `${String(index + 1).padStart(2)}  ${path}`;
  const count = String(functions.length);
  // A name of two words is not broken across lines.
  const names = wrap(functions.map((name) => name.replaceAll(' ', '\u00a0')).join(', '), WIDTH, INDENT);
  return [head + count.padStart(WIDTH - head.length), ...names.map((line) => pc.dim(line.replaceAll('\u00a0', ' ')))];
}
