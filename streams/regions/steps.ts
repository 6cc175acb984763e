import type { MapParams, RegionEvent } from '../contracts/region.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { Coroutine } from '../util/coroutine.js';
import { EMPTY_LIST } from '../util/lists.js';
import { pauseIfOver } from '../util/time-slice.js';
import type { RegionMapping, RegionState } from './region-state.js';
import type { RegionTable } from './region-table.js';
import { StateBefore } from './state-before.js';
import {
  applyStep,
  inverseOf,
  type AccessStep,
  type CutStep,
  type MappingsStep,
  type RegionStep,
  type Step,
} from './step.js';

/**
 * The steps of one transaction, in order. Each method changes the regions and records the step. The list serves the rollback, which applies the
 * inverse steps backwards, the events, and the state before the steps, from which the difference is computed.
 *
 * Mappings that are added to the same region one after the other are one step, and so are mappings that are removed.
 */
export class Steps {
  readonly #table: RegionTable;
  // Most transactions have one step: the list is made for it.
  #list: readonly Step[] = EMPTY_LIST;
  /** The last step, if it is of mappings. */
  #extendable: MappingsStep | undefined = undefined;
  #before: StateBefore | undefined = undefined;

  constructor(table: RegionTable) {
    this.#table = table;
  }

  /** In order. The mappings of the last step may still become more. */
  get list(): readonly Step[] {
    return this.#list;
  }

  addRegion(state: RegionState): void {
    this.#apply({ kind: 'region-added', state, visible: undefined });
  }

  removeRegion(state: RegionState): void {
    this.#apply({ kind: 'region-removed', state, visible: state.visible });
  }

  /** @param params `undefined` to unmap the region */
  changeAccess(state: RegionState, params: MapParams | undefined): void {
    this.#apply({ kind: 'access-changed', state, before: state.visible, after: params });
  }

  /** Adds a mapping. If it overlaps others, changes nothing, and returns one of them. */
  addMapping(state: RegionState, mapping: RegionMapping): RegionMapping | undefined {
    const existing = state.mappings.insert(mapping);
    if (existing === undefined) {
      state.hasGranules ||= mapping.granule !== undefined;
      this.#recordMapping('mappings-added', state, mapping);
    }
    return existing;
  }

  /** Removes the mapping at exactly this range, and returns it; `undefined` if there is none. */
  removeMapping(state: RegionState, range: MemoryRange): RegionMapping | undefined {
    const removed = state.mappings.removeExact(range);
    if (removed !== undefined) {
      this.#recordMapping('mappings-removed', state, removed);
    }
    return removed;
  }

  /** Removes a part of a mapping. `rests` are what stays of it. */
  cutMapping(state: RegionState, mapping: RegionMapping, part: MemoryRange, rests: readonly RegionMapping[]): void {
    this.#apply({ kind: 'mapping-cut', state, mapping, part, rests });
  }

  /** Takes all steps back. During the pauses, `before` is still the state before the steps. */
  *undo(): Coroutine<void> {
    for (let index = this.#list.length - 1; index >= 0; index--) {
      const applying = applyStep(this.#table, inverseOf(this.#list[index] as Step));
      if (applying !== undefined) {
        yield* applying;
      }
      const pause = pauseIfOver();
      if (pause !== undefined) {
        yield pause;
      }
    }
  }

  /** The steps as events. */
  *events(): Iterable<RegionEvent> {
    for (const step of this.#list) {
      const { name: region, range, priority, type } = step.state;
      switch (step.kind) {
        case 'region-added':
        case 'region-removed':
          yield { kind: step.kind, region, range, priority, type };
          break;
        case 'access-changed':
          yield step.after === undefined
            ? { kind: 'region-unmapped', region }
            : { kind: 'region-mapped', region, params: step.after };
          break;
        case 'mappings-added':
        case 'mappings-removed': {
          const kind = step.kind === 'mappings-added' ? 'mapping-added' : 'mapping-removed';
          for (const mapping of step.mappings) {
            yield { kind, region, range: mapping.range, writable: mapping.writable };
          }
          break;
        }
        case 'mapping-cut':
        case 'mapping-joined': {
          const kind = step.kind === 'mapping-cut' ? 'mapping-removed' : 'mapping-added';
          yield { kind, region, range: step.part, writable: step.mapping.writable };
        }
      }
    }
  }

  /** The state of the regions before the steps. It is made at the first call, and again after further steps. */
  *before(): Coroutine<StateBefore> {
    return (this.#before ??= yield* StateBefore.of(this.#list));
  }

  #apply(step: RegionStep | AccessStep | CutStep): void {
    applyStep(this.#table, step);
    this.#record(step);
    this.#extendable = undefined;
  }

  #recordMapping(kind: MappingsStep['kind'], state: RegionState, mapping: RegionMapping): void {
    const last = this.#extendable;
    if (last?.kind === kind && last.state === state) {
      (last.mappings as RegionMapping[]).push(mapping);
      this.#before = undefined;
      return;
    }
    const step: MappingsStep = { kind, state, mappings: [mapping] };
    this.#record(step);
    this.#extendable = step;
  }

  #record(step: Step): void {
    if (this.#list === EMPTY_LIST) {
      this.#list = [step];
    } else {
      (this.#list as Step[]).push(step);
    }
    this.#before = undefined;
  }
}
