import { Subject, type Observable } from 'rxjs';
import type { Outcome } from '../contracts/change-set.js';
import type { DmaError } from '../contracts/errors.js';
import type { TargetPort } from '../target/target-port.js';
import { EMPTY_LIST } from '../util/lists.js';

/** The outcomes of an attachment. Once one of its targets is gone, a last one says so, and they complete. */
export class AttachmentOutcomes {
  readonly #subject = new Subject<Outcome>();
  #gone: DmaError | undefined = undefined;
  #onAnswered: (() => void) | undefined = undefined;

  get observable(): Observable<Outcome> {
    return this.#subject.asObservable();
  }

  /** The error that says that a target is gone, once it has been published. */
  get gone(): DmaError | undefined {
    return this.#gone;
  }

  publish(outcome: Outcome): Outcome {
    if (this.#subject.observed) {
      this.#subject.next(outcome);
    }
    const onAnswered = this.#onAnswered;
    this.#onAnswered = undefined;
    onAnswered?.();
    return outcome;
  }

  /** Publishes the last outcome: a target is gone. Has no effect the second time. */
  publishLast(outcome: Outcome): Outcome {
    if (this.#gone === undefined) {
      this.#gone = outcome.error;
      this.publish(outcome);
      this.complete();
    }
    return outcome;
  }

  complete(): void {
    this.#subject.complete();
  }

  /** Calls back once, at the next outcome. */
  onceAnswered(callback: () => void): void {
    this.#onAnswered = callback;
  }
}

/** The error that says that one of these targets is gone, or that a branch has said so in an outcome. */
export function goneIn(ports: readonly TargetPort[], outcome?: Outcome): DmaError | undefined {
  for (const { gone } of ports) {
    if (gone !== undefined) {
      return gone;
    }
  }
  return outcome?.error?.code === 'ERR_TARGET_GONE' ? outcome.error : undefined;
}

/** The outcome of a set that has met a target that is gone: nothing is stuck. */
export function goneOutcome(
  outcome: Pick<Outcome, 'generation' | 'target'> & Partial<Outcome>,
  error: DmaError,
): Outcome {
  return { skipped: [], ...outcome, status: 'failed', error, stuck: EMPTY_LIST };
}
