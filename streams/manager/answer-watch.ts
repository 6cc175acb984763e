import { DmaError } from '../contracts/errors.js';
import type { Unanswered } from '../branches/unanswered.js';
import type { SerialQueue } from '../util/serial-queue.js';

/** How often what is waited for is looked at, for each `warnAfter`. */
const LOOKS = 4;

/** Something that was not answered when it was last looked at. */
interface Waiting extends Unanswered {
  /** The time at which it was seen first. */
  readonly since: number;
  isReported: boolean;
}

export interface AnswerWatchOptions {
  readonly queue: Pick<SerialQueue, 'isBusy'>;
  readonly unanswered: () => readonly Unanswered[];
  readonly warn: (warning: DmaError) => void;
  /** In milliseconds; `Infinity`: never. */
  readonly warnAfter: number;
}

/**
 * Warns when something is not answered for some time, and again when it is answered after that.
 *
 * It looks at what is waited for a few times in that time, and only while a command has not ended: nothing is recorded when a
 * target is called, and a command that ends within its call sets no timer.
 */
export class AnswerWatch {
  readonly #options: AnswerWatchOptions;
  #waiting: ReadonlyMap<object, Waiting> = new Map<object, Waiting>();
  #timer: ReturnType<typeof setTimeout> | undefined = undefined;
  #isClosed = false;

  constructor(options: AnswerWatchOptions) {
    this.#options = options;
  }

  /** A command has not ended within its call. */
  start(): void {
    const { warnAfter } = this.#options;
    if (this.#timer === undefined && warnAfter !== Infinity && !this.#isClosed) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#look();
        if (this.#waiting.size > 0 || this.#options.queue.isBusy) {
          this.start();
        }
      }, warnAfter / LOOKS);
      // Elsewhere than in Node.js a timer is a number.
      (this.#timer as { unref?: () => void }).unref?.();
    }
  }

  /** Reports what has been answered meanwhile, and looks no more. */
  close(): void {
    this.#look();
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #look(): void {
    const { unanswered, warnAfter, warn } = this.#options;
    const now = performance.now();
    const before = this.#waiting;
    const waiting = new Map<object, Waiting>();
    for (const one of unanswered()) {
      waiting.set(one.key, before.get(one.key) ?? { ...one, since: now, isReported: false });
    }
    this.#waiting = waiting;
    for (const one of waiting.values()) {
      if (!one.isReported && now - one.since >= warnAfter) {
        one.isReported = true;
        warn(slowError(one, `'${one.target}' has not answered ${subjectOf(one)} for ${textOf(warnAfter)}`, one.hint));
      }
    }
    for (const one of before.values()) {
      if (one.isReported && !waiting.has(one.key)) {
        warn(
          slowError(
            one,
            `the wait for '${one.target}' to answer ${subjectOf(one)} has ended after ${textOf(now - one.since)}`,
          ),
        );
      }
    }
  }
}

function slowError({ target }: Unanswered, text: string, hint?: string): DmaError {
  return new DmaError(text, { code: 'ERR_TARGET_SLOW', target, hint });
}

function subjectOf({ generation }: Unanswered): string {
  return generation === undefined ? 'a call outside of a change set' : `generation ${generation}`;
}

/** `20 ms`, `5 s`, `12.3 s`. */
function textOf(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${Math.round(milliseconds / 100) / 10} s`;
}
