import type { DmaError, MapChange, MemoryRange } from '../../streams/index.js';
import type { BackEndCheck } from './back-end.js';
import type { DmaCheckResult } from './dma-check.js';
import type { GoneTarget } from './gone-targets.js';
import type { Layers } from './layers.js';
import type { CommitFailure, SkippedSection } from './problems.js';
import type { TargetCall } from '../../targets/index.js';
import type { TargetChoice } from './target-choice.js';
import type { Trace, TraceCommit } from '../trace/trace.js';

/** How far a replay has come, as it happens. Nothing that is done here holds it up, but for a promise. */
export interface ReplayObserver {
  /** All targets are attached, to an empty machine. */
  started(trace: Trace, targets: readonly TargetChoice[]): void;
  /** A target answered. */
  called(call: TargetCall): void;
  /** A commit took effect, or failed. */
  committed(result: CommitResult): void | Promise<void>;
  /** Something went wrong that stops nothing. */
  warned(warning: string): void;
}

export interface CommitResult {
  readonly commit: TraceCommit;
  /** Of all in the trace, counted from 0. */
  readonly index: number;
  /** What the targets had to do, in total. */
  readonly maps: number;
  readonly unmaps: number;
  readonly failedCalls: number;
  /** Why it failed. A commit that failed to map was undone everywhere; one that failed to unmap took effect. */
  readonly error?: Error;
  readonly tookEffect: boolean;
  /** Memory of devices that a target could not map, and goes on without. */
  readonly skipped: readonly DmaError[];
}

export interface HeldMapping {
  readonly range: MemoryRange;
  readonly region: string;
  readonly writable: boolean;
  readonly stuck: boolean;
}

export interface TargetReport {
  readonly name: string;
  readonly description: string;
  /** Calls that were applied. */
  readonly maps: number;
  readonly unmaps: number;
  /** Calls that failed. */
  readonly failed: number;
  /** What it held at the end, ascending. */
  readonly held: readonly HeldMapping[];
}

/** What a replay was doing when it was told to end; `'wait'` is the one for the recorded time of the next commit. */
export type InterruptedDuring = 'attach' | 'commits' | 'wait' | 'DMA check';

/** All that is known when a replay is over. */
export interface ReplayReport {
  readonly trace: Trace;
  /** What the guest saw at the end, ascending. */
  readonly mappings: readonly MapChange[];
  /** What was covered at the end. */
  readonly layers: Layers;
  readonly targets: readonly TargetReport[];
  readonly failedCommits: number;
  /** Why those failed, in the order of the commits. */
  readonly failures: readonly CommitFailure[];
  /** What was skipped by commits that took effect, in their order. */
  readonly skipped: readonly SkippedSection[];
  /** `undefined` when no target has a device to check with. */
  readonly dma: DmaCheckResult | undefined;
  /** Targets that cannot be checked by DMA, and what is known of them instead. */
  readonly backEnds: readonly BackEndCheck[];
  /** Targets that were gone before the end. */
  readonly gone: readonly GoneTarget[];
  /** From the first call to the last, in milliseconds; waiting for recorded times included. */
  readonly milliseconds: number;
  /** Where it was told to end before its end. Absent when it was not, or when that came after the DMA check. */
  readonly interrupted?: {
    readonly during: InterruptedDuring;
    /** How many commits were replayed, those that failed included. */
    readonly commits: number;
  };
  /** What went wrong when all was unmapped at the end. */
  readonly closingError?: DmaError | Error;
}

/** Whether every target call, and every check, came out right. */
export function succeeded(report: ReplayReport): boolean {
  return (
    report.interrupted === undefined &&
    report.failedCommits === 0 &&
    report.closingError === undefined &&
    (report.dma?.failed ?? 0) === 0 &&
    report.gone.length === 0 &&
    report.targets.every((target) => target.failed === 0)
  );
}
