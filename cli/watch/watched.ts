import type { Observable } from 'rxjs';
import type { Attachment, RegionManager } from '../../streams/index.js';

/** How the source of a memory map is doing. */
export interface SourceStatus {
  /**
   * `'following'`: what it says is shown; `'waiting'`: it is not there, and may come back; `'ended'`: there is nothing more to come; `'failed'`: as
   * `'ended'`, because of `error`.
   */
  readonly phase: 'following' | 'waiting' | 'ended' | 'failed';
  readonly error?: Error;
}

/** Something that went wrong, and does not end the watching. */
export interface WatchProblem {
  /** What, where, and what to do, on one line. May contain any characters. */
  readonly text: string;
  readonly severity: 'warning' | 'error';
}

export interface WatchedTarget {
  readonly name: string;
  readonly description: string;
  readonly attachment: Attachment;
}

/**
 * A memory map that is followed in a manager, and the targets that follow it there. This is what a front end shows; there may be several at a time,
 * and none of them changes anything.
 */
export interface Watched {
  /** What is followed, for people: `'qmp.sock (QEMU 7.2.22)'`. May contain any characters. */
  readonly description: string;
  readonly manager: RegionManager;
  readonly targets: readonly WatchedTarget[];
  /** The status at the time of the subscription, and after each change. Completes when all is closed; never errors. */
  readonly status$: Observable<SourceStatus>;
  /** Hot. Completes when all is closed; never errors. */
  readonly problems$: Observable<WatchProblem>;
}
