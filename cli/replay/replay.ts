import { RamBlocks } from '../../binding/index.js';
import type { MemoryHeadroom } from '../../binding/memory/memory-headroom.js';
import { MemoryFiles } from '../../sources/memory-files.js';
import {
  RegionManager,
  type DmaError,
  type DmaTarget,
  type MapChange,
  type MemoryMapSnapshot,
} from '../../streams/index.js';
import { reasonOf } from '../errors.js';
import type { Trace, TraceCommit } from '../trace/trace.js';
import { arrivingCommits, prepare, warnOfRounding } from './prepare.js';
import { Checkpoint } from './checkpoint.js';
import { attachTargets, closeQuietly, type Attached } from './attach-targets.js';
import type { BackEndCheck } from './back-end.js';
import { checkDma, type DeviceUnderCheck, type DmaCheckResult } from './dma-check.js';
import { GoneTargets } from './gone-targets.js';
import { VmmView } from './host-view.js';
import { Journal } from './journal.js';
import { journalTarget } from './journal-target.js';
import { NO_LAYERS, type Layers } from './layers.js';
import { commitFailureOf, isSkip, problemOf, type CommitFailure, type SkippedSection } from './problems.js';
import type { CommitResult, HeldMapping, InterruptedDuring, ReplayObserver, ReplayReport } from './report.js';
import { Pace, type Speed } from './pace.js';
import { SectionPlacer } from './section-placer.js';
import type { TargetChoice } from './target-choice.js';

export interface ReplayOptions {
  readonly targets: readonly TargetChoice[];
  /** 1 is as recorded, 0.5 half as fast. */
  readonly speed: Speed;
  /** How much memory there is for a real IOMMU to pin. Default: what the machine, and the cgroup, have. */
  readonly headroom?: () => MemoryHeadroom | undefined;
  /** Ends the replay early: after the commit that is under way, at once in a recorded wait, between two steps of the DMA check. */
  readonly signal?: AbortSignal;
}

/**
 * Replays a trace through a region manager at the chosen targets, and checks by DMA what came of it.
 *
 * Order: the targets are attached as they were chosen, before the first commit; the commits follow one another; the DMA check
 * looks at what the last one left. Calls of the closing, when everything is unmapped, are not observed, unless the replay was
 * ended early: then they are part of the report.
 *
 * A trace that is still being written is replayed as its commits come, until it ends.
 *
 * On failure of a target: its commit is undone everywhere, the replay goes on, and the report says so. When a back end is gone, the replay goes
 * on without it, and the report says so.
 *
 * @throws DmaError when memory or file descriptors run out, or there is not as much memory as a real IOMMU would pin, or the native code cannot be loaded; nothing is left behind
 * @throws TraceError when a line that comes later is wrong; everything is unmapped
 */
export async function replay(trace: Trace, options: ReplayOptions, observer: ReplayObserver): Promise<ReplayReport> {
  const started = performance.now();
  using files = new MemoryFiles();
  const isArriving = trace.arriving !== undefined;
  if (!isArriving) {
    warnOfRounding(trace, observer);
    prepare(trace.commits, options, files);
  }
  using memory = new RamBlocks();
  const skipped: DmaError[] = [];
  const manager = new RegionManager({
    overlap: isArriving || trace.hasPriorities ? 'any' : 'contained',
    vaMapper: memory,
    hostAddresses: options.targets.every(({ kind }) => kind === 'log' || kind === 'back-end') ? 'on-demand' : 'always',
    onWarning: (warning) => {
      if (isSkip(warning)) {
        skipped.push(warning);
      } else {
        observer.warned(reasonOf(warning));
      }
    },
  });
  const journal = new Journal(observer);
  const attached: Attached[] = [];
  const gone = new GoneTargets();
  let backEnds: readonly BackEndCheck[] = [];
  let outcomes: CommitOutcomes;
  let snapshot: MemoryMapSnapshot;
  let layers: Layers;
  let dma: DmaCheckResult | undefined;
  try {
    const isAttached = await attachTargets(
      attached,
      manager,
      options.targets,
      (target, choice) => journalled(target, choice, journal),
      options.signal,
    );
    const placer = new SectionPlacer(manager, files);
    if (isAttached) {
      observer.started(trace, options.targets);
      const commits = isArriving ? arrivingCommits(trace, options, files, observer) : trace.commits;
      outcomes = await replayCommits(trace, commits, options, placer, { journal, skipped, gone, attached }, observer);
    } else {
      outcomes = { failures: [], skipped: [], interrupted: { during: 'attach', commits: 0 } };
    }
    snapshot = manager.snapshot();
    layers = trace.hasPriorities ? placer.layers() : NO_LAYERS;
    if (outcomes.interrupted === undefined) {
      dma = await checkAll(attached, snapshot.mappings, new VmmView(memory), options.signal);
      backEnds = await checkBackEnds(attached, snapshot.mappings);
      gone.look(attached, { during: 'DMA check' });
    }
    if (dma?.interrupted === true) {
      outcomes = { ...outcomes, interrupted: { during: 'DMA check', commits: trace.commits.length } };
    }
  } catch (error) {
    journal.close();
    await closeQuietly(manager, attached);
    throw error;
  }
  const held = attached.map(({ attachment }) => attachment.ledger());
  const milliseconds = performance.now() - started;
  if (outcomes.interrupted === undefined) {
    journal.close();
  }
  const closingError = await closeQuietly(manager, attached, () => {
    gone.look(attached, { during: 'closing' });
  });
  return {
    trace,
    mappings: snapshot.mappings,
    layers,
    targets: attached.map(({ choice: { name, description } }, index) => ({
      name,
      description,
      ...journal.countsOf(name),
      held: held[index] ?? [],
    })),
    failedCommits: outcomes.failures.length,
    ...outcomes,
    dma,
    backEnds,
    gone: gone.all,
    milliseconds,
    ...(closingError === undefined ? {} : { closingError }),
  };
}

