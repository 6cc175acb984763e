import type { Subject } from 'rxjs';
import type { Outcome } from '../contracts/change-set.js';
import type { DmaError } from '../contracts/errors.js';
import { run, type Coroutine } from '../util/coroutine.js';
import { lastOutcome } from './last-outcome.js';
import type { SetMeasure } from './set-measure.js';

/** The outcomes of one attachment. The one that says that a target is gone is the last. */
export class OutcomeStream {
  readonly #outcomes: Subject<Outcome>;
  /** The error of the last outcome. */
  gone: DmaError | undefined = undefined;
  /** Measures the set that is being served, if the outcomes are observed. */
  measure: SetMeasure | undefined = undefined;
  /** Called once, when the next outcome has been published. */
  onAnswered: (() => void) | undefined = undefined;

  /** @param outcomes what is published */
  constructor(outcomes: Subject<Outcome>) {
    this.#outcomes = outcomes;
  }

  publish(outcome: Outcome): Outcome | Promise<Outcome> {
    const { measure } = this;
    return measure === undefined ? this.#publish(outcome, outcome) : run(this.#publishMeasured(outcome, measure));
  }

  *#publishMeasured(outcome: Outcome, measure: SetMeasure): Coroutine<Outcome> {
    return this.#publish(yield* measure.measured(outcome), outcome);
  }

  /** @returns the outcome as it goes on */
  #publish(published: Outcome, outcome: Outcome): Outcome {
    this.#outcomes.next(published);
    const { onAnswered } = this;
    this.onAnswered = undefined;
    onAnswered?.();
    return outcome;
  }

  /** Publishes the last outcome, unless it has been. Returns it. */
  publishLast(outcome: Parameters<typeof lastOutcome>[0], gone: DmaError): Outcome {
    const last = lastOutcome(outcome, gone);
    if (this.gone === undefined) {
      this.gone = gone;
      this.#publish(last, last);
      this.#outcomes.complete();
    }
    return last;
  }
}
