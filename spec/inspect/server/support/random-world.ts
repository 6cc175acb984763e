import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import {
  fanOut,
  filterMaps,
  RegionManager,
  toTarget,
  type Attachment,
  type DmaTarget,
  type Region,
  type RegionEdit,
  type TargetBranch,
} from '../../../../streams/index.js';
import { RecordingTarget } from '../../../../testing/index.js';
import { mapping, range } from '../../../streams/support/phrases.js';
import { differences } from './differences.js';
import { EventReader } from './event-reader.js';

const PAGE = 0x1000;
const PAGES = 48;

/** An edit, of one of the regions that are there. */
interface Edit {
  readonly kind: 'add region' | 'remove region' | 'map' | 'unmap' | 'add mapping' | 'remove mappings';
  readonly which: number;
  readonly at: number;
  readonly length: number;
  readonly flag: boolean;
}

export type Step =
  | { readonly kind: 'transactions'; readonly sets: readonly (readonly Edit[])[] }
  | { readonly kind: 'attach or detach' | 'heal' | 'retry'; readonly which: number }
  | { readonly kind: 'fail'; readonly which: number; readonly calls: 'map' | 'unmap' | ''; readonly every: number }
  | { readonly kind: 'mend'; readonly which: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'open' }
  | { readonly kind: 'close'; readonly which: number };

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.oneof(
    { weight: 2, arbitrary: fc.constant('add region' as const) },
    { weight: 1, arbitrary: fc.constant('remove region' as const) },
    { weight: 3, arbitrary: fc.constant('map' as const) },
    { weight: 1, arbitrary: fc.constant('unmap' as const) },
    { weight: 6, arbitrary: fc.constant('add mapping' as const) },
    { weight: 3, arbitrary: fc.constant('remove mappings' as const) },
  ),
  which: fc.nat(5),
  at: fc.nat(PAGES - 1),
  length: fc.integer({ min: 1, max: 8 }),
  flag: fc.boolean(),
});

const PLACES = 4;
const which = fc.nat(PLACES - 1);

export function step(mode: 'few at a time' | 'faster than they can be seen'): fc.Arbitrary<Step> {
  const many = mode === 'few at a time' ? { maxLength: 3 } : { minLength: 20, maxLength: 90 };
  return fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('transactions' as const),
        sets: fc.array(fc.array(edit, { minLength: 1, maxLength: 5 }), { minLength: 1, ...many }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('attach or detach' as const), which }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('heal' as const, 'retry' as const), which }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('fail' as const),
        which,
        calls: fc.constantFrom('map' as const, 'unmap' as const, '' as const),
        every: fc.integer({ min: 1, max: 4 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('mend' as const), which }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(130) }) },
    { weight: 2, arbitrary: fc.constant({ kind: 'open' as const }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const), which: fc.nat(2) }) },
  );
}

interface Place {
  readonly target: RecordingTarget;
  readonly attach: DmaTarget | TargetBranch;
  attachment: Attachment | undefined;
}

/** An open page. */
class OpenPage {
  readonly reader: EventReader;
  /** The generation of the state that it was sent first. */
  readonly #first: number;

  constructor(reader: EventReader) {
    this.reader = reader;
    this.#first = reader.copy.generation;
  }

  /**
   * How many sets up to the last one the log tells of, if that is not each one once. What happened before the page was there may be told, too; of sets
   * that were not seen, those that failed are told of before the others.
   */
  gaps(last: number): string[] {
    const told = this.reader.copy.sets.filter(
      ({ status, generation }) => status === 'applied' && generation > this.#first,
    );
    const count = told.reduce((sum, { sets }) => sum + sets, 0);
    const alone = told.filter(({ sets }) => sets === 1).map(({ generation }) => generation);
    const isFromBefore = told.some(
      ({ generation, sets }) => sets > 1 && generation - sets - alone.length < this.#first,
    );
    const isRight = isFromBefore ? count >= last - this.#first : count === last - this.#first;
    return isRight &&
      new Set(alone).size === alone.length &&
      Math.max(this.#first, ...told.map((one) => one.generation)) === last
      ? []
      : [
          `${count} sets from ${this.#first} to ${last}: ${told.map((one) => `${one.generation} (${one.sets})`).join(', ')}`,
        ];
  }
}

/** A manager, targets that fail now and then, and pages. */
export class RandomWorld implements AsyncDisposable {
  readonly manager = new RegionManager({ overlap: 'any' });
  readonly pages: OpenPage[] = [];
  readonly #regions: Region[] = [];
  readonly #places: readonly Place[];

