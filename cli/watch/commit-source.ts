import { EMPTY, type Observable } from 'rxjs';
import type { QemuSource } from '../../sources/index.js';
import { printable } from '../output/text.js';
import { warnOfRounding } from '../replay/prepare.js';
import { Pace, type Speed } from '../replay/pace.js';
import { parseTraceLine } from '../trace/trace-line.js';
import { TraceBuilder } from '../trace/trace-builder.js';
import { TraceWriter } from '../trace/trace-writer.js';
import type { Trace, TraceCommit } from '../trace/trace.js';
import { latestOf } from './latest-of.js';

/** Where commits come from. */
export interface CommitSource {
  /** For people. */
  readonly description: string;
  /** Whether sections may overlap in any way. */
  readonly hasOverlaps: boolean;
  /** Whether the source is there, after each change, if that can change. */
  readonly connected$: Observable<boolean>;
  /**
   * The commits, in order. They end when there are no more, or the signal is aborted.
   *
   * @param warn is told what is left out
   * @throws DmaError of QEMU, or TraceError of a line that came; the commits before were whole
   */
  commits(signal: AbortSignal, warn: (text: string) => void): AsyncIterable<TraceCommit>;
}

/** A trace, at its recorded times or as it arrives. */
export function traceSource(trace: Trace, speed: Speed): CommitSource {
  return {
    description: trace.path === '-' ? 'standard input' : printable(trace.path),
    hasOverlaps: trace.arriving !== undefined || trace.hasPriorities,
    connected$: EMPTY,
    commits: (signal, warn) => traceCommits(trace, speed, signal, warn),
  };
}

async function* traceCommits(
  trace: Trace,
  speed: Speed,
  signal: AbortSignal,
  warn: (text: string) => void,
): AsyncGenerator<TraceCommit, void> {
  const pace = new Pace(speed);
  const stop = (): void => trace.arriving?.stop();
  signal.addEventListener('abort', stop, { once: true });
  let hasWarned = false;
  try {
    for await (const commit of trace.arriving?.commits ?? trace.commits) {
      if (trace.rounded !== undefined && !hasWarned) {
        hasWarned = true;
        warnOfRounding(trace, { warned: warn });
      }
      if (!(await pace.waitFor(commit, signal))) {
        return;
      }
      yield commit;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    // After an invalid line more may come, which nobody would read: the process could not end.
    stop();
  }
}

/**
 * A running QEMU. Each commit is the difference to the state before: states that come while a commit takes effect become one.
 *
 * @param options as `source` was connected with
 */
export function qemuSource(source: QemuSource, { reconnect }: { readonly reconnect: number }): CommitSource {
  return {
    description: `${printable(source.path)} (QEMU ${source.version})`,
    hasOverlaps: false,
    // Without a time to come back in, it has ended.
    connected$: reconnect === 0 ? EMPTY : source.connected$,
    commits: (signal, warn) => qemuCommits(source, signal, warn),
  };
}

async function* qemuCommits(
  source: QemuSource,
  signal: AbortSignal,
  warn: (text: string) => void,
): AsyncGenerator<TraceCommit, void> {
  // What a recording would be replayed as.
  const writer = new TraceWriter();
  const builder = new TraceBuilder(source.path);
  const { commits } = builder.view();
  let line = 0;
  let hasWarned = false;
  for await (const sections of latestOf(source.sections$, signal)) {
    const text = writer.commit(0, sections);
    if (writer.unmappable !== undefined && !hasWarned) {
      hasWarned = true;
      warn(`"${writer.unmappable.name}" is not shown: its pages are not whole pages of its memory region`);
    }
    for (const each of text.split('\n').filter((one) => one !== '')) {
      builder.add(parseTraceLine(source.path, { number: ++line, text: each }));
    }
    const commit = commits.at(-1);
    if (text !== '' && commit !== undefined) {
      yield commit;
    }
  }
}
