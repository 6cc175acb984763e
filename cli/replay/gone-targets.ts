import type { AttachedTarget } from './attached-target.js';
import { problemOf, type Problem } from './problems.js';

/** What a replay was doing when a target was found to be gone; `commit` is the number of the commit in the trace. */
export type GoneDuring = { readonly commit: number } | { readonly during: 'DMA check' | 'closing' };

/** A back end that ended, or closed its connection, before the end of the replay. It holds nothing any more. */
export type GoneTarget = Problem & GoneDuring & { readonly target: string };

/** Notes when targets are gone. */
export class GoneTargets {
  readonly #noted = new Map<string, GoneTarget>();

  get all(): readonly GoneTarget[] {
    return [...this.#noted.values()];
  }

  /** Notes the targets that are gone and were not when it was last called. */
  look(attached: readonly NamedTarget[], during: GoneDuring): void {
    for (const { choice, backEnd } of attached) {
      const error = backEnd?.gone;
      if (error !== undefined && !this.#noted.has(choice.name)) {
        this.#noted.set(choice.name, { ...problemOf(error), target: choice.name, ...during });
      }
    }
  }
}

type NamedTarget = Pick<AttachedTarget, 'backEnd'> & { readonly choice: { readonly name: string } };
