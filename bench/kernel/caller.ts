import type { Memfd } from '../../binding/index.js';
import { MemoryRange, type MappingParams } from '../../streams/index.js';

/** What a caller needs of a region. */
export interface ChangedRegion {
  addMapping(params: MappingParams): Promise<unknown>;
  removeMappings(rangeInRegion: MemoryRange): Promise<unknown>;
}

/** What it needs of a transaction. */
export interface ChangedEdit<R> {
  addMapping(region: R, params: MappingParams): void;
  removeMappings(region: R, rangeInRegion: MemoryRange): void;
}

/** What it needs of a manager. */
export interface ChangedManager<R> {
  transaction(work: (edit: ChangedEdit<R>) => void): Promise<unknown>;
}

/** Adds and removes mappings of one memfd; each is followed by a gap of the same size. */
export class Caller<R extends ChangedRegion, M extends ChangedManager<R>> {
  readonly manager: M;
  readonly region: R;
  readonly #memfd: Memfd;

  constructor(memfd: Memfd, manager: M, region: R) {
    this.#memfd = memfd;
    this.manager = manager;
    this.region = region;
  }

  /** Mapping number `index`, modulo the number of mappings of this size in the memory. */
  mapping(index: number, size: number): MappingParams {
    const place = index % Math.floor(Number(this.#memfd.size) / size);
    return {
      rangeInRegion: MemoryRange.ofLength(2 * place * size, size),
      backing: { mappable: this.#memfd, fileOffset: BigInt(place * size) },
      writable: true,
    };
  }

  /** Adds `count` mappings from number `first` on, as one change set. */
  add(first: number, count: number, size: number): Promise<unknown> {
    return this.manager.transaction((edit) => {
      for (let index = first; index < first + count; index++) {
        edit.addMapping(this.region, this.mapping(index, size));
      }
    });
  }

  /** Removes what `add` added. */
  remove(first: number, count: number, size: number): Promise<unknown> {
    return this.manager.transaction((edit) => {
      for (let index = first; index < first + count; index++) {
        edit.removeMappings(this.region, this.mapping(index, size).rangeInRegion);
      }
    });
  }
}

/** Any caller, for those who do not ask whose region it changes. */
export type AnyCaller = Pick<Caller<ChangedRegion, never>, 'region' | 'mapping' | 'add' | 'remove'>;

/** A caller whose commands reach nothing: only its own objects are created. */
export function callerAlone(memfd: Memfd): AnyCaller {
  const sink = new Sink();
  const region: ChangedRegion = {
    addMapping: (params) => sink.take(params),
    removeMappings: (range) => sink.take(range),
  };
  const edit: ChangedEdit<ChangedRegion> = {
    addMapping: (_region, params) => void sink.take(params),
    removeMappings: (_region, range) => void sink.take(range),
  };
  const manager: ChangedManager<ChangedRegion> = {
    transaction(work) {
      work(edit);
      return sink.take(work);
    },
  };
  return new Caller(memfd, manager, region);
}

/** Keeps the last object that it was given, so that V8 cannot leave out its creation. */
class Sink {
  static readonly #DONE = Promise.resolve();
  last: unknown;

  take(object: unknown): Promise<void> {
    this.last = object;
    return Sink.#DONE;
  }
}
