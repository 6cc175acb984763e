import type { Pages, WireMapping, WireRegion } from '../../wire/messages.js';
import { regionTotals } from './details.js';
import { Fold } from './fold.js';
import { levelsOf } from './levels.js';
import { ALL_PAGES, type Window } from './scale.js';
import { shownParts, type ShownPart } from './shown.js';
import type { SortedList } from './sorted-list.js';
import type { State } from './state.js';

/** What is worked out of the regions of a state, to draw them. */
export interface Picture {
  /** The regions in levels without overlaps, those that others cover first. */
  readonly levels: readonly SortedList<WireRegion>[];
  readonly shown: SortedList<ShownPart>;
  readonly totals: ReturnType<typeof regionTotals>;
  /** From the first to the last page of all that there is; `undefined` if there is nothing. */
  readonly content: Pages | undefined;
  readonly fold: Fold;
}

/** A picture that takes longer than this, in milliseconds, is not made for each state. */
const QUICK = 20;
/** The time that it takes is at most this part of all the time. */
const SHARE = 1 / 5;

/**
 * Pictures of states: worked out again only when what they depend on has changed. With so many regions that this takes long, a picture may be one
 * of a moment ago.
 */
export class Pictures {
  /** Whether the last picture that was asked for is one of an earlier state. */
  isOld = false;
  #madeAt = 0;
  #cost = 0;
  readonly #clock: () => number;
  #regions: SortedList<WireRegion> | undefined;
  /** The mappings, if the picture depends on them. */
  #mappings: SortedList<WireMapping> | undefined;
  #exceptions: State['exceptions'] | undefined;
  #picture: Picture | undefined;

  /** @param clock in milliseconds */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  of(state: State): Picture {
    const { regions, mappings, exceptions } = state;
    const changed =
      this.#regions !== regions ||
      this.#exceptions !== exceptions ||
      (this.#mappings !== undefined && this.#mappings !== mappings);
    const now = this.#clock();
    this.isOld = changed && this.#cost > QUICK && now - this.#madeAt < this.#cost / SHARE;
    if (this.#picture === undefined || (changed && !this.isOld)) {
      const same = this.#regions === regions && this.#mappings === undefined ? this.#picture : undefined;
      this.#regions = regions;
      this.#exceptions = exceptions;
      this.#mappings = regions.toArray().some(({ holes }) => holes === 'transparent') ? mappings : undefined;
      this.#picture = pictureOf(state, same);
      this.#madeAt = this.#clock();
      this.#cost = this.#madeAt - now;
    }
    return this.#picture;
  }
}

function pictureOf(state: State, same: Picture | undefined): Picture {
  const shown = same?.shown ?? shownParts(state.regions, state.mappings);
  const ranges = contentOf(state);
  const end = ranges.reduce((last, [, after]) => Math.max(last, after), 0);
  return {
    levels: same?.levels ?? levelsOf(state.regions),
    shown,
    totals: same?.totals ?? regionTotals(state.regions, shown),
    content: ranges[0] === undefined ? undefined : [ranges[0][0], end],
    fold: Fold.of(ranges),
  };
}

/** Ranges of all that there is, in ascending order; but not containers, which often reach over everything. */
function contentOf({ regions, mappings, exceptions }: State): readonly Pages[] {
  const opaque = regions.toArray().filter(({ holes }) => holes === 'opaque');
  const rest = [...exceptions.values()].flatMap(({ stuck, missing, extra }) =>
    [stuck, missing, extra].flatMap((list) => list.toArray()),
  );
  // Mappings are inside of regions.
  const inContainers = opaque.length === regions.size ? [] : mappings.toArray();
  return [...opaque, ...inContainers, ...rest].map(({ pages }) => pages).sort((a, b) => a[0] - b[0]);
}

/** The addresses that can be seen: up to a little beyond the end of what there is, or of what was looked for. */
export function boundsOf(content: Pages | undefined, wanted: number, fold: Fold): Window {
  const end = fold.fold(Math.max(content?.[1] ?? 0, wanted, 256));
  return [0, Math.min(ALL_PAGES, Math.ceil(fold.unfold(end * 1.02)))];
}
