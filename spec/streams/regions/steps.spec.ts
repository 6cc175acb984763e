import { expect } from 'chai';
import fc from 'fast-check';
import { MemoryRange, type MapChange, type Region, type RegionEdit, type RegionEvent } from '../../../streams/index.js';
import type { Draft } from '../../../streams/regions/draft.js';
import { RegionHandle } from '../../../streams/regions/region-handle.js';
import { sortedByAddress } from '../../../streams/ranges/sort-by-address.js';
import type { RegionState } from '../../../streams/regions/region-state.js';
import type { RegionBefore } from '../../../streams/regions/state-before.js';
import { applyStep, inverseOf, type Step } from '../../../streams/regions/step.js';
import type { RegionTable } from '../../../streams/regions/region-table.js';
import { runAtOnce } from '../../../streams/util/coroutine.js';
import { mapping, range } from '../support/phrases.js';
import { RegionsOnly } from '../support/regions-only.js';

/** Pages of each region. */
const PAGES = 8;

/** Number of regions, of which each one after the first two covers the one two before it. */
const REGIONS = 4;

const ABSENT: RegionContents = { present: false, visible: undefined, mappings: [] };

interface Edit {
  readonly what: 'add region' | 'remove region' | 'map' | 'map read-only' | 'unmap' | 'add' | 'remove';
  readonly region: number;
  readonly page: number;
  readonly pages: number;
}

/** Often mappings are removed and added again at the same place. */
const edits = (maxLength: number): fc.Arbitrary<Edit[]> =>
  fc
    .array(
      fc.record({
        what: fc.constantFrom<(Edit['what'] | 'replace')[]>(
          ...(['add region', 'remove region', 'map', 'map read-only', 'unmap'] as const),
          ...(['add', 'add', 'add', 'remove', 'remove', 'replace', 'replace'] as const),
        ),
        region: fc.nat({ max: REGIONS - 1 }),
        page: fc.nat({ max: PAGES - 1 }),
        pages: fc.integer({ min: 1, max: 3 }),
      }),
      { maxLength },
    )
    .map((list) =>
      list.flatMap(({ what, ...where }) =>
        what === 'replace'
          ? [{ what: 'remove', ...where } as const, { what: 'add', ...where } as const]
          : { what, ...where },
      ),
    );

/** A region as plain data. */
interface RegionContents {
  readonly present: boolean;
  readonly visible: unknown;
  readonly mappings: readonly MapChange[];
}

/** The names of the regions in the table, in its order, and every region that was ever added. */
interface Contents {
  readonly table: readonly string[];
  readonly regions: readonly RegionContents[];
}

/** Regions of a table, by number. A removed region stays here until one is added in its place. */
class Regions {
  readonly guest = new RegionsOnly();
  readonly handles: (Region | undefined)[] = new Array<undefined>(REGIONS).fill(undefined);
  /** Every region that was ever added. */
  readonly states: RegionState[] = [];

  /** Does an edit; one that is refused changes nothing. */
  edit(draft: RegionEdit, { what, region, page, pages }: Edit): void {
    const handle = this.handles[region];
    const place = MemoryRange.ofPages(page, Math.min(page + pages, PAGES));
    if (what === 'add region') {
      const start = (region % 2) * PAGES * 0x1000;
      if (handle === undefined || !stateOf(handle).present) {
        const params = { name: `region ${region}`, range: range(start, start + PAGES * 0x1000), type: 'ram' } as const;
        const added = draft.addRegion({ ...params, priority: Math.floor(region / 2) });
        this.handles[region] = added;
        this.states.push(stateOf(added));
      }
    } else if (handle !== undefined) {
      try {
        editRegion(draft, handle, what, place);
      } catch {
        // The region is not there any more, a mapping overlaps or would be cut.
      }
    }
  }

  contents(): Contents {
    return {
      table: runAtOnce(this.guest.table.all())
        .map(({ name, sequence }) => `${sequence}: ${name}`)
        .sort(),
      regions: this.states.map(contentsOf),
    };
  }

  /** What the view says, in each of its ways. */
  view(): unknown {
    const { view } = this.guest;
    const pages = Array.from({ length: 2 * PAGES }, (_, page) => MemoryRange.ofPages(page, page + 1));
    return {
      all: view.allNow().map(textOf),
      first: pages.map((page) => textOf(view.firstOverlap(page))),
      exact: pages.map((page) => textOf(view.at(page))),
    };
  }
}

function editRegion(draft: RegionEdit, region: Region, what: Edit['what'], place: MemoryRange): void {
  switch (what) {
    case 'remove region':
      draft.removeRegion(region);
      break;
    case 'map':
    case 'map read-only':
      draft.map(region, { writable: what === 'map' });
      break;
    case 'unmap':
      draft.unmap(region);
      break;
    case 'remove':
      draft.removeMappings(region, place);
      break;
    default:
      draft.addMapping(region, { ...mapping(0x0, 0x1000), rangeInRegion: place });
  }
}

