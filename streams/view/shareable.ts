import { hex } from '../util/hex.js';
import type { Subscriber } from 'rxjs';
import type { MapChange, ShareableRegion } from '../contracts/change-set.js';
import { filterInSlices, mapInSlices, mergeInSlices } from '../ranges/slices.js';
import { runAtOnce, type Coroutine } from '../util/coroutine.js';
import type { View } from './view.js';

/**
 * The RAM that another process can map, because it has a file descriptor, in ascending order. Subscribers receive the list and its later
 * versions. It is kept up to date as long as there are subscribers.
 */
export class ShareableList {
  readonly #view: View;
  /** The subscribers, with the generation of the last list that each received. */
  readonly #sentGenerations = new Map<Subscriber<readonly ShareableRegion[]>, number>();
  #list: readonly ShareableRegion[] = [];
  #generation = -1;
  #ended = false;

  constructor(view: View) {
    this.#view = view;
  }

  /** Whether there are subscribers. */
  get observed(): boolean {
    return this.#sentGenerations.size > 0;
  }

  /** Emits the current list, and then a new list after each change. */
  subscribe(subscriber: Subscriber<readonly ShareableRegion[]>): void {
    const { generation } = this.#view;
    if (this.#generation !== generation || !this.observed) {
      this.#list = runAtOnce(shareableOf(this.#view.allNow()));
      this.#generation = generation;
    }
    subscriber.next(this.#list.slice());
    if (this.#ended) {
      subscriber.complete();
    }
    if (!subscriber.closed) {
      this.#sentGenerations.set(subscriber, generation);
      subscriber.add(() => {
        this.#sentGenerations.delete(subscriber);
      });
    }
  }

  /** Updates the list after a set took effect, and emits it if it changed. The view must be that of the set. */
  *update(generation: number, removed: readonly MapChange[], maps: readonly MapChange[]): Coroutine<void> {
    const unshared = yield* filterInSlices(removed, isShareable);
    const shared = yield* shareableOf(maps);
    if (this.#generation < generation) {
      if (unshared.length > 0 || shared.length > 0) {
        this.#list = yield* mergeInSlices(yield* without(this.#list, unshared), shared);
      }
      this.#generation = generation;
    }
    if (unshared.length === 0 && shared.length === 0) {
      return;
    }
    for (const [subscriber, sentGeneration] of this.#sentGenerations) {
      if (sentGeneration < generation) {
        this.#sentGenerations.set(subscriber, generation);
        subscriber.next(this.#list.slice());
      }
    }
  }

  /** Completes all subscribers, present and future ones. */
  end(): void {
    this.#ended = true;
    for (const subscriber of this.#sentGenerations.keys()) {
      subscriber.complete();
    }
    this.#list = [];
  }
}

function isShareable({ type, backing }: MapChange): boolean {
  return type === 'ram' && backing !== 'private';
}

function* shareableOf(mappings: readonly MapChange[]): Coroutine<readonly ShareableRegion[]> {
  return yield* mapInSlices(yield* filterInSlices(mappings, isShareable), toShareable);
}

function shareableToJson(this: ShareableRegion): object {
  return { ...this, mappable: this.mappable.label, fileOffset: hex(this.fileOffset) };
}

/** Frozen, because all lists share these objects. */
function toShareable({ range, writable, backing }: MapChange): ShareableRegion {
  const { mappable, fileOffset } = backing as Exclude<MapChange['backing'], 'private'>;
  return Object.freeze(
    Object.defineProperty({ range, writable, mappable, fileOffset }, 'toJSON', { value: shareableToJson }),
  );
}

/** The list without the regions at the start of a mapping in `unshared`. Both are in ascending order. */
function* without(
  list: readonly ShareableRegion[],
  unshared: readonly MapChange[],
): Coroutine<readonly ShareableRegion[]> {
  let next = 0;
  return unshared.length === 0
    ? list
    : yield* filterInSlices(list, ({ range }) => {
        const isUnshared = unshared[next]?.range.startPage === range.startPage;
        next += isUnshared ? 1 : 0;
        return !isUnshared;
      });
}
