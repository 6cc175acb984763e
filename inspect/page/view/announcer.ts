import type { Moment } from '../model/history.js';
import { counted } from '../model/text.js';

/** Milliseconds between two announcements. */
const PAUSE = 5000;

/** Says what has changed to who listens to a screen reader: politely, and not too often. What comes in between is added up. */
export class Announcer {
  readonly element = document.createElement('div');
  #sets = 0;
  #mapped = 0;
  #unmapped = 0;
  #failed = 0;
  #other: string[] = [];
  #timer = 0;
  #last = -Infinity;

  constructor() {
    this.element.id = 'live-region';
    this.element.className = 'hidden';
    this.element.setAttribute('role', 'status');
    this.element.setAttribute('aria-live', 'polite');
  }

  changed({ sets, mapped, unmapped, failed }: Moment): void {
    this.#sets += sets;
    this.#mapped += mapped.length;
    this.#unmapped += unmapped.length;
    this.#failed += failed ? 1 : 0;
    if (sets > 0) {
      this.#later();
    }
  }

  /** Says at once what the user has asked for. */
  tell(text: string): void {
    this.element.textContent = text;
  }

  say(text: string): void {
    this.#other.push(text);
    this.#later();
  }

  #later(): void {
    if (this.#timer === 0) {
      this.#timer = window.setTimeout(() => this.#speak(), Math.max(200, this.#last + PAUSE - performance.now()));
    }
  }

  #speak(): void {
    this.#timer = 0;
    this.#last = performance.now();
    const changes =
      this.#sets === 0
        ? []
        : [
            `${counted(this.#sets, 'change set')}: ${counted(this.#mapped, 'map')}, ${counted(this.#unmapped, 'unmap')}.`,
            ...(this.#failed > 0 ? [`${counted(this.#failed, 'failure')}: see the log.`] : []),
          ];
    this.element.textContent = [...this.#other, ...changes].join(' ');
    this.#sets = this.#mapped = this.#unmapped = this.#failed = 0;
    this.#other = [];
  }
}
