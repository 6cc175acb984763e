import { expect } from 'chai';
import type { MapChange, Region, RegionEdit } from '../../../streams/index.js';
import type { Difference } from '../../../streams/view/removals.js';
import { sameMapping, sameMemory } from '../../../streams/changes/mapping.js';
import { FakeMappable, mapOf } from '../../../testing/index.js';
import { RegionsOnly } from '../support/regions-only.js';
import { FILE, mapping, range } from '../support/phrases.js';

/** What a difference says, as text. */
function told({ unmaps, removed, maps, shown }: Difference) {
  return {
    unmaps: unmaps.map((unmap) => `${unmap.range.toString()}: ${unmap.covers.join(', ')}`),
    leaving: removed.map((one) => `${one.range.toString()} ${one.writable ? 'rw' : 'ro'}`),
    maps: maps.map((one) => `${one.range.toString()} ${one.writable ? 'rw' : 'ro'}`),
    shown: shown.map(({ state }) => state.name).sort(),
  };
}

const nothing = { unmaps: [], leaving: [], maps: [], shown: [] };

describe('difference', () => {
  let guest: RegionsOnly;
  let low: Region;
  let high: Region;

  /** `low` at 0x0-0x10000, shown, with two mappings; `high`, hidden, of higher priority, around it. */
  beforeEach(() => {
    guest = new RegionsOnly();
    low = guest.add((edit) => {
      const region = edit.addRegion({ name: 'low', range: range(0x0, 0x10000), type: 'ram' });
      edit.addMapping(region, mapping(0x0, 0x1000));
      edit.addMapping(region, mapping(0x4000, 0x6000, { writable: false }));
      edit.map(region, { writable: true });
      return region;
    });
    high = guest.add((edit) => {
      const region = edit.addRegion({ name: 'high', range: range(0x0, 0x20000), priority: 1, type: 'ram' });
      edit.addMapping(region, mapping(0x4000, 0x6000, { writable: false }));
      edit.addMapping(region, mapping(0x18000, 0x19000));
      return region;
    });
  });

  const cases: readonly (readonly [string, (edit: RegionEdit) => void, Partial<ReturnType<typeof told>>])[] = [
    ['no edit at all', () => undefined, {}],
    [
      'maps a mapping that is added to an active region',
      (edit) => {
        edit.addMapping(low, mapping(0x2000, 0x3000));
      },
      { maps: ['0x2000-0x3000 rw'] },
    ],
    [
      'is empty for a mapping that is added to a hidden region',
      (edit) => {
        edit.addMapping(high, mapping(0x2000, 0x3000));
      },
      {},
    ],
    [
      'has one unmap for each mapping that is removed',
      (edit) => {
        edit.removeMappings(low, range(0x0, 0x10000));
      },
      {
        unmaps: ['0x0-0x1000: 0x0-0x1000', '0x4000-0x6000: 0x4000-0x6000'],
        leaving: ['0x0-0x1000 rw', '0x4000-0x6000 ro'],
      },
    ],
    [
      'is empty for a mapping that is added and removed again',
      (edit) => {
        edit.addMapping(low, mapping(0x2000, 0x3000));
        edit.removeMappings(low, range(0x2000, 0x3000));
      },
      {},
    ],
    [
      'is empty for a mapping that is removed and added again unchanged',
      (edit) => {
        edit.removeMappings(low, range(0x0, 0x1000));
        edit.addMapping(low, mapping(0x0, 0x1000));
      },
      {},
    ],
    [
      'unmaps and maps a mapping that is removed and added with changes',
      (edit) => {
        edit.removeMappings(low, range(0x0, 0x1000));
        edit.addMapping(low, mapping(0x0, 0x1000, { fileOffset: 0x9000n }));
      },
      { unmaps: ['0x0-0x1000: 0x0-0x1000'], leaving: ['0x0-0x1000 rw'], maps: ['0x0-0x1000 rw'] },
    ],
    [
      'has one unmap over the whole of a region that is hidden',
      (edit) => {
        edit.unmap(low);
      },
      {
        unmaps: ['0x0-0x10000: 0x0-0x1000, 0x4000-0x6000'],
        leaving: ['0x0-0x1000 rw', '0x4000-0x6000 ro'],
        shown: ['low'],
      },
    ],
    [
      'unmaps a removed region as it was before other edits of the transaction',
      (edit) => {
        edit.removeMappings(low, range(0x4000, 0x6000));
        edit.addMapping(low, mapping(0x8000, 0x9000));
        edit.map(low, { writable: false });
        edit.removeRegion(low);
      },
      {
        unmaps: ['0x0-0x10000: 0x0-0x1000, 0x4000-0x6000'],
        leaving: ['0x0-0x1000 rw', '0x4000-0x6000 ro'],
        shown: ['low'],
      },
    ],
    [
      'unmaps a covered region, except for mappings that the covering region has too',
      (edit) => {
        edit.map(high, { writable: true });
      },
      {
        unmaps: ['0x0-0x1000: 0x0-0x1000'],
        leaving: ['0x0-0x1000 rw'],
        maps: ['0x18000-0x19000 rw'],
        shown: ['high', 'low'],
      },
    ],
    [
      'changes only the writable mappings of a region that becomes read-only',
      (edit) => {
        edit.map(low, { writable: false });
      },
      { unmaps: ['0x0-0x1000: 0x0-0x1000'], leaving: ['0x0-0x1000 rw'], maps: ['0x0-0x1000 ro'] },
    ],
    [
      'is empty for a region that is mapped with other parameters and the same access',
      (edit) => {
        edit.map(low, { writable: true, executable: true });
      },
      {},
    ],
    [
      'is empty for a region that is hidden and shown again',
      (edit) => {
        edit.unmap(low);
        edit.map(low, { writable: true });
      },
      {},
    ],
    [
      'is empty for a region that is added, filled, shown and removed again',
      (edit) => {
        const region = edit.addRegion({ name: 'short', range: range(0x30000, 0x40000), type: 'ram' });
        edit.addMapping(region, mapping(0x0, 0x1000));
        edit.map(region, { writable: true });
        edit.removeRegion(region);
      },
      {},
    ],
    [
      'keeps mappings that a hidden region has in common with the region that replaces it',
      (edit) => {
        edit.unmap(low);
        edit.map(high, { writable: true });
        edit.removeMappings(high, range(0x18000, 0x19000));
      },
      { unmaps: ['0x0-0x1000: 0x0-0x1000'], leaving: ['0x0-0x1000 rw'], shown: ['high', 'low'] },
    ],
    [
      'is empty for a covering region that is shown and hidden again',
      (edit) => {
        edit.map(high, { writable: true });
        edit.unmap(high);
      },
      {},
    ],
  ];
  for (const [what, work, expected] of cases) {
    it(what, () => {
      expect(told(guest.edit(work, 'roll back'))).to.deep.equal({ ...nothing, ...expected });
    });

    it(`${what}: the view before with the difference applied is the view after`, () => {
      const before = new Map(guest.view.allNow().map((one) => [one.range.toString(), one]));
      const change = guest.edit(work);
      for (const gone of change.removed) {
        expect(before.delete(gone.range.toString())).to.equal(true);
      }
      for (const come of change.maps) {
        expect(before.has(come.range.toString())).to.equal(false);
        before.set(come.range.toString(), come);
      }
      const after = guest.view.allNow().map((one) => `${one.range.toString()} ${one.writable ? 'rw' : 'ro'}`);
      expect(
        [...before.values()].map((one) => `${one.range.toString()} ${one.writable ? 'rw' : 'ro'}`).sort(),
      ).to.deep.equal(after.sort());
      expect(
        change.unmaps
          .flatMap(({ covers }) => covers)
          .map(String)
          .sort(),
      ).to.deep.equal(change.removed.map(({ range: gone }) => gone.toString()).sort());
    });
  }

  it('is in ascending order, whatever the order of the edits', () => {
    const regions = [0x90000, 0x70000, 0x80000].map((start) =>
      guest.add((edit) => {
        const region = edit.addRegion({ name: `${start}`, range: range(start, start + 0x10000), type: 'ram' });
        edit.addMapping(region, mapping(0x2000, 0x3000));
        edit.addMapping(region, mapping(0x0, 0x1000));
        edit.map(region, { writable: true });
        return region;
      }),
    );
    const change = guest.edit((edit) => {
      for (const region of regions) {
        edit.addMapping(region, mapping(0x8000, 0x9000));
        edit.addMapping(region, mapping(0x6000, 0x7000));
        edit.removeMappings(region, range(0x2000, 0x3000));
        edit.removeMappings(region, range(0x0, 0x1000));
      }
    });
    for (const list of [change.maps, change.removed, change.unmaps]) {
      const starts = list.map((one) => one.range.startPage);
      expect(starts)
        .to.have.length(6)
        .and.deep.equal([...starts].sort((a, b) => a - b));
    }
  });

  it('accepts more mappings than a call can have arguments', () => {
    const count = 150_000;
    const change = guest.edit((edit) => {
      const region = edit.addRegion({
        name: 'large',
        range: range(0x10000000, 0x10000000 + count * 0x1000),
        type: 'ram',
      });
      for (let page = 0; page < count; page++) {
        edit.addMapping(region, mapping(page * 0x1000, (page + 1) * 0x1000));
      }
      edit.map(region, { writable: true });
    });
    expect(change.maps).to.have.length(count);
  }).timeout(20_000);

  describe('comparing a mapping', () => {
    const one = mapOf('0x0-0x1000');
    const table: readonly (readonly [string, MapChange, boolean, boolean])[] = [
      ['a copy', { ...one }, true, true],
      ['one of another region', { ...one, region: 'other' }, true, true],
      ['one with a VA', { ...one, hostVa: { address: 1n } }, true, true],
      ['one that is not writable', { ...one, writable: false }, false, true],
      ['one of another type', { ...one, type: 'device' }, false, true],
      ['a longer one', mapOf('0x0-0x2000'), false, false],
      ['one at another address', mapOf('0x1000-0x2000', { backing: one.backing }), false, false],
      [
        'one at another file offset',
        mapOf('0x0-0x1000', { backing: { mappable: FILE, fileOffset: 0x1000n } }),
        false,
        false,
      ],
      [
        'one of another file',
        mapOf('0x0-0x1000', { backing: { mappable: new FakeMappable('file'), fileOffset: 0n } }),
        false,
        false,
      ],
      ['private memory', mapOf('0x0-0x1000', { backing: 'private' }), false, false],
    ];
    for (const [what, other, same, memory] of table) {
      it(`with ${what}, finds ${same ? 'the same mapping' : memory ? 'another mapping of the same memory' : 'another mapping'}`, () => {
        expect([sameMapping(one, other), sameMapping(other, one)]).to.deep.equal([same, same]);
        expect([sameMemory(one, other), sameMemory(other, one)]).to.deep.equal([memory, memory]);
      });
    }

    it('of private memory, finds the same mapping if the range is the same', () => {
      const priv = mapOf('0x0-0x1000', { backing: 'private' });
      expect(sameMapping(priv, { ...priv })).to.equal(true);
      expect(sameMapping(priv, mapOf('0x0-0x2000', { backing: 'private' }))).to.equal(false);
    });
  });
});
