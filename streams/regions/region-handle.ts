import type { MemoryRange } from '../ranges/memory-range.js';
import type { RegionState } from './region-state.js';
import type { Coroutine } from '../util/coroutine.js';
import type { Backing, MapParams, MappingParams, MappingType, Region, RegionEdit } from '../contracts/region.js';
import { isObject } from '../util/checks.js';

/** The edits of a command of a region, some of which may take long. */
export interface RegionCommandEdit extends RegionEdit {
  removeMappingsInSlices(region: Region, rangeInRegion: MemoryRange): Coroutine<void> | undefined;
  removeRegionInSlices(region: Region): Coroutine<void>;
}

/** How a region puts its own commands on its manager's queue. */
export type Transact = (work: (edit: RegionCommandEdit) => Coroutine<void> | undefined) => Promise<void>;

/** The region as a user holds it: every command is a transaction of one edit. */
export class RegionHandle implements Region {
  readonly #state: RegionState;
  readonly #transact: Transact;

  constructor(state: RegionState, transact: Transact) {
    this.#state = state;
    this.#transact = transact;
  }

  /** What is behind a region, if it is one of this library. */
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
 * Parameters as they are at the call: the command may have to wait for its turn. What is no object is left to be refused then. Where it matters
 * how long it takes, property by property: what a spread makes is slow to make, and slow to read.
 */
export function copyOf<T>(params: T): T {
  return isObject(params) ? { ...params } : params;
}

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
