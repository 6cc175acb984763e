import { setTimeout as sleep } from 'node:timers/promises';
import { emptyTrace } from './read-trace.js';
import { readLines } from './read-lines.js';
import { TraceBuilder } from './trace-builder.js';
import { parseTraceLine } from './trace-line.js';
import type { Trace, TraceCommit } from './trace.js';

/**
 * A commit whose lines do not say how many they are is taken for whole when nothing has come for so long, in milliseconds. Lines of it that come
 * later are a transaction of their own.
 */
const SILENCE = 250;

/**
 * Reads a trace from standard input as it is written. Resolves when the first commit is whole. Every line is checked as by `readTrace`, but when it
 * comes: the commits before an invalid line can be applied.
 *
 * @throws UsageError, TraceError as `readTrace`
 */
export async function readArrivingTrace(): Promise<Trace> {
  const path = '-';
  const builder = new TraceBuilder(path);
  let isStopped = false;
  const commits = commitsOf(path, builder, () => isStopped);
  const first = await commits.next();
  if (first.done === true) {
    throw emptyTrace(path);
  }
  return builder.view({
    commits: startingWith(first.value, commits),
    stop: () => {
      isStopped = true;
      process.stdin.destroy();
    },
  });
}

async function* startingWith(first: TraceCommit, rest: AsyncIterable<TraceCommit>): AsyncGenerator<TraceCommit, void> {
  yield first;
  yield* rest;
}

async function* commitsOf(
  path: string,
  builder: TraceBuilder,
  isStopped: () => boolean,
): AsyncGenerator<TraceCommit, void> {
  const { commits } = builder.view();
  let given = 0;
  function* whole(): Generator<TraceCommit, void> {
    for (; given < commits.length; given++) {
      yield commits[given] as TraceCommit;
    }
  }
  const chunks = readLines(path);
  for (;;) {
    const next = chunks.next();
    const arrived = builder.isOpen ? await before(next, SILENCE) : await next;
    if (arrived === undefined) {
      builder.closeUnlessCounted();
      yield* whole();
    }
    const result = arrived ?? (await next);
    if (result.done === true || isStopped()) {
      break;
    }
    for (const line of result.value) {
      if (line.text.trim() !== '') {
        builder.add(parseTraceLine(path, line));
        yield* whole();
      }
    }
  }
  if (!isStopped()) {
    builder.finish();
    yield* whole();
  }
}

/** `undefined` if the promise has not settled within the time. */
async function before<T>(promise: Promise<T>, milliseconds: number): Promise<T | undefined> {
  const timer = new AbortController();
  try {
    return await Promise.race([promise, sleep(milliseconds, undefined, { signal: timer.signal })]);
  } finally {
    timer.abort();
  }
}
