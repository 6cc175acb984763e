import type { MemoryRange } from '../ranges/memory-range.js';
import type { RegionState } from './region-state.js';
import type { Coroutine } from '../util/coroutine.js';
import type { Backing, MapParams, MappingParams, MappingType, Region, RegionEdit } from '../contracts/region.js';
import { isObject } from '../util/checks.js';

/** The edits of a command of a region. Those that may take long have a variant with pauses for the event loop. */
export interface RegionCommandEdit extends RegionEdit {
  removeMappingsInSlices(region: Region, rangeInRegion: MemoryRange): Coroutine<void> | undefined;
  removeRegionInSlices(region: Region): Coroutine<void>;
}

/** Puts a command of a region into the queue of its manager. */
export type Transact = (work: (edit: RegionCommandEdit) => Coroutine<void> | undefined) => Promise<void>;

/** The region object of users. Each command is a transaction of one edit. */
export class RegionHandle implements Region {
  readonly #state: RegionState;
  readonly #transact: Transact;

  constructor(state: RegionState, transact: Transact) {
    this.#state = state;
    this.#transact = transact;
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

  get active(): boolean {
    return this.#state.active;
  }

  map(params: MapParams): Promise<void> {
    const copy = copyOfMapParams(params);
    return this.#transact((edit) => {
      edit.map(this, copy);
      return undefined;
    });
  }

  unmap(): Promise<void> {
    return this.#transact((edit) => {
      edit.unmap(this);
      return undefined;
    });
  }

  addMapping(params: MappingParams): Promise<void> {
    const copy = copyOfMapping(params);
    return this.#transact((edit) => {
      edit.addMapping(this, copy);
      return undefined;
    });
  }

  removeMappings(rangeInRegion: MemoryRange): Promise<void> {
    return this.#transact((edit) => edit.removeMappingsInSlices(this, rangeInRegion));
  }

  remove(): Promise<void> {
    return this.#transact((edit) => edit.removeRegionInSlices(this));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.remove();
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Region "${this.name}" ${this.range.toString()} priority ${this.priority} ${this.type}${this.active ? ' active' : ''}`;
  }
}

/**
 * Copies the parameters at the call, because the command may wait in the queue while the caller changes them. Values that are not objects are
 * returned, to be refused by the checks of the command.
 */
export function copyOf<T>(params: T): T {
  return isObject(params) ? { ...params } : params;
}

/** Like `copyOf`. Copies the usual properties one by one, which is faster than a spread, and gives objects that are faster to read. */
export function copyOfMapParams(params: MapParams): MapParams {
  if (!isObject(params) || params.executable !== undefined || params.prefetch !== undefined) {
    return copyOf(params);
  }
  return { writable: params.writable };
}

function copyOfMapping(params: MappingParams): MappingParams {
  if (!isObject(params)) {
    return params;
  }
  const { rangeInRegion, backing, writable } = params;
  return { rangeInRegion, backing: copyOfBacking(backing), writable };
}

function copyOfBacking(backing: Backing): Backing {
  return !isObject(backing) || backing === 'private'
    ? backing
    : { mappable: backing.mappable, fileOffset: backing.fileOffset };
}
