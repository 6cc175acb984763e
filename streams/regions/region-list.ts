import type { Region } from '../contracts/region.js';
import { eachInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import type { RegionState } from './region-state.js';
import type { Step } from './step.js';

/** The regions of a manager as of the last command that took effect, in the order in which they were added. */
export class RegionList {
  readonly #states = new Set<RegionState>();

  /** A copy. */
  list(): readonly Region[] {
    return Array.from(this.#states, ({ handle }) => handle);
  }

  /** The same as they are in the library. A copy. */
  states(): readonly RegionState[] {
    return [...this.#states];
  }

  /** The steps of a command have taken effect. */
  apply(steps: readonly Step[]): Coroutine<void> {
    return eachInSlices(steps, ({ kind, state }) => {
      if (kind === 'region-added') {
        this.#states.add(state);
      } else if (kind === 'region-removed') {
        this.#states.delete(state);
      }
    });
  }
}
