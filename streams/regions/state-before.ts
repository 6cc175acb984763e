import type { MapParams } from '../contracts/region.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap, type Ranged } from '../ranges/range-map.js';
import {
  eachInSlices,
  entriesInSlices,
  filterInSlices,
  joinInSlices,
  mergeInSlices,
  overlappingInSlices,
} from '../ranges/slices.js';
import { runAtOnce, type Coroutine } from '../util/coroutine.js';
import type { RegionMapping, RegionState } from './region-state.js';
import { RegionTable } from './region-table.js';
import type { Step } from './step.js';

/** The state of the regions before the steps of a transaction. It stays correct while the steps are taken back. */
export class StateBefore {
  readonly #regions: RegionBefore[] = [];
  /** `undefined` as long as there is one region. */
  #byState: Map<RegionState, RegionBefore> | undefined = undefined;
  #removed: RegionTable | undefined = undefined;

  private constructor() {
    // Only `of` makes objects.
  }

  static *of(steps: readonly Step[]): Coroutine<StateBefore> {
    const before = new StateBefore();
    yield* eachInSlices(steps, (step) => {
      before.#take(step);
    });
    return before;
  }

  /** The regions that the steps are about, each once, in the order of their first steps. */
  get regions(): readonly RegionBefore[] {
    return this.#regions;
  }

  /** What a region was before the steps; `undefined` if no step is about it. */
  of(state: RegionState): RegionBefore | undefined {
    const [first] = this.#regions;
    return first?.state === state ? first : this.#byState?.get(state);
  }

  /** The regions that were in the table before the steps, and are not now, and share a page with `range`. */
  removedOverlapping(range: MemoryRange): readonly RegionState[] {
    return this.#removed?.overlapping(range).filter(isAbsent) ?? [];
  }

  /** Those of them near a page: see `RegionTable.from`. */
  removedFrom(
    page: number,
    most: number,
  ): { readonly regions: readonly RegionState[]; readonly end: number } | undefined {
    const near = this.#removed?.from(page, most);
    return near === undefined ? undefined : { regions: near.regions.filter(isAbsent), end: near.end };
  }

  /** All regions that were in the table before the steps, and are not now. */
  *allRemoved(): Coroutine<readonly RegionState[]> {
    return this.#removed === undefined ? [] : yield* filterInSlices(yield* this.#removed.all(), isAbsent);
  }

  /** Makes the indexes that `RegionBefore.firstOverlap` needs. Otherwise its first call makes them, without a pause. */
  *index(): Coroutine<void> {
    for (const region of this.#regions) {
      yield* region.index();
    }
  }

  #take(step: Step): void {
    const { state } = step;
    let region = this.of(state);
    if (region === undefined) {
      region = new RegionBefore(step);
      if (this.#regions.length > 0) {
        this.#byState ??= new Map();
        this.#byState.set(state, region);
      }
      this.#regions.push(region);
    }
    region.take(step);
    if (step.kind === 'region-removed' && region.present) {
      (this.#removed ??= new RegionTable('any')).add(state);
    }
  }
}

/** What a region was before the steps of a transaction, and its mappings that the steps add and remove. */
export class RegionBefore {
  readonly state: RegionState;
  /** Whether it was in the table. */
  readonly present: boolean;
  /** The parameters with which it was mapped; `undefined` if it was not mapped. */
  visible: MapParams | undefined;
  /** Whether `visible` is from a step: the first step that changes it tells. */
  #isVisibleKnown = false;
  /** The mappings of each step that adds mappings. */
  readonly #added: (readonly RegionMapping[])[] = [];
  /** The mappings of each step that removes mappings. */
  readonly #removed: (readonly RegionMapping[])[] = [];
  /** The mappings, and the parts of mappings, that each step adds or removes. */
  readonly #edited: (readonly Ranged[])[] = [];
  #index: MappingIndex | undefined = undefined;

  /** @param first the first step of the region */
  constructor(first: Step) {
    this.state = first.state;
    this.present = first.kind !== 'region-added';
    this.visible = first.state.visible;
  }

  /** Takes note of the next step of the region. */
  take(step: Step): void {
    switch (step.kind) {
      case 'region-added':
        this.#noteVisible(undefined);
        break;
      case 'region-removed':
        this.#noteVisible(step.visible);
        break;
      case 'access-changed':
        this.#noteVisible(step.before);
        break;
      case 'mappings-added':
        this.#added.push(step.mappings);
        this.#edited.push(step.mappings);
        break;
      case 'mappings-removed':
        this.#removed.push(step.mappings);
        this.#edited.push(step.mappings);
        break;
      case 'mapping-cut':
      case 'mapping-joined':
        this.#removed.push([step.mapping]);
        this.#added.push(step.rests);
        this.#edited.push([{ range: step.part }]);
    }
  }

