import type { Moment } from './history.js';

/** How long what changed stands out, in milliseconds, and in how many steps it fades. */
export const HIGHLIGHT = { lasts: 2000, steps: 4 };

export interface Highlight {
  readonly moment: Moment;
  /** From 1 down to above 0. */
  readonly strength: number;
}

/** The changes that stand out at the moment. */
export class Highlights {
  /** Moments that are kept. */
  get size(): number {
    return this.#recent.length;
  }

  #recent: { readonly moment: Moment; readonly since: number }[] = [];

  /** `now` is any clock, in milliseconds. */
  add(moment: Moment, now: number): void {
    // Here as well: a hidden page draws nothing, and does not ask what stands out.
    this.#dropOld(now);
    if (moment.mapped.length + moment.unmapped.length + moment.targets.length > 0) {
      this.#recent.push({ moment, since: now });
    }
  }

  clear(): void {
    this.#recent = [];
  }

  /** What stands out at a time, and how much: in steps, so that there is something to draw only when one ends. */
  at(now: number, fades: boolean): readonly Highlight[] {
    this.#dropOld(now);
    return this.#recent.map(({ moment, since }) => ({
      moment,
      strength: fades ? 1 - stepOf(now - since) / HIGHLIGHT.steps : 1,
    }));
  }

  /** Milliseconds until `at` gives something else; `undefined` if it will not. */
  nextStep(now: number): number | undefined {
    const step = HIGHLIGHT.lasts / HIGHLIGHT.steps;
    return this.#recent.length === 0
      ? undefined
      : Math.min(...this.#recent.map(({ since }) => (stepOf(now - since) + 1) * step - (now - since)));
  }

  #dropOld(now: number): void {
    this.#recent = this.#recent.filter(({ since }) => now - since < HIGHLIGHT.lasts);
  }
}

function stepOf(age: number): number {
  return Math.floor((age / HIGHLIGHT.lasts) * HIGHLIGHT.steps);
}
