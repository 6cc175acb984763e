import type { MapChange } from '../contracts/change-set.js';
import type {
  MapParams,
  MappingParams,
  RamParams,
  Region,
  RegionEdit,
  RegionEvent,
  RegionParams,
} from '../contracts/region.js';
import { partsOutside, type MemoryRange } from '../ranges/memory-range.js';
import { eachInSlices, overlappingInSlices } from '../ranges/slices.js';
import { show } from '../util/checks.js';
import { runAtOnce, type Coroutine } from '../util/coroutine.js';
import { mayCut } from './granules.js';
import { partOf } from './pieces.js';
import { ramOf } from './ram-params.js';
import {
  mappingCutError,
  mappingOverlapError,
  privateMemoryError,
  regionOverlapError,
  removedError,
  transactionEndedError,
  transparentHolesError,
} from './edit-errors.js';
import { PrivateEdits, type PrivateMemory } from './private-memory.js';
import { checkOpen, checkRegionParams, mapParamsOf, mappingOf, rangeToRemove, sameParams } from './region-checks.js';
import { RegionHandle, type RegionCommandEdit, type Transact } from './region-handle.js';
import { RegionState, type RegionMapping } from './region-state.js';
import type { RegionTable } from './region-table.js';
import { Steps } from './steps.js';
import { printable } from '../util/printing.js';

/** The parts of a manager that its drafts use. It also identifies the manager: see `RegionState.owner`. */
export interface RegionContext {
  readonly table: RegionTable;
  readonly privates: PrivateMemory;
  readonly transact: Transact;
  /** @throws DmaError if private memory cannot be added now */
  readonly checkPrivate: (region: string, range: MemoryRange) => void;
  readonly nextSequence: () => number;
  /** The parts of the mappings of a region that show, as of the last command that took effect. */
  readonly activeMappings: (state: RegionState) => readonly MapChange[];
  /** How a region is mapped, as of the last command that took effect. */
  readonly mapped: (state: RegionState) => MapParams | undefined;
}

interface GranularMapping {
  readonly state: RegionState;
  readonly mapping: RegionMapping;
}

/**
 * The edits of one transaction. Each edit is checked and then changes the regions immediately, as a step that `rollback` takes back. The view ignores
 * the steps until the transaction takes effect.
 *
 * The edits of users have regions and parameters, which are checked first. Those of `RegionCommandEdit` have what these checks have made of them.
 */
export class Draft implements RegionEdit, RegionCommandEdit {
  readonly steps: Steps;
  /** Whether a region was added or removed. */
  changesRegions = false;
  readonly #context: RegionContext;
  #privates: PrivateEdits | undefined = undefined;
  #granular: GranularMapping[] | undefined = undefined;
  #ended = false;

  constructor(context: RegionContext) {
    this.#context = context;
    this.steps = new Steps(context.table);
  }

  /** The edits of private memory; `undefined` if there are none. */
  get privates(): PrivateEdits | undefined {
    return this.#privates;
  }

  /** The mappings with a granule that were added and are still there; `undefined` if none was added. */
  get granular(): readonly RegionMapping[] | undefined {
    return this.#granular
      ?.filter(({ state, mapping }) => state.present && state.mappings.startingAt(mapping.range.startPage) === mapping)
      .map(({ mapping }) => mapping);
  }

  /** Ends the transaction: further edits are refused with `ERR_TRANSACTION_ENDED`. */
  end(): void {
    this.#ended = true;
  }

  /** The edits as events, in order. */
  events(): Iterable<RegionEvent> {
    return this.steps.events();
  }

  /** Takes back all edits. */
  rollback(): Coroutine<void> {
    return this.steps.undo();
  }

  addRegion(params: RegionParams): Region {
    this.#checkOpen();
    return this.#insertRegion(this.#stateFor(params));
  }

  /** Everything is checked before the first of the three steps. */
  addRam(params: RamParams): Region {
    this.#checkOpen();
    const ram = ramOf(params);
    const state = this.#stateFor(ram.region);
    const mapping = mappingOf(ram.mapping, state);
    const access = mapParamsOf(ram.access, state.name);
    this.#checkBacking(mapping);
    const region = this.#insertRegion(state);
    this.insertMapping(state, mapping, true);
    this.changeAccess(state, access);
    return region;
  }

