import { pendingFailure, unmapFailure } from '../branches/command-errors.js';
import { DmaError, type DmaUnmapError } from '../contracts/errors.js';
import type { VaOwner } from '../host-addresses/va-owner.js';
import { mapInSlices } from '../ranges/slices.js';
import { waitFor, type Coroutine } from '../util/coroutine.js';
import type { View } from '../view/view.js';
import { unclaim } from './attachable.js';
import type { AttachmentHandle } from './attachment-handle.js';
import type { Attachments } from './attachments.js';

export interface DeparturesOptions {
  readonly attachments: Attachments;
  readonly view: View;
  readonly vas: VaOwner;
  readonly warn: (warning: DmaError) => void;
}

/** How attachments end: by a detach, because something was stuck and no longer is, or because a target is gone. */
export class Departures {
  readonly #options: DeparturesOptions;
  readonly #attachments: Attachments;

  constructor(options: DeparturesOptions) {
    this.#options = options;
    this.#attachments = options.attachments;
  }

  /** Unmaps what the attachment holds, and ends it. @throws DmaUnmapError when something is stuck, or a call is open */
  *detach(handle: AttachmentHandle): Coroutine<void> {
    if (handle.phase === 'gone') {
      return;
    }
    if (handle.pending) {
      throw pendingFailure(handle.target, yield* handle.ledgers.held(), handle.unanswering);
    }
    const { view, vas } = this.#options;
    const set = yield* handle.ledgers.unmapAllSet(view);
    // An attachment that was leaving with an unanswered set, or whose target is gone, may have kept VAs that its ledger
    // does not name: all unused VAs are released.
    const kept =
      handle.phase === 'leaving' || handle.gone !== undefined
        ? undefined
        : yield* mapInSlices(yield* handle.ledgers.stuck(), ({ range }) => range);
    let cause: DmaError | undefined;
    if (set.unmaps.length > 0) {
      cause = (yield* waitFor(handle.serve(set))).error;
    }
    yield* this.endOrKeepLeaving(handle);
    yield* waitFor(vas.releaseUnused(kept));
    if (handle.hasStuck) {
      throw unmapFailure(cause, yield* handle.ledgers.stuck());
    }
  }

  /**
   * Unmaps everything at every target, in reverse attach order. Returns an error that names what could not be unmapped.
   */
  *detachAll(): Coroutine<DmaUnmapError | undefined> {
    const failures: DmaUnmapError[] = [];
    for (const handle of [...this.#attachments.attached.toReversed(), ...this.#attachments.leaving]) {
      try {
        yield* this.detach(handle);
      } catch (error) {
        failures.push(error as DmaUnmapError);
      }
    }
    const [first] = failures;
    return failures.length < 2 || first === undefined
      ? first
      : unmapFailure(
          first.cause instanceof DmaError ? first.cause : first,
          failures.flatMap(({ stuck }) => stuck),
        );
  }

  /** Ends the attachments of which a target is gone. */
  *endGone(): Coroutine<void> {
    const { warn } = this.#options;
    for (const handle of this.#attachments.all.filter(({ isGone }) => isGone)) {
      yield* handle.noteGone();
      if (handle.phase === 'leaving') {
        yield* this.#endLeaving(handle);
        continue;
      }
      if (handle.gone !== undefined) {
        warn(handle.gone);
      }
      try {
        yield* this.detach(handle);
      } catch (error) {
        warn(error as DmaUnmapError);
      }
    }
  }

  /** Ends an attachment that is leaving, if it holds nothing any more. What is stuck is not unmapped again. */
  *#endLeaving(handle: AttachmentHandle): Coroutine<void> {
    yield* this.endOrKeepLeaving(handle);
    if (!this.#attachments.leaving.includes(handle)) {
      yield* waitFor(this.#options.vas.releaseUnused(undefined));
    }
  }

  /**
   * Ends an attachment that gets no more change sets; keeps it as leaving while something is held or stuck, or a call
   * is not answered.
   */
  *endOrKeepLeaving(handle: AttachmentHandle): Coroutine<void> {
    const wasPending = handle.pending;
    yield* handle.endSet();
    if (wasPending || handle.hasStuck || !(yield* handle.ledgers.isEmpty())) {
      yield* handle.markLeaving();
      this.#attachments.addLeaving(handle);
      if (wasPending) {
        handle.onceAnswered(() => {
          handle.detach().catch((error: unknown) => {
            this.#options.warn(error as DmaError);
          });
        });
      }
      return;
    }
    unclaim(handle);
    handle.end();
    this.#attachments.remove(handle);
  }

  *endIfEmpty(handle: AttachmentHandle): Coroutine<void> {
    if (handle.phase === 'leaving') {
      yield* this.endOrKeepLeaving(handle);
    }
  }
}
