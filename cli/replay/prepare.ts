import { memoryHeadroom, type MemoryHeadroom } from '../../binding/memory/memory-headroom.js';
import type { MemoryFiles } from '../../sources/memory-files.js';
import { describeSection, isMapped } from '../trace/section.js';
import type { Trace, TraceCommit } from '../trace/trace.js';
import { checkMemory } from './memory-need.js';
import type { ReplayObserver } from './report.js';
import type { TargetChoice } from './target-choice.js';

interface PrepareOptions {
  readonly targets: readonly TargetChoice[];
  readonly headroom?: () => MemoryHeadroom | undefined;
  readonly signal?: AbortSignal;
}

/** Checks that there is memory for the commits, and announces their sections. */
export function prepare(commits: readonly TraceCommit[], options: PrepareOptions, files: MemoryFiles): void {
  if (options.targets.some(({ kind }) => kind === 'real')) {
    checkMemory({ commits }, (options.headroom ?? memoryHeadroom)());
  }
  for (const { name, fileOffset, range } of commits.flatMap(({ adds }) => adds.filter(isMapped))) {
    files.expect(name, fileOffset + range.length);
  }
}

export function warnOfRounding({ path, rounded }: Trace, observer: Pick<ReplayObserver, 'warned'>): void {
  if (rounded === undefined) {
    return;
  }
  const { first, count } = rounded;
  const mapped =
    first.range === undefined ? 'it holds no whole page' : `only ${first.range.toString()} of it is mapped`;
  const all = count === 1 ? '' : `; ${count} sections of the trace are so, and only their whole pages are mapped`;
  observer.warned(
    `${path}:${first.line}: ${describeSection(first)} does not begin and end at multiples of 0x1000: ${mapped}${all}`,
  );
}

/** Each commit of a trace that is still being written, as it comes. What is done once for a whole trace is done for each. */
export async function* arrivingCommits(
  trace: Trace,
  options: PrepareOptions,
  files: MemoryFiles,
  observer: ReplayObserver,
): AsyncGenerator<TraceCommit, void> {
  const stop = (): void => trace.arriving?.stop();
  options.signal?.addEventListener('abort', stop, { once: true });
  let hasWarned = false;
  try {
    for await (const commit of trace.arriving?.commits ?? []) {
      if (trace.rounded !== undefined && !hasWarned) {
        hasWarned = true;
        warnOfRounding(trace, observer);
      }
      prepare([commit], options, files);
      yield commit;
    }
  } finally {
    options.signal?.removeEventListener('abort', stop);
  }
}