  removeRegion(region: Region): void {
    runAtOnce(this.removeState(this.#stateOf(region)));
  }

  map(region: Region, params: MapParams): void {
    const state = this.#presentStateOf(region);
    this.changeAccess(state, mapParamsOf(params, state.name));
  }

  unmap(region: Region): void {
    this.changeAccess(this.#stateOf(region), undefined);
  }

  addMapping(region: Region, params: MappingParams): void {
    const state = this.#presentStateOf(region);
    this.insertMapping(state, mappingOf(params, state));
  }

  removeMappings(region: Region, rangeInRegion: MemoryRange): void {
    const state = this.#presentStateOf(region);
    const removing = this.removeMappingsIn(state, rangeToRemove(rangeInRegion, state));
    if (removing !== undefined) {
      runAtOnce(removing);
    }
  }

  *removeState(state: RegionState): Coroutine<void> {
    if (!state.present) {
      return;
    }
    this.steps.removeRegion(state);
    this.changesRegions = true;
    // The mappings of private memory stay in the region, but no longer reserve their addresses.
    yield* eachInSlices((this.#privates ?? this.#context.privates).overlapping(state.range), (mapping) => {
      if (state.mappings.startingAt(mapping.range.startPage) === mapping) {
        this.#editedPrivates().remove(mapping);
      }
    });
  }

  changeAccess(state: RegionState, params: MapParams | undefined): void {
    checkPresent(state);
    if (!sameParams(state.visible, params)) {
      this.steps.changeAccess(state, params);
    }
  }

  /** One function: a call of another one would be 40 instructions of the 3,500 that a change may take. */
  insertMapping(state: RegionState, mapping: RegionMapping, isChecked = false): void {
    checkPresent(state);
    if (!isChecked) {
      this.#checkBacking(mapping);
    }
    const existing = this.steps.addMapping(state, mapping);
    if (existing !== undefined) {
      throw mappingOverlapError(state.name, mapping.range, existing);
    }
    // See `mappingOf`.
    if (typeof mapping.backing === 'string') {
      this.#editedPrivates().add(mapping);
    } else if (mapping.granule !== undefined) {
      (this.#granular ??= []).push({ state, mapping });
    }
  }

  removeMappingsIn(state: RegionState, range: MemoryRange): Coroutine<void> | undefined {
    checkPresent(state);
    const exact = this.steps.removeMapping(state, range);
    if (exact === undefined) {
      return this.#removeAllIn(state, range);
    }
    this.#noteRemoved(exact);
    return undefined;
  }

  *#removeAllIn(state: RegionState, range: MemoryRange): Coroutine<void> {
    const found = yield* overlappingInSlices(state.mappings, range);
    yield* eachInSlices(found, (mapping) => {
      if (!mayCut(mapping, range)) {
        throw mappingCutError(state.name, range, mapping);
      }
    });
    yield* eachInSlices(found, (mapping) => {
      if (range.contains(mapping.range)) {
        this.steps.removeMapping(state, mapping.range);
        this.#noteRemoved(mapping);
      } else {
        const part = mapping.range.intersection(range) as MemoryRange;
        const rests = partsOutside(mapping.range, range).map((rest) => partOf(mapping, rest));
        this.steps.cutMapping(state, mapping, part, rests);
        for (const rest of rests) {
          this.#granular?.push({ state, mapping: rest });
        }
      }
    });
  }

  #noteRemoved(mapping: MapChange): void {
    if (typeof mapping.backing === 'string') {
      this.#editedPrivates().remove(mapping);
    }
  }

  /** The state of a region that can be added. */
  #stateFor(params: RegionParams): RegionState {
    checkRegionParams(params);
    const { range, priority = 0 } = params;
    if (params.holes === 'transparent' && this.#context.table.rule !== 'any') {
      throw transparentHolesError(params);
    }
    const existing = this.#context.table.conflict(range, priority);
    if (existing !== undefined) {
      throw regionOverlapError(params, priority, existing);
    }
    const context = this.#context;
    return new RegionState({ ...params, priority, sequence: context.nextSequence(), owner: context });
  }

  #insertRegion(state: RegionState): Region {
    this.steps.addRegion(state);
    this.changesRegions = true;
    return new RegionHandle(state, this.#context);
  }

  #checkBacking({ region, range, backing }: MapChange): void {
    if (typeof backing !== 'string') {
      checkOpen(backing.mappable);
      return;
    }
    this.#context.checkPrivate(region, range);
    const [other] = this.#editedPrivates().overlapping(range);
    if (other !== undefined) {
      throw privateMemoryError(region, range, other);
    }
  }

  #editedPrivates(): PrivateEdits {
    return (this.#privates ??= new PrivateEdits(this.#context.privates));
  }

  /** The state of a region of this manager, for an edit of an open transaction. */
  #stateOf(region: unknown): RegionState {
    this.#checkOpen();
    const state = RegionHandle.stateOf(region);
    if (state?.owner !== this.#context) {
      throw new TypeError(`${show(region)} is not a region of this manager: use one that its addRegion returned`);
    }
    return state;
  }

  #presentStateOf(region: unknown): RegionState {
    const state = this.#stateOf(region);
    checkPresent(state);
    return state;
  }

  #checkOpen(): void {
    if (this.#ended) {
      throw transactionEndedError();
    }
  }
}

printable(
  Draft,
  ({ steps }) => ({ edits: Array.from(steps.events(), ({ kind, region }) => `${kind} ${region}`) }),
  'RegionEdit',
);

/** @throws DmaError `ERR_REGION_REMOVED` */
function checkPresent(state: RegionState): void {
  if (!state.present) {
    throw removedError(state);
  }
}
