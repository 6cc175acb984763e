import type { SetEntry, WireChange } from '../../wire/messages.js';
import { pageCount, wireChange, type Placed } from '../model/wire.js';

/** Changes that are listed one by one in an entry of the log. */
const LISTED_MAX = 100;

/** Changes of one direction: their number and size, and the first ones. */
class Changes {
  readonly first: WireChange[] = [];
  count = 0;
  pages = 0;

  add(change: Placed): void {
    if (this.first.length < LISTED_MAX) {
      this.first.push(wireChange(change));
    }
    this.count += 1;
    this.pages += pageCount(change.range);
  }

  addAll(list: readonly WireChange[], count: number, pages: number): void {
    this.first.push(...list.slice(0, LISTED_MAX - this.first.length));
    this.count += count;
    this.pages += pages;
  }
}

/** What an entry of the log says of changes. */
export type ListedChanges = Pick<SetEntry, 'maps' | 'mapCount' | 'unmaps' | 'unmapCount' | 'mapPages' | 'unmapPages'>;

/** Collects the changes for one entry of the log. */
export class SetChanges {
  readonly #maps = new Changes();
  readonly #unmaps = new Changes();

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
      maps: maps.first,
      mapCount: maps.count,
      unmaps: unmaps.first,
      unmapCount: unmaps.count,
      mapPages: maps.pages,
      unmapPages: unmaps.pages,
    };
  }
}
