import type { MapParams } from '../contracts/region.js';
import { eachInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { RegionMapping, RegionState } from './region-state.js';
import type { RegionTable } from './region-table.js';

/** One change of the regions. It has all that is needed to apply it, and to apply its inverse. */
export type Step = RegionStep | AccessStep | MappingsStep | CutStep;

/** A region is added to the table, or removed from it. Only a removed region may be mapped: `visible` is how. */
export interface RegionStep {
  readonly kind: 'region-added' | 'region-removed';
  readonly state: RegionState;
  readonly visible: MapParams | undefined;
}

/** A region is mapped, mapped with other parameters, or unmapped: `undefined` stands for a region that is not mapped. */
export interface AccessStep {
  readonly kind: 'access-changed';
  readonly state: RegionState;
  readonly before: MapParams | undefined;
  readonly after: MapParams | undefined;
}

/** Mappings are added to a region, or removed from it, one after the other. */
export interface MappingsStep {
  readonly kind: 'mappings-added' | 'mappings-removed';
  readonly state: RegionState;
  readonly mappings: readonly RegionMapping[];
}

/** A part of a mapping is removed, or added again. The rests are the mappings beside it, which continue the same memory. */
export interface CutStep {
  readonly kind: 'mapping-cut' | 'mapping-joined';
  readonly state: RegionState;
  readonly mapping: RegionMapping;
  readonly part: MemoryRange;
  readonly rests: readonly RegionMapping[];
}

/**
 * Applies a step to the regions.
 *
 * @returns the rest of the work, with pauses for the event loop; only for steps of mappings
 */
export function applyStep(table: RegionTable, step: Step): Coroutine<void> | undefined {
  const { state } = step;
  switch (step.kind) {
    case 'region-added':
      table.add(state);
      state.present = true;
      state.visible = step.visible;
      return undefined;
    case 'region-removed':
      table.remove(state);
      state.present = false;
      state.visible = undefined;
      return undefined;
    case 'access-changed':
      state.visible = step.after;
      return undefined;
    case 'mappings-added':
      return eachInSlices(step.mappings, (mapping) => {
        state.mappings.insert(mapping);
      });
    case 'mappings-removed':
      return eachInSlices(step.mappings, (mapping) => {
        state.mappings.remove(mapping.range);
      });
    case 'mapping-cut':
      state.mappings.remove(step.mapping.range);
      for (const rest of step.rests) {
        state.mappings.insert(rest);
      }
      return undefined;
    case 'mapping-joined':
      for (const rest of step.rests) {
        state.mappings.remove(rest.range);
      }
      state.mappings.insert(step.mapping);
      return undefined;
  }
}

/** The step that takes a step back, when it is applied to the regions after that step. */
export function inverseOf(step: Step): Step {
  switch (step.kind) {
    case 'region-added':
      return { kind: 'region-removed', state: step.state, visible: step.visible };
    case 'region-removed':
      return { kind: 'region-added', state: step.state, visible: step.visible };
    case 'access-changed':
      return { kind: 'access-changed', state: step.state, before: step.after, after: step.before };
    case 'mappings-added':
      return { kind: 'mappings-removed', state: step.state, mappings: step.mappings };
    case 'mappings-removed':
      return { kind: 'mappings-added', state: step.state, mappings: step.mappings };
    case 'mapping-cut':
      return { ...step, kind: 'mapping-joined' };
    case 'mapping-joined':
      return { ...step, kind: 'mapping-cut' };
  }
}
