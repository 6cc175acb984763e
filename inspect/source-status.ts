/** How the source of a memory map is doing. */
export interface SourceStatus {
  /**
   * `'following'`: what it says is shown; `'waiting'`: it is not there, and may come back; `'ended'`: there is nothing more to come; `'failed'`: as
   * `'ended'`, because of `error`.
   */
  readonly phase: 'following' | 'waiting' | 'ended' | 'failed';
  /** Why it failed. Only with `'failed'`. */
  readonly error?: Error;
}

/** Something that went wrong, and does not end the watching. */
export interface WatchProblem {
  /** What, where, and what to do, on one line. May contain any characters. */
  readonly text: string;
  /** How it is shown. */
  readonly severity: 'warning' | 'error';
}
