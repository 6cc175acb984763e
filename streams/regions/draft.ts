import { checkMapParams, checkMappingParams, checkRange, checkRegionParams } from './region-checks.js';
import type { MapChange } from '../contracts/change-set.js';
import { occupiedError, overlapError } from './edit-errors.js';
import { EditLog } from './edit-log.js';
import { DmaError } from '../contracts/errors.js';
import { MemoryRange } from '../ranges/memory-range.js';
import { PrivateEdits, type PrivateMemory } from './private-memory.js';
import type { RangeMap } from '../ranges/range-map.js';
import { RegionEdits } from './region-edits.js';
import { copyOfMapParams, RegionHandle, type Transact } from './region-handle.js';
import { RegionState } from './region-state.js';
import { RegionTable } from './region-table.js';
import type { MapParams, MappingParams, Region, RegionEdit, RegionEvent, RegionParams } from '../contracts/region.js';
import { eachInSlices, overlappingInSlices } from '../ranges/slices.js';
import { show } from '../util/checks.js';
import { runAtOnce, type Coroutine } from '../util/coroutine.js';
import type { PendingEdits } from './pending-edits.js';

/** What a draft works on: the manager's regions and rules. Its regions are known by it. */
export interface RegionContext {
  readonly table: RegionTable;
  readonly privates: PrivateMemory;
  readonly transact: Transact;
  /** @throws DmaError when private memory cannot be had now */
  readonly checkPrivate: (region: string, range: MemoryRange) => void;
  readonly nextSequence: () => number;
}

/**
 * The edits of one transaction. Each is checked, then done to the regions at once; `rollback` takes all of them back. The view
 * knows nothing of it until the difference is computed.
 */
export class Draft implements RegionEdit, PendingEdits {
  readonly #context: RegionContext;
  /** Regions that were there before, and have been removed. */
  removed: RegionTable | undefined = undefined;
  #privates: PrivateEdits | undefined = undefined;
  readonly #edits: RegionEdits[] = [];
  #byState: Map<RegionState, RegionEdits> | undefined = undefined;
  readonly #log = new EditLog();
  #ended = false;

  constructor(ground: RegionContext) {
    this.#context = ground;
  }

  /** The regions that were touched. */
  get edits(): readonly RegionEdits[] {
    return this.#edits;
  }

  /** What was done to private memory; `undefined` when nothing was. */
  get privates(): PrivateEdits | undefined {
    return this.#privates;
  }

  /** From now on every edit is refused. */
  end(): void {
    this.#ended = true;
  }

  /** What was done, in the order of the edits. */
  events(): Iterable<RegionEvent> {
    return this.#log.events();
  }

  /** What was done to a region. */
  editOf(state: RegionState): RegionEdits | undefined {
    const first = this.#edits[0];
    return first?.state === state ? first : this.#byState?.get(state);
  }

  /** Takes every edit back: first away what has come, then back what has gone. The view looks past it until it is told that it is done. */
  *rollback(): Coroutine<void> {
    const fresh = new Set<MapChange>();
    for (const edit of this.#edits) {
      const { state } = edit;
      yield* eachInSlices(edit.added, (mapping) => {
        fresh.add(mapping);
        takeOut(state.mappings, mapping);
      });
      state.visible = edit.visibleBefore;
      if (state.present && !edit.presentBefore) {
        this.#remove(state);
      }
    }
    for (const edit of this.#edits) {
      const { state } = edit;
      if (edit.presentBefore && !state.present) {
        this.removed?.remove(state);
        this.#insert(state);
      }
      yield* eachInSlices(edit.removed, (mapping) => {
        if (!fresh.has(mapping)) {
          state.mappings.insert(mapping);
        }
      });
    }
  }