  /** Whether its mappings are the same as before. */
  get hasSameMappings(): boolean {
    return this.#added.length === 0 && this.#removed.length === 0;
  }

  /** Whether the steps have changed how it is mapped, or whether it is in the table. For the end of the transaction. */
  get changesVisibility(): boolean {
    return this.present !== this.state.present || this.visible !== this.state.visible;
  }

  /** The added and the removed mappings, each in the order of the steps, without those that were added and removed again. */
  *netEdits(): Coroutine<{ readonly added: readonly RegionMapping[]; readonly removed: readonly RegionMapping[] }> {
    const added = yield* joinInSlices(this.#added);
    const removed = yield* joinInSlices(this.#removed);
    if (added.length === 0 || removed.length === 0) {
      return { added, removed };
    }
    const [setOfAdded, setOfRemoved] = [yield* setOf(added), yield* setOf(removed)];
    return {
      added: yield* filterInSlices(added, (mapping) => !setOfRemoved.has(mapping)),
      removed: yield* filterInSlices(removed, (mapping) => !setOfAdded.has(mapping)),
    };
  }

  /** All mappings before the steps, in no order. */
  *mappings(): Coroutine<readonly RegionMapping[]> {
    const { mappings } = this.state;
    if (this.hasSameMappings) {
      return yield* entriesInSlices(mappings);
    }
    const { added, removed } = yield* this.index();
    // While the steps are taken back, removed mappings may be in the region again.
    const kept = yield* filterInSlices(
      yield* entriesInSlices(mappings),
      (mapping) => !added.has(mapping) && removed.startingAt(mapping.range.startPage) !== mapping,
    );
    return yield* joinInSlices([kept, yield* entriesInSlices(removed)]);
  }

  /** The addresses whose mappings may differ from before, in no order. They may overlap. */
  edited(): Coroutine<readonly Ranged[]> {
    return joinInSlices(this.#edited);
  }

  /** The mappings before the steps that share a page with `range`, in ascending order. */
  *overlappingInSlices(range: MemoryRange): Coroutine<readonly RegionMapping[]> {
    const now = yield* overlappingInSlices(this.state.mappings, range);
    if (this.hasSameMappings) {
      return now;
    }
    const { added, removed } = yield* this.index();
    // While the steps are taken back, removed mappings may be in the region again.
    const kept = yield* filterInSlices(
      now,
      (mapping) => !added.has(mapping) && removed.startingAt(mapping.range.startPage) !== mapping,
    );
    return yield* mergeInSlices(kept, yield* overlappingInSlices(removed, range));
  }

  /** The first mapping before the steps that shares a page with `range`. */
  firstOverlap(range: MemoryRange): RegionMapping | undefined {
    const { mappings } = this.state;
    if (this.hasSameMappings) {
      return mappings.firstOverlap(range);
    }
    const { added, removed } = this.#index ?? runAtOnce(this.index());
    const gone = removed.firstOverlap(range);
    const kept = mappings.overlapping(range).find((mapping) => !added.has(mapping));
    return gone === undefined || (kept !== undefined && kept.range.startPage < gone.range.startPage) ? kept : gone;
  }

  /** Makes the index of its edited mappings, once. */
  *index(): Coroutine<MappingIndex> {
    if (this.#index === undefined) {
      const added = yield* setOf(yield* joinInSlices(this.#added));
      const removed = new RangeMap<RegionMapping>();
      yield* eachInSlices(yield* joinInSlices(this.#removed), (mapping) => {
        if (!added.has(mapping)) {
          removed.insert(mapping);
        }
      });
      this.#index = { added, removed };
    }
    return this.#index;
  }

  #noteVisible(visible: MapParams | undefined): void {
    if (!this.#isVisibleKnown) {
      this.#isVisibleKnown = true;
      this.visible = visible;
    }
  }
}

interface MappingIndex {
  /** Every added mapping, also one that was removed again. */
  readonly added: ReadonlySet<RegionMapping>;
  /** The removed mappings that were there before the steps. */
  readonly removed: RangeMap<RegionMapping>;
}

function isAbsent({ present }: RegionState): boolean {
  return !present;
}

function* setOf<T>(items: readonly T[]): Coroutine<Set<T>> {
  const set = new Set<T>();
  yield* eachInSlices(items, (item) => {
    set.add(item);
  });
  return set;
}
