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

  add(handle: AttachmentHandle): void {
    this.attached = [...this.attached, handle];
  }

  /** The attachment gets no more change sets. */
  remove(handle: AttachmentHandle): void {
    this.attached = this.attached.filter((other) => other !== handle);
  }

  addLeaving(handle: AttachmentHandle): void {
    if (!this.leaving.includes(handle)) {
      this.leaving = [...this.leaving, handle];
    }
  }

  removeLeaving(handle: AttachmentHandle): void {
    this.leaving = this.leaving.filter((other) => other !== handle);
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
