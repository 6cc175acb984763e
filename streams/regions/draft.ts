import { checkMapParams, checkMappingParams, checkRange, checkRegionParams } from './region-checks.js';
import type { MapChange } from '../contracts/change-set.js';
import {
  mappingCutError,
  mappingOverlapError,
  outOfRegionError,
  privateMemoryError,
  regionOverlapError,
  removedError,
  transactionEndedError,
} from './edit-errors.js';
import { EditLog } from './edit-log.js';
import { MemoryRange } from '../ranges/memory-range.js';
import { PrivateEdits, type PrivateMemory } from './private-memory.js';
import { RegionEdits } from './region-edits.js';
import { copyOfMapParams, RegionHandle, type Transact } from './region-handle.js';
import { RegionState } from './region-state.js';
import { addToTable, removeFromTable, rollback } from './rollback.js';
import { RegionTable } from './region-table.js';
import type { MapParams, MappingParams, Region, RegionEdit, RegionEvent, RegionParams } from '../contracts/region.js';
import { eachInSlices, overlappingInSlices } from '../ranges/slices.js';
import { show } from '../util/checks.js';
import { runAtOnce, type Coroutine } from '../util/coroutine.js';
import type { PendingEdits } from './pending-edits.js';

/** The parts of a manager that its drafts use. It also identifies the manager: see `RegionState.owner`. */
export interface RegionContext {
  readonly table: RegionTable;
  readonly privates: PrivateMemory;
  readonly transact: Transact;
  /** @throws DmaError if private memory cannot be added now */
  readonly checkPrivate: (region: string, range: MemoryRange) => void;
  readonly nextSequence: () => number;
}

/**
 * The edits of one transaction. Each edit is checked and then changes the regions immediately; `rollback` undoes all edits. The view ignores the
 * edits until the transaction takes effect.
 */
export class Draft implements RegionEdit, PendingEdits {
  readonly #context: RegionContext;
  /** Regions that existed before the transaction and have been removed by it. */
  removed: RegionTable | undefined = undefined;
  #privates: PrivateEdits | undefined = undefined;
  readonly #edits: RegionEdits[] = [];
  #byState: Map<RegionState, RegionEdits> | undefined = undefined;
  readonly #log = new EditLog();
  #ended = false;

  constructor(context: RegionContext) {
    this.#context = context;
  }

  /** The edits of each edited region. */
  get edits(): readonly RegionEdits[] {
    return this.#edits;
  }

  /** The edits of private memory; `undefined` if there are none. */
  get privates(): PrivateEdits | undefined {
    return this.#privates;
  }

  /** Ends the transaction: further edits are refused with `ERR_TRANSACTION_ENDED`. */
  end(): void {
    this.#ended = true;
  }

  /** The edits as events, in order. */
  events(): Iterable<RegionEvent> {
    return this.#log.events();
  }

  /** The edits of a region. */
  editOf(state: RegionState): RegionEdits | undefined {
    const first = this.#edits[0];
    return first?.state === state ? first : this.#byState?.get(state);
  }

