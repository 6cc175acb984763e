import type { ReplayObserver } from './report.js';
import type { TargetCall } from '../../targets/index.js';

export interface CallCounts {
  /** Calls that were applied. */
  readonly maps: number;
  readonly unmaps: number;
  /** Calls that failed. */
  readonly failed: number;
}

/** Counts the calls of each target and of each commit, and hands them on in their order, until it is closed. */
export class Journal {
  readonly #observer: ReplayObserver;
  readonly #byTarget = new Map<string, CallCounts>();
  #sinceCommit: CallCounts = NONE;
  #closed = false;

  constructor(observer: ReplayObserver) {
    this.#observer = observer;
  }

  record(call: TargetCall): void {
    if (this.#closed) {
      return;
    }
    this.#byTarget.set(call.target, counted(this.countsOf(call.target), call));
    this.#sinceCommit = counted(this.#sinceCommit, call);
    this.#observer.called(call);
  }

  countsOf(target: string): CallCounts {
    return this.#byTarget.get(target) ?? NONE;
  }

  /** All targets together, since the last time that this was asked for. */
  takeCommitCounts(): CallCounts {
    const counts = this.#sinceCommit;
    this.#sinceCommit = NONE;
    return counts;
  }

  close(): void {
    this.#closed = true;
  }
}

const NONE: CallCounts = { maps: 0, unmaps: 0, failed: 0 };

function counted(counts: CallCounts, call: TargetCall): CallCounts {
  if (call.failed !== undefined) {
    return { ...counts, failed: counts.failed + 1 };
  }
  return call.op === 'map' ? { ...counts, maps: counts.maps + 1 } : { ...counts, unmaps: counts.unmaps + 1 };
}
