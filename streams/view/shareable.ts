import type { Subscriber } from 'rxjs';
import type { MapChange, ShareableRegion } from '../contracts/change-set.js';
import type { ManagedSet } from '../changes/managed-set.js';
import { filterInSlices, mapInSlices, mergeInSlices } from '../ranges/slices.js';
import { runAtOnce, type Coroutine } from '../util/coroutine.js';
import type { View } from './view.js';

/**
 * What another process can map, as long as somebody wants to know: RAM that has an fd, ascending. Kept up to date by what changes.
 */
export class ShareableList {
  readonly #view: View;
  /** Who is told, and the generation of what he was told last. */
  readonly #told = new Map<Subscriber<readonly ShareableRegion[]>, number>();
  #list: readonly ShareableRegion[] = [];
  #generation = -1;
  #ended = false;

  constructor(view: View) {
    this.#view = view;
  }

  /** Whether anybody is told. */
  get observed(): boolean {
    return this.#told.size > 0;
  }

  /** Tells of the list as it is now, and from now on whenever it changes. */
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
      this.#told.set(subscriber, generation);
      subscriber.add(() => {
        this.#told.delete(subscriber);
      });
    }
  }

  /** A set has taken effect, which makes the view what it is now. */
  *update({ generation, removed, maps }: ManagedSet): Coroutine<void> {
    const gone = yield* filterInSlices(removed, isShareable);
    const come = yield* shareableOf(maps);
    if (this.#generation < generation) {
      if (gone.length > 0 || come.length > 0) {
        this.#list = yield* mergeInSlices(yield* without(this.#list, gone), come);
      }
      this.#generation = generation;
    }
    if (gone.length === 0 && come.length === 0) {
      return;
    }
    for (const [subscriber, told] of this.#told) {
      if (told < generation) {
        this.#told.set(subscriber, generation);
        subscriber.next(this.#list.slice());
      }
    }
  }

  /** Nothing changes any more. */
  end(): void {
    this.#ended = true;
    for (const subscriber of this.#told.keys()) {
      subscriber.complete();
    }
    this.#list = [];
  }
}

function isShareable({ type, backing }: MapChange): boolean {
  return type === 'ram' && backing !== 'private';
}

function* shareableOf(mappings: readonly MapChange[]): Coroutine<readonly ShareableRegion[]> {
  return yield* mapInSlices(yield* filterInSlices(mappings, isShareable), regionOf);
}

/** Frozen, because all lists have the same ones. */
function regionOf({ range, writable, backing }: MapChange): ShareableRegion {
  const { mappable, fileOffset } = backing as Exclude<MapChange['backing'], 'private'>;
  return Object.freeze({ range, writable, mappable, fileOffset });
}

/** A list without what starts where one of `gone` does; both are ascending. */
function* without(list: readonly ShareableRegion[], gone: readonly MapChange[]): Coroutine<readonly ShareableRegion[]> {
  let next = 0;
  return gone.length === 0
    ? list
    : yield* filterInSlices(list, ({ range }) => {
        const isGone = gone[next]?.range.startPage === range.startPage;
        next += isGone ? 1 : 0;
        return !isGone;
      });
}