  /** Undoes all edits. */
  rollback(): Coroutine<void> {
    return rollback(this.#edits, this.#context.table, this.removed);
  }

  addRegion(params: RegionParams): Region {
    this.#checkOpen();
    checkRegionParams(params);
    const { name, range, type, priority = 0 } = params;
    const existing = this.#context.table.conflict(range, priority);
    if (existing !== undefined) {
      throw regionOverlapError(params, priority, existing);
    }
    const context = this.#context;
    const state = new RegionState({ name, range, priority, type, sequence: context.nextSequence(), owner: context });
    this.#editsOf(state);
    addToTable(this.#context.table, state);
    this.#log.record({ kind: 'region-added', region: name, range, priority, type });
    return new RegionHandle(state, this.#context.transact);
  }

  removeRegion(region: Region): void {
    runAtOnce(this.removeRegionInSlices(region));
  }

  /** Like `removeRegion`, with pauses for the event loop. */
  *removeRegionInSlices(region: Region): Coroutine<void> {
    this.#checkOpen();
    const state = this.#stateOf(region);
    if (!state.present) {
      return;
    }
    const { presentBefore } = this.#editsOf(state);
    removeFromTable(this.#context.table, state);
    if (presentBefore) {
      (this.removed ??= new RegionTable()).add(state);
    }
    state.visible = undefined;
    // The mappings of private memory stay in the region, but no longer reserve their addresses.
    yield* eachInSlices((this.#privates ?? this.#context.privates).overlapping(state.range), (mapping) => {
      if (state.mappings.startingAt(mapping.range.startPage) === mapping) {
        this.#editedPrivates().remove(mapping);
      }
    });
    const { name, range, priority, type } = state;
    this.#log.record({ kind: 'region-removed', region: name, range, priority, type });
  }

  map(region: Region, params: MapParams): void {
    this.#checkOpen();
    const state = this.#checkedStateOf(region);
    checkMapParams(params, state.name);
    if (state.visible !== undefined && sameParams(state.visible, params)) {
      return;
    }
    const copy = copyOfMapParams(params);
    this.#setVisible(state, copy);
    this.#log.record({ kind: 'region-mapped', region: state.name, params: copy });
  }

  unmap(region: Region): void {
    this.#checkOpen();
    const state = this.#checkedStateOf(region);
    if (state.visible === undefined) {
      return;
    }
    this.#setVisible(state, undefined);
    this.#log.record({ kind: 'region-unmapped', region: state.name });
  }

  addMapping(region: Region, params: MappingParams): void {
    this.#checkOpen();
    const state = this.#checkedStateOf(region);
    const backing = checkMappingParams(params, state.name);
    const range = guestRangeOf(state, params.rangeInRegion);
    if (backing === 'private') {
      this.#context.checkPrivate(state.name, range);
      const [other] = this.#editedPrivates().overlapping(range);
      if (other !== undefined) {
        throw privateMemoryError(state.name, range, other);
      }
    }
    const mapping: MapChange = { range, region: state.name, type: state.type, writable: params.writable, backing };
    const existing = state.mappings.insert(mapping);
    if (existing !== undefined) {
      throw mappingOverlapError(state.name, range, existing);
    }
    if (backing === 'private') {
      this.#editedPrivates().add(mapping);
    }
    this.#log.recordMapping(this.#editsOf(state), mapping, 'mapping-added');
  }

  removeMappings(region: Region, rangeInRegion: MemoryRange): void {
    const found = this.#removeExact(region, rangeInRegion);
    if (found !== undefined) {
      runAtOnce(this.#removeAll(found));
    }
  }

  /** Like `removeMappings`, with pauses for the event loop. */
  removeMappingsInSlices(region: Region, rangeInRegion: MemoryRange): Coroutine<void> | undefined {
    const found = this.#removeExact(region, rangeInRegion);
    return found === undefined ? undefined : this.#removeAll(found);
  }

  /** Removes the mapping at exactly this range. If there is none, returns the range in which to search for mappings. */
  #removeExact(region: Region, rangeInRegion: MemoryRange): RegionPart | undefined {
    this.#checkOpen();
    const state = this.#checkedStateOf(region);
    checkRange(rangeInRegion, `rangeInRegion of region "${state.name}"`);
    const range = guestRangeOf(state, rangeInRegion);
    const exact = state.mappings.removeExact(range);
    if (exact !== undefined) {
      this.#recordRemoved(state, exact);
      return undefined;
    }
    return { state, range };
  }

  *#removeAll({ state, range }: RegionPart): Coroutine<void> {
    const found = yield* overlappingInSlices(state.mappings, range);
    yield* eachInSlices(found, (mapping) => {
      if (!range.contains(mapping.range)) {
        throw mappingCutError(state.name, range, mapping);
      }
    });
    yield* eachInSlices(found, (mapping) => {
      state.mappings.remove(mapping.range);
      this.#recordRemoved(state, mapping);
    });
  }

  #recordRemoved(state: RegionState, mapping: MapChange): void {
    if (mapping.backing === 'private') {
      this.#editedPrivates().remove(mapping);
    }
    this.#log.recordMapping(this.#editsOf(state), mapping, 'mapping-removed');
  }

  #setVisible(state: RegionState, visible: MapParams | undefined): void {
    this.#editsOf(state);
    state.visible = visible;
  }

  #editedPrivates(): PrivateEdits {
    return (this.#privates ??= new PrivateEdits(this.#context.privates));
  }

  /** The edits of a region. Must be called before the first change of the region. */
  #editsOf(state: RegionState): RegionEdits {
    const known = this.editOf(state);
    if (known !== undefined) {
      return known;
    }
    const edits = new RegionEdits(state);
    if (this.#edits.length > 0) {
      this.#byState ??= new Map();
      this.#byState.set(state, edits);
    }
    this.#edits.push(edits);
    return edits;
  }

  #stateOf(region: unknown): RegionState {
    const state = RegionHandle.stateOf(region);
    if (state?.owner !== this.#context) {
      throw new TypeError(`${show(region)} is not a region of this manager: use one that its addRegion returned`);
    }
    return state;
  }

  #checkedStateOf(region: unknown): RegionState {
    const state = this.#stateOf(region);
    if (!state.present) {
      throw removedError(state);
    }
    return state;
  }

  #checkOpen(): void {
    if (this.#ended) {
      throw transactionEndedError();
    }
  }
}

/** A part of a region, in guest physical addresses. */
interface RegionPart {
  readonly state: RegionState;
  readonly range: MemoryRange;
}

/** Converts offsets in a region to guest physical addresses. */
function guestRangeOf(state: RegionState, rangeInRegion: MemoryRange): MemoryRange {
  const { startPage, endPage } = state.range;
  if (rangeInRegion.endPage > endPage - startPage) {
    throw outOfRegionError(state, rangeInRegion);
  }
  return startPage === 0
    ? rangeInRegion
    : MemoryRange.ofPages(startPage + rangeInRegion.startPage, startPage + rangeInRegion.endPage);
}

/** Whether the parameters are the same. An absent flag is `false`. */
function sameParams(a: MapParams, b: MapParams): boolean {
  return (
    a.writable === b.writable &&
    (a.executable ?? false) === (b.executable ?? false) &&
    (a.prefetch ?? false) === (b.prefetch ?? false)
  );
}