  addRegion(params: RegionParams): Region {
    this.#checkOpen();
    checkRegionParams(params);
    const { name, range, type, priority = 0 } = params;
    const existing = this.#context.table.conflict(range, priority);
    if (existing !== undefined) {
      throw overlapError(params, priority, existing);
    }
    const ground = this.#context;
    const state = new RegionState({ name, range, priority, type, sequence: ground.nextSequence(), owner: ground });
    this.#editsOf(state);
    this.#insert(state);
    this.#log.record({ kind: 'region-added', region: name, range, priority, type });
    return new RegionHandle(state, this.#context.transact);
  }

  removeRegion(region: Region): void {
    runAtOnce(this.removeRegionInSlices(region));
  }

  /** The same as a command of its own, which may let the event loop go on. */
  *removeRegionInSlices(region: Region): Coroutine<void> {
    this.#checkOpen();
    const state = this.#stateOf(region);
    if (!state.present) {
      return;
    }
    const { presentBefore } = this.#editsOf(state);
    this.#remove(state);
    if (presentBefore) {
      (this.removed ??= new RegionTable()).add(state);
    }
    state.visible = undefined;
    // Private memory stays in its region, but owns its addresses no longer.
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
    const state = this.#present(region);
    checkMapParams(params, state.name);
    if (state.visible !== undefined && sameParams(state.visible, params)) {
      return;
    }
    const copy = copyOfMapParams(params);
    this.#show(state, copy);
    this.#log.record({ kind: 'region-mapped', region: state.name, params: copy });
  }

  unmap(region: Region): void {
    this.#checkOpen();
    const state = this.#present(region);
    if (state.visible === undefined) {
      return;
    }
    this.#show(state, undefined);
    this.#log.record({ kind: 'region-unmapped', region: state.name });
  }

  addMapping(region: Region, params: MappingParams): void {
    this.#checkOpen();
    const state = this.#present(region);
    const backing = checkMappingParams(params, state.name);
    const range = inRegion(state, params.rangeInRegion);
    if (backing === 'private') {
      this.#context.checkPrivate(state.name, range);
      const [other] = this.#editedPrivates().overlapping(range);
      if (other !== undefined) {
        throw occupiedError(state.name, range, other);
      }
    }
    const mapping: MapChange = { range, region: state.name, type: state.type, writable: params.writable, backing };
    const existing = state.mappings.insert(mapping);
    if (existing !== undefined) {
      throw new DmaError(`the mapping overlaps ${existing.range.toString()}, which is already there`, {
        code: 'ERR_MAPPING_OVERLAP',
        region: state.name,
        range,
        hint: `remove ${existing.range.toString()} first, in the same transaction if both are to change at once`,
      });
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

  /** The same as a command of its own, which may let the event loop go on. */
  removeMappingsInSlices(region: Region, rangeInRegion: MemoryRange): Coroutine<void> | undefined {
    const found = this.#removeExact(region, rangeInRegion);
    return found === undefined ? undefined : this.#removeAll(found);
  }

  /** Removes the mapping at exactly this range. Where there is none, it returns the place to look for several. */
  #removeExact(region: Region, rangeInRegion: MemoryRange): RegionPart | undefined {
    this.#checkOpen();
    const state = this.#present(region);
    checkRange(rangeInRegion, `rangeInRegion of region "${state.name}"`);
    const range = inRegion(state, rangeInRegion);
    const exact = state.mappings.removeExact(range);
    if (exact !== undefined) {
      this.#noteRemoved(state, exact);
      return undefined;
    }
    return { state, range };
  }

  *#removeAll({ state, range }: RegionPart): Coroutine<void> {
    const found = yield* overlappingInSlices(state.mappings, range);
    yield* eachInSlices(found, (mapping) => {
      if (!range.contains(mapping.range)) {
        throw new DmaError(`the range cuts the mapping ${mapping.range.toString()}`, {
          code: 'ERR_MAPPING_CUT',
          region: state.name,
          range,
          hint: `remove ${mapping.range.toString()} whole, then add the part that is to stay`,
        });
      }
    });
    yield* eachInSlices(found, (mapping) => {
      state.mappings.remove(mapping.range);
      this.#noteRemoved(state, mapping);
    });
  }

  #noteRemoved(state: RegionState, mapping: MapChange): void {
    if (mapping.backing === 'private') {
      this.#editedPrivates().remove(mapping);
    }
    this.#log.recordMapping(this.#editsOf(state), mapping, 'mapping-removed');
  }

  #show(state: RegionState, visible: MapParams | undefined): void {
    this.#editsOf(state);
    state.visible = visible;
  }

  #editedPrivates(): PrivateEdits {
    return (this.#privates ??= new PrivateEdits(this.#context.privates));
  }

  #insert(state: RegionState): void {
    this.#context.table.add(state);
    state.present = true;
  }

  #remove(state: RegionState): void {
    this.#context.table.remove(state);
    state.present = false;
  }

  /** To be called before the first change of a region. */
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

  #present(region: unknown): RegionState {
    const state = this.#stateOf(region);
    if (!state.present) {
      throw new DmaError(`region "${state.name}" has been removed`, {
        code: 'ERR_REGION_REMOVED',
        region: state.name,
        range: state.range,
        hint: 'add a region again with addRegion',
      });
    }
    return state;
  }

  #checkOpen(): void {
    if (this.#ended) {
      throw new DmaError('the transaction has ended', {
        code: 'ERR_TRANSACTION_ENDED',
        hint: 'use `edit` only inside the function that it was given to, and synchronously',
      });
    }
  }
}

/** Mappings of a region in a range, which is in guest physical addresses. */
interface RegionPart {
  readonly state: RegionState;
  readonly range: MemoryRange;
}

/** Takes out this mapping; another one that starts there stays. */
function takeOut(map: RangeMap<MapChange>, mapping: MapChange): void {
  if (map.startingAt(mapping.range.startPage) === mapping) {
    map.remove(mapping.range);
  }
}

/** Guest physical addresses of a part of a region. */
function inRegion(state: RegionState, rangeInRegion: MemoryRange): MemoryRange {
  const { startPage, endPage } = state.range;
  if (rangeInRegion.endPage > endPage - startPage) {
    throw new DmaError(
      `${rangeInRegion.toString()} reaches out of region "${state.name}", which is 0x${state.range.length.toString(16)} bytes long`,
      {
        code: 'ERR_OUT_OF_REGION',
        region: state.name,
        range: rangeInRegion,
        hint: 'ranges of mappings are relative to the start of their region',
      },
    );
  }
  return startPage === 0
    ? rangeInRegion
    : MemoryRange.ofPages(startPage + rangeInRegion.startPage, startPage + rangeInRegion.endPage);
}

/** The same as far as anybody could tell. */
function sameParams(a: MapParams, b: MapParams): boolean {
  return (
    a.writable === b.writable &&
    (a.executable ?? false) === (b.executable ?? false) &&
    (a.prefetch ?? false) === (b.prefetch ?? false)
  );
}
