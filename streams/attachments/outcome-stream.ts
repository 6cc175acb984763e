import type { Subject } from 'rxjs';
import type { Outcome } from '../contracts/change-set.js';
import type { DmaError } from '../contracts/errors.js';
import { lastOutcome } from './last-outcome.js';

/** The outcomes of one attachment. The one that says that a target is gone is the last. */
export class OutcomeStream {
  readonly #outcomes: Subject<Outcome>;
  /** The error of the last outcome. */
  gone: DmaError | undefined = undefined;
  /** Called once, when the next outcome has been published. */
  onAnswered: (() => void) | undefined = undefined;

  /** @param outcomes what is published */
  constructor(outcomes: Subject<Outcome>) {
    this.#outcomes = outcomes;
  }

  publish(outcome: Outcome): void {
    this.#outcomes.next(outcome);
    const { onAnswered } = this;
    this.onAnswered = undefined;
    onAnswered?.();
  }

  /** Publishes the last outcome, unless it has been. Returns it. */
  publishLast(outcome: Parameters<typeof lastOutcome>[0], gone: DmaError): Outcome {
    const last = lastOutcome(outcome, gone);
    if (this.gone === undefined) {
      this.gone = gone;
      this.publish(last);
      this.#outcomes.complete();
    }
    return last;
  }
}
