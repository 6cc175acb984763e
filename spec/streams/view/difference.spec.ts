import { expect } from 'chai';
import type { MapChange, Region, RegionEdit } from '../../../streams/index.js';
import { unmapsOf } from '../../../streams/changes/managed-set.js';
import type { Difference } from '../../../streams/view/difference.js';
import { sameMapping, sameMemory } from '../../../streams/changes/mapping.js';
import { runAtOnce } from '../../../streams/util/coroutine.js';
import { map } from '../support/change-sets.js';
import { Plot } from '../support/ground.js';
import { FILE, mapping, range } from '../support/phrases.js';
import { FakeMappable } from '../../support/fake-mappable.js';

/** What a difference says, as text. */
function told({ regionUnmaps, removed, maps, toggled }: Difference) {
  return {
    unmaps: runAtOnce(unmapsOf(regionUnmaps)).map((unmap) => `${unmap.range.toString()}: ${unmap.covers.join(', ')}`),
    leaving: removed.map((one) => `${one.range.toString()} ${one.writable ? 'rw' : 'ro'}`),
    maps: maps.map((one) => `${one.range.toString()} ${one.writable ? 'rw' : 'ro'}`),
    toggled: toggled.map(({ name }) => name),
  };
}

const nothing = { unmaps: [], leaving: [], maps: [], toggled: [] };

