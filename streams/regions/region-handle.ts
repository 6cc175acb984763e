import type { MapChange } from '../contracts/change-set.js';
import type { MappingType } from '../contracts/backing.js';
import type { MapParams, MappingParams, Region } from '../contracts/region.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { Coroutine } from '../util/coroutine.js';
import { removedError } from './edit-errors.js';
import { mapParamsOf, mappingOf, rangeToRemove } from './region-checks.js';
import type { RegionMapping, RegionState } from './region-state.js';

/**
 * The edits of the commands of a region. Their arguments have been checked; what depends on the state of the regions is checked here. Those that may
 * take long return the rest of their work, with pauses for the event loop.
 *
 * Each throws `ERR_REGION_REMOVED` for a region that has been removed, except for `removeState`.
 */
export interface RegionCommandEdit {
  /** @param params `undefined` to unmap the region */
  changeAccess(state: RegionState, params: MapParams | undefined): void;
  /** @param mapping is kept, and becomes part of the change set */
  insertMapping(state: RegionState, mapping: RegionMapping): void;
  /** @param range guest physical addresses */
  removeMappingsIn(state: RegionState, range: MemoryRange): Coroutine<void> | undefined;
  removeState(state: RegionState): Coroutine<void>;
}

/** Puts a command of a region into the queue of its manager. */
export type Transact = (work: (edit: RegionCommandEdit) => Coroutine<void> | undefined) => Promise<void>;

/** The parts of a manager that the commands of its regions use. */
export interface RegionCommands {
  readonly transact: Transact;
  /** A copy of the parts of the mappings of a region that show. */
  readonly activeMappings: (state: RegionState) => readonly MapChange[];
  /** How a region is mapped, as of the last command that took effect. */
  readonly mapped: (state: RegionState) => MapParams | undefined;
}

/** The region object of users. Each command is a transaction of one edit. */
export class RegionHandle implements Region {
  readonly #state: RegionState;
  readonly #commands: RegionCommands;

  constructor(state: RegionState, commands: RegionCommands) {
    this.#state = state;
    this.#commands = commands;
    state.handle = this;
  }

  /** The state of a region; `undefined` for other objects. */
  static stateOf(region: unknown): RegionState | undefined {
    return typeof region === 'object' && region !== null && #state in region ? region.#state : undefined;
  }

  get name(): string {
    return this.#state.name;
  }

  get range(): MemoryRange {
    return this.#state.range;
  }

  get priority(): number {
    return this.#state.priority;
  }

  get type(): MappingType {
    return this.#state.type;
  }

  get holes(): 'opaque' | 'transparent' {
    return this.#state.isTransparent ? 'transparent' : 'opaque';
  }

  get mapped(): MapParams | undefined {
    const params = this.#commands.mapped(this.#state);
    return params === undefined ? undefined : { ...params };
  }

  get active(): boolean {
    return this.#state.active;
  }

  get activeMappings(): readonly MapChange[] {
    return this.#commands.activeMappings(this.#state);
  }

  map(params: MapParams): Promise<void> {
    let checked: MapParams;
    try {
      checked = mapParamsOf(params, this.#state.name);
    } catch (error) {
      return this.#refuse(error);
    }
    return this.#commands.transact((edit) => {
      edit.changeAccess(this.#state, checked);
      return undefined;
    });
  }

  unmap(): Promise<void> {
    return this.#commands.transact((edit) => {
      edit.changeAccess(this.#state, undefined);
      return undefined;
    });
  }

  addMapping(params: MappingParams): Promise<void> {
    let mapping: RegionMapping;
    try {
      mapping = mappingOf(params, this.#state);
    } catch (error) {
      return this.#refuse(error);
    }
    return this.#commands.transact((edit) => {
      edit.insertMapping(this.#state, mapping);
      return undefined;
    });
  }

  removeMappings(rangeInRegion: MemoryRange): Promise<void> {
    let range: MemoryRange;
    try {
      range = rangeToRemove(rangeInRegion, this.#state);
    } catch (error) {
      return this.#refuse(error);
    }
    return this.#commands.transact((edit) => edit.removeMappingsIn(this.#state, range));
  }

  remove(): Promise<void> {
    return this.#commands.transact((edit) => edit.removeState(this.#state));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.remove();
  }

  toJSON(): Record<string, unknown> {
    const { name, range, priority, type, active, mapped } = this;
    const { present, mappings } = this.#state;
    return { name, range, priority, type, active, mapped: mapped ?? false, mappings: mappings.size, removed: !present };
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Region "${this.name}" ${this.range.toString()} priority ${this.priority} ${this.type}${this.active ? ' active' : ''}`;
  }

  /** Rejects a command with wrong arguments, in the order of the queue. */
  #refuse(error: unknown): Promise<void> {
    return this.#commands.transact(() => {
      throw this.#state.present ? error : removedError(this.#state);
    });
  }
}