/** What is attached for a target: the journal gets its calls. */
function journalled(target: DmaTarget, { byVa }: TargetChoice, journal: Journal): DmaTarget {
  return journalTarget(
    target,
    (call) => {
      journal.record(call);
    },
    byVa ? { needsVa: true } : {},
  );
}

type CommitOutcomes = Pick<ReplayReport, 'failures' | 'skipped' | 'interrupted'>;

/** What is noted while a commit is applied. */
interface Notes {
  readonly journal: Journal;
  /** What targets skip. */
  readonly skipped: DmaError[];
  readonly attached: readonly Attached[];
  readonly gone: GoneTargets;
}

async function replayCommits(
  trace: Trace,
  commits: Iterable<TraceCommit> | AsyncIterable<TraceCommit>,
  { speed, signal }: ReplayOptions,
  placer: SectionPlacer,
  notes: Notes,
  observer: ReplayObserver,
): Promise<CommitOutcomes> {
  const pace = new Pace(speed);
  const failures: CommitFailure[] = [];
  const skippedSections: SkippedSection[] = [];
  const checkpoint = new Checkpoint(signal);
  const endedAt = (commits: number, during: InterruptedDuring): CommitOutcomes => ({
    failures,
    skipped: skippedSections,
    interrupted: { commits, during },
  });
  let index = -1;
  for await (const commit of commits) {
    index++;
    if (!(await pace.waitFor(commit, signal))) {
      return endedAt(index, 'wait');
    }
    if (await checkpoint.isOver()) {
      return endedAt(index, 'commits');
    }
    const placement = await placer.apply(commit);
    const { failed: failedCalls, ...calls } = notes.journal.takeCommitCounts();
    const skipped = notes.skipped.splice(0);
    const { number } = commit;
    notes.gone.look(notes.attached, { commit: number });
    if (placement.tookEffect) {
      skippedSections.push(...skipped.map((error) => ({ commit: number, ...problemOf(error) })));
    }
    if (placement.error !== undefined) {
      failures.push(commitFailureOf(number, placement.tookEffect, placement.error));
    }
    const result: CommitResult = { commit, index, ...calls, failedCalls, ...placement, skipped };
    await observer.committed(result);
  }
  // It waited for a commit that did not come.
  return trace.arriving !== undefined && signal?.aborted === true
    ? endedAt(index + 1, 'wait')
    : { failures, skipped: skippedSections };
}

async function checkAll(
  attached: readonly Attached[],
  mappings: readonly MapChange[],
  host: VmmView,
  signal: AbortSignal | undefined,
): Promise<DmaCheckResult | undefined> {
  const devices = attached.flatMap(({ device, attachment }): DeviceUnderCheck[] =>
    device === undefined ? [] : [{ device, mappings: heldOf(mappings, attachment.ledger()) }],
  );
  if (devices.length === 0) {
    return undefined;
  }
  return checkDma(devices, host, signal);
}

async function checkBackEnds(
  attached: readonly Attached[],
  mappings: readonly MapChange[],
): Promise<readonly BackEndCheck[]> {
  const checks: BackEndCheck[] = [];
  for (const { backEnd, choice } of attached) {
    if (backEnd !== undefined) {
      await backEnd.proveAlive();
      const shared = mappings.filter((mapping) => backEnd.shares(mapping)).length;
      checks.push({ target: choice.name, shared, of: mappings.length, answered: backEnd.gone === undefined });
    }
  }
  return checks;
}

/** What the guest sees of what a target holds: not what is stuck there, nor what it could not map. */
function heldOf(mappings: readonly MapChange[], ledger: readonly HeldMapping[]): readonly MapChange[] {
  const held = new Set(ledger.filter(({ stuck }) => !stuck).map(({ range }) => range.toString()));
  return mappings.filter(({ range }) => held.has(range.toString()));
}
