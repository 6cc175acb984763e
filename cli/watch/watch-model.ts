import { Subject, Subscription, type Observable } from 'rxjs';
import type { SourceStatus, WatchProblem } from '../../inspect/index.js';
import type { ChangeSet, MapChange } from '../../streams/index.js';
import { HeldMappings } from './held-mappings.js';
import { RecentChanges } from './recent-changes.js';
import type { Watched } from './watched.js';
import type { MapRow, ShownProblem, WatchState } from './watch-state.js';

/** Problems that are kept. */
const MOST_PROBLEMS = 100;

const NEVER_ERRORS = (): void => undefined;

/** Collects what a front end draws, of a memory map that is watched. */
export class WatchModel implements Disposable {
  readonly #watched: Watched;
  readonly #clock: () => number;
  readonly #subscriptions = new Subscription();
  readonly #changed$ = new Subject<void>();
  readonly #recent = new RecentChanges();
  readonly #held: readonly HeldMappings[];
  readonly #problems: ShownProblem[] = [];
  /** By the address of the first byte: what is known of a mapping when it goes. */
  readonly #active = new Map<bigint, MapChange>();
  #status: SourceStatus = { phase: 'following' };
  #rows: readonly MapRow[] | undefined;
  #bytes = 0n;
  #regions = 0;

  /** @param clock in milliseconds */
  constructor(watched: Watched, clock: () => number = () => performance.now()) {
    this.#watched = watched;
    this.#clock = clock;
    this.#held = watched.targets.map((target) => new HeldMappings(target));
    this.#subscriptions.add(
      watched.manager.changes().subscribe({
        next: (set) => {
          this.#note(set);
          this.#change();
        },
        error: NEVER_ERRORS,
      }),
    );
    this.#subscriptions.add(
      watched.status$.subscribe({
        next: (status) => {
          this.#status = status;
          this.#changed$.next();
        },
        error: NEVER_ERRORS,
      }),
    );
    this.#subscriptions.add(
      watched.problems$.subscribe({
        next: (problem) => {
          this.#addProblem(problem);
        },
        error: NEVER_ERRORS,
      }),
    );
    for (const { attachment } of watched.targets) {
      this.#subscriptions.add(
        attachment.outcomes$.subscribe({
          next: () => {
            this.#change();
          },
          error: NEVER_ERRORS,
        }),
      );
    }
  }

  /** Hot. Something is to be drawn anew. Completes with `Symbol.dispose`. */
  get changed$(): Observable<void> {
    return this.#changed$;
  }

  /** How the source is doing now. */
  get status(): SourceStatus {
    return this.#status;
  }

  /** What is to be drawn now. Its lists are not changed later. */
  state(): WatchState {
    const now = this.#clock();
    const held = this.#held.map((target) => target.look(now));
    if (this.#recent.expire(now) || held.some(({ hasChanged }) => hasChanged)) {
      this.#rows = undefined;
    }
    this.#rows ??= this.#makeRows();
    const { description, manager } = this.#watched;
    return {
      description,
      status: this.#status,
      generation: manager.snapshot().generation,
      regions: this.#regions,
      mappings: this.#active.size,
      bytes: this.#bytes,
      changesPerSecond: this.#recent.perSecond(now),
      rows: this.#rows,
      targets: held.map(({ state }) => state),
      problems: [...this.#problems],
      now,
    };
  }

  [Symbol.dispose](): void {
    this.#subscriptions.unsubscribe();
    this.#changed$.complete();
  }

  #change(): void {
    this.#rows = undefined;
    for (const target of this.#held) {
      target.expectChange();
    }
    this.#changed$.next();
  }

  #addProblem(problem: WatchProblem): void {
    const last = this.#problems.at(-1);
    if (last?.text === problem.text) {
      this.#problems.pop();
    }
    this.#problems.push({ ...problem, count: (last?.text === problem.text ? last.count : 0) + 1 });
    this.#problems.splice(0, Math.max(0, this.#problems.length - MOST_PROBLEMS));
    this.#changed$.next();
  }

  #note({ snapshot, unmaps, maps }: ChangeSet): void {
    const now = this.#clock();
    for (const { covers } of unmaps) {
      for (const { start } of covers) {
        const gone = this.#active.get(start);
        if (gone !== undefined) {
          this.#active.delete(start);
          this.#bytes -= gone.range.length;
          this.#recent.removed(gone, now);
        }
      }
    }
    for (const map of maps) {
      this.#active.set(map.range.start, map);
      this.#bytes += map.range.length;
      if (!snapshot) {
        this.#recent.added(map, now);
      }
    }
  }

  #makeRows(): MapRow[] {
    this.#regions = this.#watched.manager.regions.length;
    const gone = this.#recent.gone(this.#held.flatMap((target) => target.stuck));
    const rows: MapRow[] = [];
    let next = 0;
    for (const { range, region: name, type, writable } of this.#watched.manager.snapshot().mappings) {
      for (let row = gone[next]; row !== undefined && row.range.start <= range.start; row = gone[++next]) {
        rows.push(row);
      }
      const change = this.#recent.isNew(range.start) ? 'added' : 'none';
      rows.push({ range, name, type, writable, change });
    }
    for (const row of gone.slice(next)) {
      rows.push(row);
    }
    return rows;
  }
}
