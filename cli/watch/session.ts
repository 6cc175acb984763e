import { BehaviorSubject, Subject, type Observable, type Subscription } from 'rxjs';
import { RamBlocks } from '../../binding/index.js';
import { MemoryFiles } from '../../sources/memory-files.js';
import type { SourceStatus, WatchProblem } from '../../inspect/index.js';
import { RegionManager } from '../../streams/index.js';
import { reasonOf } from '../errors.js';
import { attachTargets, closeQuietly, type Attached } from '../replay/attach-targets.js';
import { prepare } from '../replay/prepare.js';
import { SectionPlacer } from '../replay/section-placer.js';
import type { TargetChoice } from '../replay/target-choice.js';
import type { TraceCommit } from '../trace/trace.js';
import type { CommitSource } from './commit-source.js';
import type { Watched, WatchedTarget } from './watched.js';

/** Follows a source in a manager of its own. Front ends show it: see `Watched`. */
export class WatchSession implements Watched, AsyncDisposable {
  readonly description: string;
  readonly manager: RegionManager;
  readonly #source: CommitSource;
  readonly #choices: readonly TargetChoice[];
  readonly #files = new MemoryFiles();
  readonly #memory = new RamBlocks();
  readonly #placer: SectionPlacer;
  readonly #attached: Attached[] = [];
  readonly #status$ = new BehaviorSubject<SourceStatus>({ phase: 'following' });
  readonly #problems$ = new Subject<WatchProblem>();
  readonly #connection: Subscription;

  private constructor(source: CommitSource, choices: readonly TargetChoice[]) {
    this.description = source.description;
    this.#source = source;
    this.#choices = choices;
    this.manager = new RegionManager({
      overlap: source.hasOverlaps ? 'any' : 'contained',
      vaMapper: this.#memory,
      onWarning: (warning) => {
        this.#warn(reasonOf(warning));
      },
    });
    this.#placer = new SectionPlacer(this.manager, this.#files);
    this.#connection = source.connected$.subscribe({
      next: (isConnected) => {
        this.#status$.next({ phase: isConnected ? 'following' : 'waiting' });
      },
      // It never errors.
      error: () => undefined,
    });
  }

  /**
   * Attaches the targets, to an empty manager.
   *
   * @throws DmaError of the first target that cannot be attached; nothing is left behind. `ABORT_ERR` when the signal is aborted
   */
  static async open(
    source: CommitSource,
    choices: readonly TargetChoice[],
    signal: AbortSignal,
  ): Promise<WatchSession> {
    const session = new WatchSession(source, choices);
    try {
      if (!(await attachTargets(session.#attached, session.manager, choices, (target) => target, signal))) {
        signal.throwIfAborted();
      }
      return session;
    } catch (error) {
      await session[Symbol.asyncDispose]();
      throw error;
    }
  }

  get targets(): readonly WatchedTarget[] {
    return this.#attached.map(({ attachment, choice: { name, description } }) => ({ name, description, attachment }));
  }

  get status$(): Observable<SourceStatus> {
    return this.#status$;
  }

  get problems$(): Observable<WatchProblem> {
    return this.#problems$;
  }

  /** How the source is doing. */
  get status(): SourceStatus {
    return this.#status$.value;
  }

  /**
   * Applies each commit, until there are no more, or the signal is aborted. A commit that fails is undone, and told as a problem. Never rejects: when
   * the source fails, the status says so, and what is there stays.
   *
   * @param applied is called after each commit, and waited for
   */
  async run(signal: AbortSignal, applied?: () => Promise<void>): Promise<void> {
    const warn = (text: string): void => {
      this.#warn(text);
    };
    try {
      for await (const commit of this.#source.commits(signal, warn)) {
        await this.#apply(commit);
        await applied?.();
      }
      this.#connection.unsubscribe();
      if (!signal.aborted) {
        this.#status$.next({ phase: 'ended' });
      }
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      this.#connection.unsubscribe();
      this.#problems$.next({ severity: 'error', text: reasonOf(error) });
      this.#status$.next({ phase: 'failed', error });
    }
  }

  /** Unmaps everything, and detaches the targets. What cannot be unmapped is a problem. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.unsubscribe();
    const error = await closeQuietly(this.manager, this.#attached);
    if (error !== undefined) {
      this.#problems$.next({
        severity: 'error',
        text: `not everything could be unmapped at the end: ${reasonOf(error)}`,
      });
    }
    this.#status$.complete();
    this.#problems$.complete();
    this.#files[Symbol.dispose]();
    this.#memory.close();
  }

  async #apply(commit: TraceCommit): Promise<void> {
    prepare([commit], { targets: this.#choices }, this.#files);
    const { error, tookEffect } = await this.#placer.apply(commit);
    if (error !== undefined) {
      const what = tookEffect ? 'took effect, but not everywhere' : 'failed, and was undone everywhere';
      this.#problems$.next({ severity: 'error', text: `commit ${commit.number} ${what}: ${reasonOf(error)}` });
    }
  }

  #warn(text: string): void {
    this.#problems$.next({ severity: 'warning', text });
  }
}
