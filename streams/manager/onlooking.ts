import type { Observable } from 'rxjs';
import type { AttachmentHandle } from '../attachments/attachment-handle.js';
import { ManagedSet } from '../changes/managed-set.js';
import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import type { MapParams } from '../contracts/region.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { RegionState } from '../regions/region-state.js';
import { run } from '../util/coroutine.js';
import { EMPTY_LIST } from '../util/lists.js';
import type { ActiveFrom } from '../view/active-from.js';
import type { ManagerParts } from './manager-parts.js';
import type { Failure } from './manager-streams.js';

const ofManagers = new WeakMap<object, Onlooking>();

/** To be called for each manager that is made. */
export function offerOnlooking(manager: object, parts: ManagerParts): void {
  ofManagers.set(manager, new Onlooking(parts));
}

/** @param manager a `RegionManager` */
export function onlookingOf(manager: object): Onlooking {
  return ofManagers.get(manager) as Onlooking;
}

/**
 * What one who looks on reads of a manager, beside what users see: in parts, so that the event loop can run between them, without copies, and
 * without a cost for commands while nothing is subscribed. What is read must not be changed.
 */
export class Onlooking {
  readonly #parts: ManagerParts;
  /** Commands of the queue that were turns of those who look on. */
  #turns = 0;

  constructor(parts: ManagerParts) {
    this.#parts = parts;
  }

  /** Each set that takes effect, within its command, after the view has changed; also an empty one. `removedBy` tells what it has removed. */
  get sets$(): Observable<ChangeSet> {
    return this.#parts.streams.sets$;
  }

  /** The mappings that a set of `sets$` or `failures$` removes, ascending. */
  removedBy(set: ChangeSet): readonly MapChange[] {
    return ManagedSet.detailsOf(set)?.removed ?? EMPTY_LIST;
  }

  /** What fails: first the outcomes, then the set. No command is slower for it. */
  get failures$(): Observable<Failure> {
    return this.#parts.streams.failures$;
  }

  get generation(): number {
    return this.#parts.view.generation;
  }

  /** Number of commands that have started. While it stays the same and none is running, nothing changes, except by a call that ends late. */
  get commands(): number {
    return this.#parts.queue.started - this.#turns;
  }

  /** Whether a command is running. */
  get isBusy(): boolean {
    return this.#parts.queue.isBusy;
  }

  /** In the order in which they were added. */
  get regions(): readonly RegionState[] {
    return this.#parts.regions.states();
  }

  /** How a region is mapped. */
  paramsOf(region: RegionState): MapParams | undefined {
    return this.#parts.view.paramsOf(region);
  }

  /** Those that get change sets, in attach order, then those that are leaving. */
  get attachments(): readonly AttachmentHandle[] {
    return this.#parts.attachments.all;
  }

  /** The active mappings from a page on: see `activeFrom`. */
  mappingsFrom(page: number, most: number): ActiveFrom {
    return this.#parts.view.from(page, most);
  }

  /** Whether there is an active mapping at exactly this range. */
  isActive(range: MemoryRange): boolean {
    return this.#parts.view.at(range) !== undefined;
  }

  /** Does some work when no command is running: now, or in its turn among the commands. It must not throw. */
  inTurn(work: () => void): void {
    void this.#parts.queue.runAlways(() => {
      this.#turns += 1;
      work();
    });
  }

  /** To be waited for before something is read while a command is running: otherwise its steps are indexed in one go. */
  async prepare(): Promise<void> {
    await run(this.#parts.view.prepareLookups());
  }
}