describe('difference', () => {
  let plot: Plot;
  let low: Region;
  let high: Region;

  /** `low` at 0x0-0x10000, shown, with two mappings; `high`, hidden, of higher priority, around it. */
  beforeEach(() => {
    plot = new Plot();
    low = plot.add((edit) => {
      const region = edit.addRegion({ name: 'low', range: range(0x0, 0x10000), type: 'ram' });
      edit.addMapping(region, mapping(0x0, 0x1000));
      edit.addMapping(region, mapping(0x4000, 0x6000, { writable: false }));
      edit.map(region, { writable: true });
      return region;
    });
    high = plot.add((edit) => {
      const region = edit.addRegion({ name: 'high', range: range(0x0, 0x20000), priority: 1, type: 'ram' });
      edit.addMapping(region, mapping(0x4000, 0x6000, { writable: false }));
      edit.addMapping(region, mapping(0x18000, 0x19000));
      return region;
    });
  });

  const cases: readonly (readonly [string, (edit: RegionEdit) => void, Partial<ReturnType<typeof told>>])[] = [
    ['no edit at all', () => undefined, {}],
    [
      'a mapping that is added to a region that is seen comes',
      (edit) => {
        edit.addMapping(low, mapping(0x2000, 0x3000));
      },
      { maps: ['0x2000-0x3000 rw'] },
    ],
    [
      'a mapping that is added to a hidden region changes nothing',
      (edit) => {
        edit.addMapping(high, mapping(0x2000, 0x3000));
      },
      {},
    ],
    [
      'mappings that are removed go, each by its own unmap',
      (edit) => {
        edit.removeMappings(low, range(0x0, 0x10000));
      },
      {
        unmaps: ['0x0-0x1000: 0x0-0x1000', '0x4000-0x6000: 0x4000-0x6000'],
        leaving: ['0x0-0x1000 rw', '0x4000-0x6000 ro'],
      },
    ],
    [
      'a mapping that is added and removed again changes nothing',
      (edit) => {
        edit.addMapping(low, mapping(0x2000, 0x3000));
        edit.removeMappings(low, range(0x2000, 0x3000));
      },
      {},
    ],
    [
      'a mapping that is removed and added as it was changes nothing',
      (edit) => {
        edit.removeMappings(low, range(0x0, 0x1000));
        edit.addMapping(low, mapping(0x0, 0x1000));
      },
      {},
    ],
    [
      'a mapping that is removed and added otherwise goes and comes',
      (edit) => {
        edit.removeMappings(low, range(0x0, 0x1000));
        edit.addMapping(low, mapping(0x0, 0x1000, { fileOffset: 0x9000n }));
      },
      { unmaps: ['0x0-0x1000: 0x0-0x1000'], leaving: ['0x0-0x1000 rw'], maps: ['0x0-0x1000 rw'] },
    ],
    [
      'a region that is hidden goes by one unmap over all of it',
      (edit) => {
        edit.unmap(low);
      },
      {
        unmaps: ['0x0-0x10000: 0x0-0x1000, 0x4000-0x6000'],
        leaving: ['0x0-0x1000 rw', '0x4000-0x6000 ro'],
        toggled: ['low'],
      },
    ],
    [
      'a region that is removed goes as it was before what else was done to it',
      (edit) => {
        edit.removeMappings(low, range(0x4000, 0x6000));
        edit.addMapping(low, mapping(0x8000, 0x9000));
        edit.map(low, { writable: false });
        edit.removeRegion(low);
      },
      {
        unmaps: ['0x0-0x10000: 0x0-0x1000, 0x4000-0x6000'],
        leaving: ['0x0-0x1000 rw', '0x4000-0x6000 ro'],
        toggled: ['low'],
      },
    ],
    [
      'a region that is covered goes, but for what the cover has, too',
      (edit) => {
        edit.map(high, { writable: true });
      },
      {
        unmaps: ['0x0-0x1000: 0x0-0x1000'],
        leaving: ['0x0-0x1000 rw'],
        maps: ['0x18000-0x19000 rw'],
        toggled: ['high', 'low'],
      },
    ],
    [
      'a region that becomes read-only changes where it was not',
      (edit) => {
        edit.map(low, { writable: false });
      },
      { unmaps: ['0x0-0x1000: 0x0-0x1000'], leaving: ['0x0-0x1000 rw'], maps: ['0x0-0x1000 ro'] },
    ],
    [
      'a region that is shown otherwise, but as writable as before, does not change',
      (edit) => {
        edit.map(low, { writable: true, executable: true });
      },
      {},
    ],
    [
      'a region that is hidden and shown again does not change',
      (edit) => {
        edit.unmap(low);
        edit.map(low, { writable: true });
      },
      {},
    ],
    [
      'a region that is added, filled, shown and removed again leaves nothing',
      (edit) => {
        const region = edit.addRegion({ name: 'short', range: range(0x30000, 0x40000), type: 'ram' });
        edit.addMapping(region, mapping(0x0, 0x1000));
        edit.map(region, { writable: true });
        edit.removeRegion(region);
      },
      {},
    ],
    [
      'a region that is hidden while its heir is shown keeps what both have',
      (edit) => {
        edit.unmap(low);
        edit.map(high, { writable: true });
        edit.removeMappings(high, range(0x18000, 0x19000));
      },
      { unmaps: ['0x0-0x1000: 0x0-0x1000'], leaving: ['0x0-0x1000 rw'], toggled: ['low', 'high'] },
    ],
    [
      'a cover that is shown and hidden again changes nothing below',
      (edit) => {
        edit.map(high, { writable: true });
        edit.unmap(high);
      },
      {},
    ],
  ];
  for (const [what, work, expected] of cases) {
    it(what, () => {
      expect(told(plot.edit(work, 'take back'))).to.deep.equal({ ...nothing, ...expected });
    });

    it(`${what}: and the view is what the difference makes of the view before`, () => {
      const before = new Map(plot.view.allNow().map((one) => [one.range.toString(), one]));
      const change = plot.edit(work);
      for (const gone of change.removed) {
        expect(before.delete(gone.range.toString())).to.equal(true);
      }
      for (const come of change.maps) {
        expect(before.has(come.range.toString())).to.equal(false);
        before.set(come.range.toString(), come);
      }
      const after = plot.view.allNow().map((one) => `${one.range.toString()} ${one.writable ? 'rw' : 'ro'}`);
      expect(
        [...before.values()].map((one) => `${one.range.toString()} ${one.writable ? 'rw' : 'ro'}`).sort(),
      ).to.deep.equal(after.sort());
      expect(
        runAtOnce(unmapsOf(change.regionUnmaps))
          .flatMap(({ covers }) => covers)
          .map(String)
          .sort(),
      ).to.deep.equal(change.removed.map(({ range: gone }) => gone.toString()).sort());
    });
  }

  it('is ascending, whatever the order of the edits', () => {
    const regions = [0x90000, 0x70000, 0x80000].map((start) =>
      plot.add((edit) => {
        const region = edit.addRegion({ name: `${start}`, range: range(start, start + 0x10000), type: 'ram' });
        edit.addMapping(region, mapping(0x2000, 0x3000));
        edit.addMapping(region, mapping(0x0, 0x1000));
        edit.map(region, { writable: true });
        return region;
      }),
    );
    const change = plot.edit((edit) => {
      for (const region of regions) {
        edit.addMapping(region, mapping(0x8000, 0x9000));
        edit.addMapping(region, mapping(0x6000, 0x7000));
        edit.removeMappings(region, range(0x2000, 0x3000));
        edit.removeMappings(region, range(0x0, 0x1000));
      }
    });
    for (const list of [change.maps, change.removed, runAtOnce(unmapsOf(change.regionUnmaps))]) {
      const starts = list.map((one) => one.range.startPage);
      expect(starts)
        .to.have.length(6)
        .and.deep.equal([...starts].sort((a, b) => a - b));
    }
  });

  it('takes more mappings than a call has room for arguments', () => {
    const count = 150_000;
    const change = plot.edit((edit) => {
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

  describe('the same mapping', () => {
    const one = map('0x0-0x1000');
    const table: readonly (readonly [string, MapChange, boolean, boolean])[] = [
      ['itself', { ...one }, true, true],
      ['of another region', { ...one, region: 'other' }, true, true],
      ['with a VA', { ...one, hostVa: { address: 1n } }, true, true],
      ['not writable', { ...one, writable: false }, false, true],
      ['of another type', { ...one, type: 'device' }, false, true],
      ['longer', map('0x0-0x2000'), false, false],
      ['elsewhere', map('0x1000-0x2000', { backing: one.backing }), false, false],
      ['at another file offset', map('0x0-0x1000', { backing: { mappable: FILE, fileOffset: 0x1000n } }), false, false],
      [
        'of another file',
        map('0x0-0x1000', { backing: { mappable: new FakeMappable('file'), fileOffset: 0n } }),
        false,
        false,
      ],
      ['private', map('0x0-0x1000', { backing: 'private' }), false, false],
    ];
    for (const [what, other, same, memory] of table) {
      it(`${what}: ${same ? 'is the same' : `is another${memory ? ' mapping of the same memory' : ''}`}`, () => {
        expect([sameMapping(one, other), sameMapping(other, one)]).to.deep.equal([same, same]);
        expect([sameMemory(one, other), sameMemory(other, one)]).to.deep.equal([memory, memory]);
      });
    }

    it('private memory is the same where its range is', () => {
      const priv = map('0x0-0x1000', { backing: 'private' });
      expect(sameMapping(priv, { ...priv })).to.equal(true);
      expect(sameMapping(priv, map('0x0-0x2000', { backing: 'private' }))).to.equal(false);
    });
  });
});
