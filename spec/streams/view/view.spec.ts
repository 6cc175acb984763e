import { expect } from 'chai';
import fc from 'fast-check';
import { Observable } from 'rxjs';
import { MemoryRange, type MapChange, type Region, type ShareableRegion } from '../../../streams/index.js';
import { ShareableList } from '../../../streams/view/shareable.js';
import { RegionsOnly } from '../support/regions-only.js';
import { mapping, privateMapping, range } from '../support/phrases.js';

function words(mappings: readonly MapChange[]): string[] {
  return mappings.map((one) => `${one.range.toString()} ${one.region} ${one.writable ? 'rw' : 'ro'}`);
}

describe('View', () => {
  let guest: RegionsOnly;
  let low: Region;
  let high: Region;

  beforeEach(() => {
    guest = new RegionsOnly();
    high = guest.add((edit) => {
      const region = edit.addRegion({ name: 'high', range: range(0x10000, 0x20000), type: 'ram' });
      edit.addMapping(region, mapping(0x0, 0x2000));
      edit.map(region, { writable: false });
      return region;
    });
    low = guest.add((edit) => {
      const region = edit.addRegion({ name: 'low', range: range(0x0, 0x10000), type: 'ram' });
      edit.addMapping(region, mapping(0x4000, 0x6000));
      edit.addMapping(region, mapping(0x0, 0x1000, { writable: false }));
      edit.map(region, { writable: true });
      return region;
    });
  });

  it('has every mapping of the active regions, in ascending order, writable only if its region is', () => {
    expect(words(guest.view.allNow())).to.deep.equal([
      '0x0-0x1000 low ro',
      '0x4000-0x6000 low rw',
      '0x10000-0x12000 high ro',
    ]);
  });

  it('finds a mapping by exactly its range', () => {
    expect(guest.view.at(range(0x4000, 0x6000))).to.include({ region: 'low', writable: true });
    expect(guest.view.at(range(0x10000, 0x12000))).to.include({ region: 'high', writable: false });
    for (const [start, end] of [
      [0x4000, 0x5000],
      [0x5000, 0x6000],
      [0x3000, 0x6000],
      [0x8000, 0x9000],
    ] as const) {
      expect(guest.view.at(range(start, end))).to.equal(undefined);
    }
  });

  it('finds the first mapping that shares a page', () => {
    expect(guest.view.firstOverlap(range(0x0, 0x20000))?.range.toString()).to.equal('0x0-0x1000');
    expect(guest.view.firstOverlap(range(0x5000, 0x20000))?.range.toString()).to.equal('0x4000-0x6000');
    expect(guest.view.firstOverlap(range(0x6000, 0x11000))?.range.toString()).to.equal('0x10000-0x12000');
    expect(guest.view.firstOverlap(range(0x6000, 0x10000))).to.equal(undefined);
  });

  it('ignores edits that have not taken effect', () => {
    const before = words(guest.view.allNow());
    guest.edit((edit) => {
      edit.removeMappings(low, range(0x0, 0x1000));
      edit.addMapping(low, mapping(0x1000, 0x2000));
      edit.map(low, { writable: false });
      edit.removeRegion(high);
      const cover = edit.addRegion({ name: 'cover', range: range(0x0, 0x20000), priority: 1, type: 'ram' });
      edit.addMapping(cover, mapping(0x0, 0x20000));
      edit.map(cover, { writable: true });
      expect(words(guest.view.allNow())).to.deep.equal(before);
      expect(guest.view.at(range(0x0, 0x1000))?.region).to.equal('low');
      expect(guest.view.at(range(0x1000, 0x2000))).to.equal(undefined);
      expect(guest.view.at(range(0x4000, 0x6000))?.writable).to.equal(true);
      expect(guest.view.firstOverlap(range(0x11000, 0x20000))?.region).to.equal('high');
    }, 'roll back');
    expect(words(guest.view.allNow())).to.deep.equal(before);
  });

  it('counts a generation for each change, and none for edits without an effect', () => {
    expect(guest.view.generation).to.equal(2);
    guest.edit((edit) => {
      edit.map(low, { writable: true, prefetch: true });
    });
    guest.edit(() => undefined);
    expect(guest.view.generation).to.equal(2);
    guest.edit((edit) => {
      edit.unmap(low);
    });
    expect(guest.view.generation).to.equal(3);
    expect([low.active, high.active]).to.deep.equal([false, true]);
  });

  it('lists as shareable only RAM that has a file descriptor', () => {
    guest.edit((edit) => {
      edit.addMapping(low, privateMapping(0x8000, 0x9000));
      const bar = edit.addRegion({ name: 'bar', range: range(0x40000, 0x50000), type: 'device' });
      edit.addMapping(bar, mapping(0x0, 0x1000));
      edit.map(bar, { writable: true });
    });
    expect(guest.view.allNow()).to.have.length(5);
    let shareable: readonly ShareableRegion[] = [];
    new Observable<readonly ShareableRegion[]>((subscriber) => {
      new ShareableList(guest.view).subscribe(subscriber);
    }).subscribe((list) => (shareable = list));
    expect(shareable.map((one) => [one.range.toString(), one.writable, one.fileOffset])).to.deep.equal([
      ['0x0-0x1000', false, 0n],
      ['0x4000-0x6000', true, 0x4000n],
      ['0x10000-0x12000', false, 0n],
    ]);
  });

  it('has snapshots that never change, whenever they are read', () => {
    const step = fc.record({
      what: fc.constantFrom('add', 'remove', 'read-only', 'writable', 'hide'),
      page: fc.nat({ max: 15 }),
      region: fc.boolean(),
      readsOldest: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const own = new RegionsOnly();
        const regions = [0x0, 0x10000].map((start) =>
          own.add((edit) => edit.addRegion({ name: `${start}`, range: range(start, start + 0x10000), type: 'ram' })),
        ) as [Region, Region];
        const taken = [{ snapshot: own.view.snapshot(), then: words(own.view.allNow()) }];
        for (const { what, page, region: first, readsOldest } of steps) {
          const region = regions[first ? 0 : 1];
          const place = MemoryRange.ofPages(page, page + 1);
          own.edit((edit) => {
            if (what === 'add') {
              try {
                edit.addMapping(region, { ...mapping(0x0, 0x1000), rangeInRegion: place });
              } catch {
                // It is there already.
              }
            } else if (what === 'remove') {
              edit.removeMappings(region, place);
            } else if (what === 'hide') {
              edit.unmap(region);
            } else {
              edit.map(region, { writable: what === 'writable' });
            }
          });
          taken.push({ snapshot: own.view.snapshot(), then: words(own.view.allNow()) });
          if (readsOldest) {
            expect(words(taken[0]?.snapshot.mappings ?? [])).to.deep.equal(taken.shift()?.then);
          }
        }
        for (const { snapshot, then } of taken) {
          expect(words(snapshot.mappings)).to.deep.equal(then);
        }
      }),
    );
  });
});
