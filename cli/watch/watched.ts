import type { Observable } from 'rxjs';
import type { SourceStatus, WatchProblem } from '../../inspect/index.js';
import type { Attachment, RegionManager } from '../../streams/index.js';

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