  constructor() {
    const sync = new RecordingTarget({ name: 'sync' });
    const late = new RecordingTarget({ name: 'late', reply: 'async', unmapShape: 'exact' });
    const [left, right] = [new RecordingTarget({ name: 'left' }), new RecordingTarget({ name: 'right' })];
    const some = new RecordingTarget({ name: 'some', concurrent: true });
    const place = (target: RecordingTarget, attach: DmaTarget | TargetBranch): Place => ({
      ...{ target, attach },
      attachment: undefined,
    });
    this.#places = [
      place(sync, sync),
      place(late, late),
      place(left, fanOut(toTarget(left), toTarget(right))),
      place(some, (changes$) =>
        changes$.pipe(
          filterMaps(({ range: { startPage } }) => startPage % 3 > 0),
          toTarget(some),
        ),
      ),
    ];
  }

  async do(one: Step, url: string): Promise<void> {
    switch (one.kind) {
      case 'transactions':
        await Promise.all(one.sets.map((edits) => settled(this.#transact(edits))));
        break;
      case 'attach or detach':
        await settled(this.#attachOrDetach(this.#place(one.which)));
        break;
      case 'heal':
        await settled(this.#place(one.which).attachment?.heal());
        break;
      case 'retry':
        await settled(this.#place(one.which).attachment?.retryStuck());
        break;
      case 'fail':
        this.#place(one.which).target.failWhen(({ text, number }) =>
          text.startsWith(one.calls) && number % one.every === 0 ? 'ENOSPC' : undefined,
        );
        break;
      case 'mend':
        this.#place(one.which).target.clearFailures();
        break;
      case 'wait':
        await sleep(one.ms);
        break;
      case 'open':
        if (this.pages.length < 3) {
          this.pages.push(new OpenPage(await EventReader.ready(url)));
        }
        break;
      case 'close':
        this.pages.splice(one.which, 1)[0]?.reader[Symbol.dispose]();
    }
  }

  /** Waits until all pages show what the manager says, and have been told of each set. */
  async agree(): Promise<void> {
    for (const page of this.pages) {
      let found: string[] = [];
      for (let tries = 0; tries < 100; tries++) {
        found = [...differences(page.reader.copy, this.manager), ...page.gaps(this.manager.snapshot().generation)];
        if (found.length === 0) {
          break;
        }
        await sleep(50);
      }
      if (found.length > 0) {
        throw new Error(found.join('\n'));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { reader } of this.pages) {
      reader[Symbol.dispose]();
    }
    for (const { target } of this.#places) {
      target.clearFailures();
    }
    await settled(this.manager.close());
  }

  #place(at: number): Place {
    return this.#places[at % PLACES] as Place;
  }

  async #attachOrDetach(place: Place): Promise<void> {
    if (place.attachment !== undefined && place.attachment.phase !== 'gone') {
      await place.attachment.detach();
      return;
    }
    place.attachment = await this.manager.attach(place.attach);
  }

  #transact(edits: readonly Edit[]): Promise<void> {
    return this.manager.transaction((transaction) => {
      for (const one of edits) {
        try {
          this.#edit(transaction, one);
        } catch {
          // It does not fit: the others may.
        }
      }
    });
  }

  #edit(transaction: RegionEdit, { kind, which: at, at: page, length, flag }: Edit): void {
    const region = this.#regions[at % Math.max(1, this.#regions.length)];
    if (kind === 'add region') {
      const end = Math.min(PAGES, page + 4 * length);
      const holes = flag ? 'transparent' : 'opaque';
      const type = at % 3 === 0 ? ('device' as const) : ('ram' as const);
      const params = { name: `r${at}`, range: range(page * PAGE, end * PAGE), type };
      const added = transaction.addRegion({ ...params, priority: at, holes });
      transaction.map(added, { writable: flag });
      for (let from = page; from + 3 <= end; from += 3) {
        transaction.addMapping(added, mapping((from - page) * PAGE, (from - page + 2) * PAGE));
      }
      this.#regions.push(added);
      return;
    }
    if (region === undefined) {
      return;
    }
    const place = range(page * PAGE, (page + length) * PAGE);
    switch (kind) {
      case 'remove region':
        transaction.removeRegion(region);
        this.#regions.splice(this.#regions.indexOf(region), 1);
        break;
      case 'map':
        transaction.map(region, { writable: flag });
        break;
      case 'unmap':
        transaction.unmap(region);
        break;
      case 'add mapping':
        transaction.addMapping(region, mapping((page % 16) * PAGE, ((page % 16) + length) * PAGE, { writable: flag }));
        break;
      case 'remove mappings':
        transaction.removeMappings(region, flag ? place : range(0, PAGES * PAGE));
    }
  }
}

async function settled(promise: Promise<unknown> | undefined): Promise<void> {
  try {
    await promise;
  } catch {
    // It failed, as planned.
  }
}
