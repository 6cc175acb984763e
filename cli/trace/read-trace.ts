import { TraceError } from '../errors.js';
import { readLines } from './read-lines.js';
import { parseTraceLine } from './trace-line.js';
import { TraceBuilder } from './trace-builder.js';
import type { Trace } from './trace.js';

/**
 * Reads a trace in JSON Lines and checks all of it: every line by itself, and that each follows from those before. Blank
 * lines are passed over. `-` is standard input, to its end: see `readArrivingTrace`.
 *
 * @throws UsageError when the file cannot be read
 * @throws TraceError when a line is wrong, by its number, or when there is none
 */
export async function readTrace(path: string): Promise<Trace> {
  const builder = new TraceBuilder(path);
  for await (const lines of readLines(path)) {
    for (const line of lines) {
      if (line.text.trim() !== '') {
        builder.add(parseTraceLine(path, line));
      }
    }
  }
  const trace = builder.finish();
  if (trace.lineCount === 0) {
    throw emptyTrace(path);
  }
  return trace;
}

export function emptyTrace(path: string): TraceError {
  return new TraceError(path, undefined, 'the trace is empty', 'record at least one line, or is this the right file?');
}