function contentsOf({ present, visible, mappings }: RegionState): RegionContents {
  return { present, visible, mappings: mappings.toArray() };
}

function stateOf(region: Region): RegionState {
  return RegionHandle.stateOf(region) as RegionState;
}

function textOf(one: { range: MemoryRange; region: string; writable: boolean } | undefined): string | undefined {
  return one && `${one.range.toString()} ${one.region} ${one.writable ? 'rw' : 'ro'}`;
}

function apply(table: RegionTable, step: Step): void {
  const applying = applyStep(table, step);
  if (applying !== undefined) {
    runAtOnce(applying);
  }
}

/** Runs a check on regions that some edits have made, and on a transaction of other edits. */
function forTransactions(check: (regions: Regions, transaction: readonly Edit[]) => void): void {
  fc.assert(
    fc.property(edits(30), edits(20), (before, transaction) => {
      const regions = new Regions();
      regions.guest.edit((edit) => {
        for (let region = 0; region < REGIONS; region++) {
          regions.edit(edit, { what: 'add region', region, page: 0, pages: 1 });
        }
        for (const one of before) {
          regions.edit(edit, one);
        }
      });
      check(regions, transaction);
    }),
  );
}

describe('Steps of a transaction', () => {
  it('are taken back by their inverses, backwards, through the same states, and can be applied again', () => {
    forTransactions((regions, transaction) => {
      const { table } = regions.guest;
      const draft = regions.guest.begin();
      const kept = [regions.contents()];
      for (const one of transaction) {
        regions.edit(draft, one);
        kept[draft.steps.list.length] = regions.contents();
      }
      const { list } = draft.steps;
      for (let index = list.length - 1; index >= 0; index--) {
        apply(table, inverseOf(list[index] as Step));
        expectSame(regions.contents(), kept[index]);
      }
      for (const [index, step] of list.entries()) {
        apply(table, step);
        expectSame(regions.contents(), kept[index + 1]);
      }
    });
  });

  it('are all taken back by undo', () => {
    forTransactions((regions, transaction) => {
      const before = regions.contents();
      const draft = regions.guest.begin();
      for (const one of transaction) {
        regions.edit(draft, one);
      }
      runAtOnce(draft.rollback());
      expectSame(regions.contents(), before);
    });
  });

  it('leave the state before visible after each edit, and after each inverse', () => {
    forTransactions((regions, transaction) => {
      const before = regions.view();
      const draft = regions.guest.begin();
      for (const one of transaction) {
        regions.edit(draft, one);
        expect(regions.view()).to.deep.equal(before);
      }
      for (const step of draft.steps.list.toReversed()) {
        apply(regions.guest.table, inverseOf(step));
        expect(regions.view()).to.deep.equal(before);
      }
    });
  });

  it('tell of each region what it was before, whatever the edits', () => {
    forTransactions((regions, transaction) => {
      const before = new Map(regions.states.map((state) => [state, contentsOf(state)]));
      const draft = regions.guest.begin();
      for (const one of transaction) {
        regions.edit(draft, one);
        const stateBefore = runAtOnce(draft.steps.before());
        for (const state of regions.states) {
          expectBefore(stateBefore.of(state), state, before.get(state) ?? ABSENT);
        }
      }
    });
  });

  it('are events in the order of the calls', () => {
    forTransactions((regions, transaction) => {
      const draft = regions.guest.begin();
      const expected: RegionEvent[] = [];
      const recorder = recorderOf(draft, expected);
      for (const one of transaction) {
        regions.edit(recorder, one);
      }
      expect([...draft.events()]).to.deep.equal(expected);
    });
  });

  it('have the objects that are in the region, and that the difference maps and removes', () => {
    const guest = new RegionsOnly();
    const region = guest.add((edit) => {
      const added = edit.addRegion({ name: 'ram', range: range(0x10000, 0x20000), type: 'ram' });
      edit.map(added, { writable: true });
      return added;
    });
    const { maps } = guest.edit((edit) => {
      edit.addMapping(region, mapping(0x0, 0x1000));
      edit.addMapping(region, mapping(0x2000, 0x3000));
    });
    const inRegion = stateOf(region).mappings.toArray();
    const { removed } = guest.edit((edit) => {
      edit.removeMappings(region, range(0x0, 0x10000));
    });
    expect(inRegion).to.have.length(2);
    for (const [index, one] of inRegion.entries()) {
      expect([maps[index] === one, removed[index] === one]).to.deep.equal([true, true]);
    }
  });

  it('of mappings are one step as long as they are of one kind, and in one region', () => {
    const guest = new RegionsOnly();
    const [first, second] = [0x0, 0x10000].map((start) =>
      guest.add((edit) => edit.addRegion({ name: `${start}`, range: range(start, start + 0x10000), type: 'ram' })),
    ) as [Region, Region];
    const draft = guest.begin();
    draft.addMapping(first, mapping(0x0, 0x1000));
    draft.addMapping(first, mapping(0x2000, 0x3000));
    draft.addMapping(second, mapping(0x0, 0x1000));
    draft.addMapping(first, mapping(0x4000, 0x5000));
    draft.removeMappings(first, range(0x0, 0x10000));
    draft.map(first, { writable: true });
    draft.removeMappings(second, range(0x0, 0x1000));
    expect(
      draft.steps.list.map((step) => ('mappings' in step ? `${step.kind} ${step.mappings.length}` : step.kind)),
    ).to.deep.equal([
      'mappings-added 2',
      'mappings-added 1',
      'mappings-added 1',
      'mappings-removed 3',
      'access-changed',
      'mappings-removed 1',
    ]);
  });
});

