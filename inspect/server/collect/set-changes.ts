import type { SetEntry, WireChange } from '../../wire/messages.js';
import { pageCount, wireChange, type Placed } from '../model/wire.js';

/** Changes that are listed one by one in an entry of the log: as many, or as many characters of names. */
const LISTED_MAX = 100;
const LISTED_CHARACTERS_MAX = 4_000;
/** Changes of one set whose sizes are summed up: it happens within its command. */
const SUMMED_MAX = 4_096;

/** Changes of one direction: their number and size, and the first ones. */
class Changes {
  readonly first: WireChange[] = [];
  #characters = 0;
  count = 0;
  /** `undefined` when there were too many to sum them up. */
  pages: number | undefined = 0;

  add(change: Placed): void {
    this.#list(wireChange(change));
    this.addSizes(1, pageCount(change.range));
  }

  /** Adds all changes of a set, which may be many. */
  addSet(changes: readonly Placed[]): void {
    if (changes.length <= SUMMED_MAX) {
      for (const change of changes) {
        this.add(change);
      }
      return;
    }
    for (const change of changes.slice(0, LISTED_MAX)) {
      this.#list(wireChange(change));
    }
    this.addSizes(changes.length, undefined);
  }

  /** Adds those of another entry, which lists only some of them. */
  addAll(list: readonly WireChange[], count: number, pages: number | undefined): void {
    for (const change of list) {
      this.#list(change);
    }
    this.addSizes(count, pages);
  }

  addSizes(count: number, pages: number | undefined): void {
    this.count += count;
    this.pages = this.pages === undefined || pages === undefined ? undefined : this.pages + pages;
  }

  #list(change: WireChange): void {
    if (this.first.length < LISTED_MAX && this.#characters < LISTED_CHARACTERS_MAX) {
      this.first.push(change);
      this.#characters += change.region.length;
    }
  }
}

/** What an entry of the log says of changes. */
export type ListedChanges = Pick<SetEntry, 'maps' | 'mapCount' | 'unmaps' | 'unmapCount' | 'mapPages' | 'unmapPages'>;

/** Collects the changes for one entry of the log. */
export class SetChanges {
  readonly #maps = new Changes();
  readonly #unmaps = new Changes();

  /** Those of one set. */
  static of(removed: readonly Placed[], added: readonly Placed[]): SetChanges {
    const changes = new SetChanges();
    changes.#unmaps.addSet(removed);
    changes.#maps.addSet(added);
    return changes;
  }

  added(mapping: Placed): void {
    this.#maps.add(mapping);
  }

  removed(mapping: Placed): void {
    this.#unmaps.add(mapping);
  }

  /** Adds those of another entry. */
  join({ maps, mapCount, mapPages, unmaps, unmapCount, unmapPages }: ListedChanges): void {
    this.#maps.addAll(maps, mapCount, mapPages);
    this.#unmaps.addAll(unmaps, unmapCount, unmapPages);
  }

  listed(): ListedChanges {
    const [maps, unmaps] = [this.#maps, this.#unmaps];
    return {
      ...{ maps: maps.first, mapCount: maps.count, unmaps: unmaps.first, unmapCount: unmaps.count },
      ...(maps.pages === undefined ? {} : { mapPages: maps.pages }),
      ...(unmaps.pages === undefined ? {} : { unmapPages: unmaps.pages }),
    };
  }
}
