import { BehaviorSubject, type Observable } from 'rxjs';
import type { MapFailure } from '../branches/delivery-result.js';
import type { TargetRange } from '../contracts/errors.js';
import type { VaUser } from '../host-addresses/va-errors.js';
import type { VaUsers } from '../host-addresses/va-owner.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { Coroutine } from '../util/coroutine.js';
import { append } from '../util/lists.js';
import { checkPrivateFits } from './attachable.js';
import type { AttachmentHandle } from './attachment-handle.js';

/** The attachments of a manager, by phase. */
export class Attachments implements VaUsers {
  /** The attachment whose replay is running. */
  attaching: AttachmentHandle | undefined = undefined;
  /** Those that get change sets, in attach order. */
  attached: readonly AttachmentHandle[] = [];
  /** Those that have been detached, but with something stuck, or a call that has not been answered. */
  leaving: readonly AttachmentHandle[] = [];
  readonly #list = new BehaviorSubject<readonly AttachmentHandle[]>([]);
  #isClosed = false;

  /** The list that users see: on subscription, and whenever an attachment comes, is leaving, or goes. */
  get list$(): Observable<readonly AttachmentHandle[]> {
    return this.#list.asObservable();
  }

  /** Those that get change sets, in attach order, and the one whose replay is running. */
  get active(): readonly AttachmentHandle[] {
    return this.attaching === undefined ? this.attached : [...this.attached, this.attaching];
  }

  /** Those that users see: the active ones, then those that are leaving. */
  get all(): readonly AttachmentHandle[] {
    return this.leaving.length === 0 ? this.active : [...this.active, ...this.leaving];
  }

  /** Whether something is stuck at a target of one that is not new. */
  get hasStuck(): boolean {
    const isStuck = ({ hasStuck }: AttachmentHandle): boolean => hasStuck;
    return this.attached.some(isStuck) || this.leaving.some(isStuck);
  }

  /** Whether a target of one that is not new is gone. */
  get hasGone(): boolean {
    const isGone = (handle: AttachmentHandle): boolean => handle.isGone;
    return this.attached.some(isGone) || this.leaving.some(isGone);
  }

  /** Ends the set of a command at all targets where it has begun, in attach order. `undefined` when there is none. */
  endSets(): Coroutine<void> | undefined {
    const isInSet = (handle: AttachmentHandle): boolean => handle.isInSet;
    return this.attached.some(isInSet) || this.leaving.some(isInSet)
      ? endEach([...this.attached, ...this.leaving])
      : undefined;
  }

  /** The replay of this attachment begins. */
  begin(handle: AttachmentHandle): void {
    this.attaching = handle;
    this.#publish();
  }

  /** The attachment has been replayed: it gets change sets from now on. */
  add(handle: AttachmentHandle): void {
    this.attached = [...this.attached, handle];
    this.attaching = undefined;
  }

  /** The attachment gets no more change sets, and is not empty yet. */
  addLeaving(handle: AttachmentHandle): void {
    if (!this.leaving.includes(handle)) {
      this.#drop(handle);
      this.leaving = [...this.leaving, handle];
      this.#publish();
    }
  }

  /** The attachment has ended. */
  remove(handle: AttachmentHandle): void {
    this.#drop(handle);
    this.#publish();
  }

  /** The manager has been closed: `list$` completes as soon as the list is empty. */
  close(): void {
    this.#isClosed = true;
    this.#completeIfEmpty();
  }

  #drop(handle: AttachmentHandle): void {
    const isOther = (other: AttachmentHandle): boolean => other !== handle;
    this.attached = this.attached.filter(isOther);
    this.leaving = this.leaving.filter(isOther);
    this.attaching = this.attaching === handle ? undefined : this.attaching;
  }

  #publish(): void {
    this.#list.next([...this.all]);
    this.#completeIfEmpty();
  }

  #completeIfEmpty(): void {
    if (this.#isClosed && this.#list.value.length === 0) {
      this.#list.complete();
    }
  }

  usesVa(range: MemoryRange): boolean {
    const uses = (handle: AttachmentHandle): boolean => handle.usesVa(range);
    return this.active.some(uses) || this.leaving.some(uses);
  }

  usersOf(range: MemoryRange): readonly VaUser[] {
    return this.all.flatMap((handle) => handle.usersOf(range));
  }

  /** @throws DmaError `ERR_NO_FD` when a target is attached that cannot map private memory */
  checkPrivate(region: string, range: MemoryRange): void {
    for (const { ports } of this.active) {
      checkPrivateFits(ports, region, range);
    }
  }

  /** The stuck mappings that caused a failure with `ERR_RANGE_STUCK`: all that share a page with its range. */
  *blockersOf({ error, range }: MapFailure): Coroutine<readonly TargetRange[]> {
    if (error.code !== 'ERR_RANGE_STUCK' || range === undefined) {
      return [];
    }
    const stuck: TargetRange[] = [];
    for (const handle of this.all) {
      append(stuck, yield* handle.ledgers.stuck(range));
    }
    return stuck;
  }
}

function* endEach(handles: readonly AttachmentHandle[]): Coroutine<void> {
  for (const handle of handles) {
    yield* handle.endSet();
  }
}