/** What is told of a region that was like this before. A region that no step is about still is. */
function expectBefore(told: RegionBefore | undefined, state: RegionState, was: RegionContents): void {
  const now = contentsOf(state);
  if (told === undefined) {
    expect(now).to.deep.equal(was);
    return;
  }
  const mappings = sortedByAddress(runAtOnce(told.mappings()));
  expect({ present: told.present, visible: told.visible, mappings }).to.deep.equal(was);
  expect(mappings.every((one, index) => one === was.mappings[index])).to.equal(true);
  const net = runAtOnce(told.netEdits());
  expect(net.added).to.have.members(now.mappings.filter((one) => !was.mappings.includes(one)));
  expect(net.removed).to.have.members(was.mappings.filter((one) => !now.mappings.includes(one)));
}

/** The same data; a region that was added later counts as absent and empty in the earlier state. */
function expectSame(now: Contents, then: Contents | undefined): void {
  const length = now.regions.length;
  const padded = (contents: Contents): Contents => ({
    table: contents.table,
    regions: Array.from({ length }, (_, index) => contents.regions[index] ?? ABSENT),
  });
  expect(padded(now)).to.deep.equal(then && padded(then));
}

/** The edits of a draft; each that changes something is written down as the event that it should be. */
function recorderOf(draft: Draft, events: RegionEvent[]): RegionEdit {
  const place = (state: RegionState) => ({
    region: state.name,
    range: state.range,
    priority: state.priority,
    type: state.type,
  });
  const mappingEvents = (
    kind: 'mapping-added' | 'mapping-removed',
    from: Iterable<{ range: MemoryRange; region: string; writable: boolean }>,
  ) => {
    for (const { range: where, region, writable } of from) {
      events.push({ kind, region, range: where, writable });
    }
  };
  return {
    addRegion(params) {
      const region = draft.addRegion(params);
      events.push({ kind: 'region-added', ...place(stateOf(region)) });
      return region;
    },
    addRam(params) {
      const region = draft.addRam(params);
      const { mappings, visible } = stateOf(region);
      events.push({ kind: 'region-added', ...place(stateOf(region)) });
      mappingEvents('mapping-added', mappings);
      if (visible !== undefined) {
        events.push({ kind: 'region-mapped', region: region.name, params: visible });
      }
      return region;
    },
    removeRegion(region) {
      const { present } = stateOf(region);
      draft.removeRegion(region);
      if (present) {
        events.push({ kind: 'region-removed', ...place(stateOf(region)) });
      }
    },
    map(region, params) {
      const { visible } = stateOf(region);
      draft.map(region, params);
      if (visible?.writable !== params.writable) {
        events.push({ kind: 'region-mapped', region: region.name, params });
      }
    },
    unmap(region) {
      const { visible } = stateOf(region);
      draft.unmap(region);
      if (visible !== undefined) {
        events.push({ kind: 'region-unmapped', region: region.name });
      }
    },
    addMapping(region, params) {
      const before = new Set(stateOf(region).mappings);
      draft.addMapping(region, params);
      mappingEvents(
        'mapping-added',
        stateOf(region)
          .mappings.toArray()
          .filter((one) => !before.has(one)),
      );
    },
    removeMappings(region, rangeInRegion) {
      const before = stateOf(region).mappings.toArray();
      draft.removeMappings(region, rangeInRegion);
      const now = new Set(stateOf(region).mappings);
      mappingEvents(
        'mapping-removed',
        before.filter((one) => !now.has(one)),
      );
    },
  };
}
