import { expect } from 'chai';
import {
  MemoryRange,
  RegionManager,
  RegionOverlapError,
  type Region,
  type RegionEvent,
  type RegionParams,
} from '../../../streams/index.js';
import { FakeMappable } from '../../../testing/index.js';
import { addRegion, FILE, mapping, range, rejectionOf, viewOf } from '../support/phrases.js';

describe('RegionManager: regions', () => {
  let manager: RegionManager;

  beforeEach(() => {
    manager = new RegionManager();
  });

  function add(priority: number, start: number, end: number, name = `${priority}`): Promise<Region> {
    return manager.addRegion({ name, range: range(start, end), priority, type: 'ram' });
  }

  /** Does what the hint of the error says, and looks whether every address has a region then. */
  async function follow(first: Region, error: Error, added: Omit<RegionParams, 'type'>): Promise<void> {
    expect(error).to.be.instanceOf(RegionOverlapError);
    const { hint = '' } = error as RegionOverlapError;
    const [, list = ''] = /\badd ((?:0x[0-9a-f]+-0x[0-9a-f]+(?: and )?)+)/.exec(hint) ?? [];
    const parts = list.split(' and ').map((text) => MemoryRange.parse(text));
    const cutsFirst = hint.includes('remove');
    const { priority = 0 } = cutsFirst ? first : added;
    await manager.transaction((edit) => {
      if (cutsFirst) {
        edit.removeRegion(first);
        edit.addRegion({ ...added, type: 'ram' });
      }
      parts.forEach((part, index) => edit.addRegion({ name: `part ${index}`, range: part, priority, type: 'ram' }));
    });
    const covered = new Set([...parts, cutsFirst ? added.range : first.range].flatMap(pagesOf));
    const wanted = new Set([first.range, added.range].flatMap(pagesOf));
    expect([...covered].sort()).to.deep.equal([...wanted].sort());
  }

  function pagesOf({ startPage, endPage }: MemoryRange): number[] {
    return Array.from({ length: endPage - startPage }, (_, index) => startPage + index);
  }

  describe('that overlap', () => {
    it('are accepted only if the one of higher priority contains the other', async () => {
      const refused = async (priority: number, start: number, end: number): Promise<void> => {
        expect(await rejectionOf(add(priority, start, end))).to.be.instanceOf(RegionOverlapError);
      };
      const first = await add(1, 0x1000, 0x3000);
      await refused(0, 0x2000, 0x4000);
      const second = await add(0, 0x1000, 0x3000);
      await first.remove();
      await refused(1, 0x2000, 0x4000);
      await refused(1, 0x2000, 0x3000);
      await add(1, 0x0, 0x10000);
      await second.remove();
      await refused(0, 0x0, 0x20000);
      await add(0, 0x1000, 0x8000);
    });

    it('are accepted if priority and range are the same', async () => {
      await add(3, 0x1000, 0x2000);
      await add(3, 0x1000, 0x2000);
    });

    const existing = { start: 0x4000, end: 0x8000 };
    const geometries = [
      { how: 'over the left edge', start: 0x3000, end: 0x5000, above: false, equal: false, below: false },
      { how: 'over the right edge', start: 0x7000, end: 0x9000, above: false, equal: false, below: false },
      { how: 'inside', start: 0x5000, end: 0x6000, above: false, equal: false, below: true },
      { how: 'inside, from the same start', start: 0x4000, end: 0x5000, above: false, equal: false, below: true },
      { how: 'inside, up to the same end', start: 0x7000, end: 0x8000, above: false, equal: false, below: true },
      { how: 'around', start: 0x3000, end: 0x9000, above: true, equal: false, below: false },
      { how: 'around, from the same start', start: 0x4000, end: 0x9000, above: true, equal: false, below: false },
      { how: 'around, up to the same end', start: 0x3000, end: 0x8000, above: true, equal: false, below: false },
      { how: 'over the same range', start: 0x4000, end: 0x8000, above: true, equal: true, below: true },
      { how: 'just before', start: 0x3000, end: 0x4000, above: true, equal: true, below: true },
      { how: 'just after', start: 0x8000, end: 0x9000, above: true, equal: true, below: true },
    ];
    for (const { how, start, end, ...allowed } of geometries) {
      for (const [relation, priority] of [
        ['above', 6],
        ['equal', 5],
        ['below', 4],
      ] as const) {
        it(`are ${allowed[relation] ? 'accepted' : 'refused'} if one is ${how} the other, with ${relation} priority`, async () => {
          const first = await add(5, existing.start, existing.end, 'first');
          const added = add(priority, start, end, 'added');
          if (allowed[relation]) {
            await added;
          } else {
            await follow(first, await rejectionOf(added), { name: 'added', range: range(start, end), priority });
          }
        });
      }
    }

    it('are found among many regions, at both ends', async () => {
      for (let start = 0; start < 0x100000; start += 0x4000) {
        await add(0, start, start + 0x4000);
      }
      await rejectionOf(add(1, 0x2000, 0x100000));
      await rejectionOf(add(1, 0x0, 0xfe000));
      await rejectionOf(add(-1, 0x3000, 0x5000));
      await add(1, 0x4000, 0xfc000);
      await add(-1, 0x5000, 0x6000);
    });

    it('are both named in the error, with the rule', async () => {
      await add(0, 0x1000, 0x3000, 'low memory');
      const error = await rejectionOf(add(1, 0x2000, 0x4000, 'firmware'));
      expect(error).to.include({
        code: 'ERR_REGION_OVERLAP',
        name: 'RegionOverlapError',
        region: 'firmware',
        existing: 'low memory',
      });
      expect(error.message).to.include('0x2000-0x4000').and.include('0x1000-0x3000').and.include('contain');
    });

    it('leave nothing behind if they are refused', async () => {
      await add(0, 0x1000, 0x3000);
      const events: RegionEvent[] = [];
      manager.events$.subscribe((event) => events.push(event));
      await rejectionOf(add(0, 0x2000, 0x4000));
      expect(events).to.deep.equal([]);
      await add(0, 0x3000, 0x4000);
    });

    it('may have the same name', async () => {
      await add(0, 0x0, 0x1000, 'ram');
      await add(0, 0x1000, 0x2000, 'ram');
    });
  });

  describe('after addRegion', () => {
    it('are unmapped and have no mappings', async () => {
      const region = await add(0, 0x0, 0x10000);
      expect(region.active).to.equal(false);
      await region.map({ writable: true });
      expect(region.active).to.equal(true);
      expect(viewOf(manager)).to.deep.equal([]);
    });

    it('have the properties that were given, and priority 0 by default', async () => {
      const region = await manager.addRegion({ name: 'bar', range: range(0x1000, 0x3000), type: 'device' });
      expect(region).to.include({ name: 'bar', priority: 0, type: 'device' });
      expect(region.range.equals(range(0x1000, 0x3000))).to.equal(true);
    });

    it('may end at the end of the address space', async () => {
      const end = 1n << 64n;
      const region = await manager.addRegion({ name: 'top', range: MemoryRange.of(end - 0x2000n, end), type: 'ram' });
      await region.addMapping(mapping(0x1000, 0x2000));
      await region.map({ writable: true });
      expect(viewOf(manager)).to.deep.equal(['0xfffffffffffff000-0x10000000000000000 rw']);
    });

    it('may have any finite priority', async () => {
      await add(-1.5, 0x0, 0x1000);
      await add(1e300, 0x0, 0x1000);
      expect(await rejectionOf(add(Number.NaN, 0x0, 0x1000))).to.be.instanceOf(RangeError);
      expect(await rejectionOf(add(Number.POSITIVE_INFINITY, 0x0, 0x1000))).to.be.instanceOf(RangeError);
    });
  });

  describe('and their mappings, which', () => {
    let region: Region;

    beforeEach(async () => {
      region = await addRegion(manager, 0x100000, 0x110000, { mappings: [mapping(0x4000, 0x8000)] });
    });

    it('are at the start of the region plus their offset', () => {
      expect(viewOf(manager)).to.deep.equal(['0x104000-0x108000 rw']);
    });

    for (const [how, start, end] of [
      ['the whole of', 0x4000, 0x8000],
      ['the left part of', 0x3000, 0x5000],
      ['the right part of', 0x7000, 0x9000],
      ['the inside of', 0x5000, 0x6000],
      ['more than', 0x0, 0x10000],
    ] as const) {
      it(`are refused if one overlaps ${how} another, and nothing changes`, async () => {
        const error = await rejectionOf(region.addMapping(mapping(start, end)));
        expect(error).to.include({ code: 'ERR_MAPPING_OVERLAP', region: 'ram' });
        expect(error.hint).to.include('0x104000-0x108000');
        expect(viewOf(manager)).to.deep.equal(['0x104000-0x108000 rw']);
      });
    }

    it('may touch each other', async () => {
      await region.addMapping(mapping(0x3000, 0x4000));
      await region.addMapping(mapping(0x8000, 0x9000));
      expect(viewOf(manager)).to.have.length(3);
    });

    it('are refused if they are not inside the region', async () => {
      const error = await rejectionOf(region.addMapping(mapping(0xf000, 0x11000)));
      expect(error).to.include({ code: 'ERR_OUT_OF_REGION', region: 'ram' });
      expect(viewOf(manager)).to.have.length(1);
    });

    it('are not removed if the range cuts one, and nothing changes', async () => {
      await region.addMapping(mapping(0x0, 0x1000));
      for (const [start, end] of [
        [0x0, 0x5000],
        [0x5000, 0x6000],
        [0x7000, 0x10000],
      ] as const) {
        expect(await rejectionOf(region.removeMappings(range(start, end)))).to.include({ code: 'ERR_MAPPING_CUT' });
      }
      expect(viewOf(manager)).to.deep.equal(['0x100000-0x101000 rw', '0x104000-0x108000 rw']);
    });

    it('are not removed if the range is not inside the region', async () => {
      expect(await rejectionOf(region.removeMappings(range(0x0, 0x20000)))).to.include({ code: 'ERR_OUT_OF_REGION' });
    });

    it('are all removed inside a range', async () => {
      await region.addMapping(mapping(0x0, 0x1000));
      await region.addMapping(mapping(0xf000, 0x10000));
      await region.removeMappings(range(0x0, 0x8000));
      expect(viewOf(manager)).to.deep.equal(['0x10f000-0x110000 rw']);
    });

    it('need not exist in a range of which they are removed', async () => {
      const events: RegionEvent[] = [];
      manager.events$.subscribe((event) => events.push(event));
      await region.removeMappings(range(0x8000, 0x10000));
      expect(events).to.deep.equal([]);
    });

    it('are refused if they end after the end of the file, if its length is known', async () => {
      const short = new FakeMappable('short', 0x2000n);
      await region.addMapping(mapping(0x0, 0x1000, { mappable: short, fileOffset: 0x1000n }));
      const error = await rejectionOf(
        region.addMapping(mapping(0x1000, 0x2000, { mappable: short, fileOffset: 0x2000n })),
      );
      expect(error).to.include({ code: 'ERR_BEYOND_FILE' });
    });

    it('are refused with the error of the file if it is closed', async () => {
      const closed = new FakeMappable('gone');
      closed.close();
      const error = await rejectionOf(region.addMapping(mapping(0x0, 0x1000, { mappable: closed })));
      expect(error.message).to.include('gone');
      expect(viewOf(manager)).to.have.length(1);
    });
  });

  describe('that are removed', () => {
    it('can be removed again without an effect', async () => {
      const region = await addRegion(manager, 0x0, 0x1000);
      await region.remove();
      await region.remove();
      await region[Symbol.asyncDispose]();
    });

    it('refuse every other command', async () => {
      const region = await addRegion(manager, 0x0, 0x1000);
      await region.remove();
      expect(region.active).to.equal(false);
      for (const command of [
        region.map({ writable: true }),
        region.unmap(),
        region.addMapping(mapping(0x0, 0x1000)),
        region.removeMappings(range(0x0, 0x1000)),
      ]) {
        expect(await rejectionOf(command)).to.include({ code: 'ERR_REGION_REMOVED', region: 'ram' });
      }
    });

    it('lose their mappings, and their addresses can be used again', async () => {
      const region = await addRegion(manager, 0x1000, 0x3000, { mappings: [mapping(0x0, 0x1000)] });
      await region.remove();
      expect(viewOf(manager)).to.deep.equal([]);
      await add(0, 0x0, 0x2000);
    });

    it('include those of an `await using` block that has ended', async () => {
      {
        await using region = await add(0, 0x0, 0x1000);
        await region.addMapping(mapping(0x0, 0x1000));
      }
      await add(0, 0x0, 0x2000);
    });
  });

  describe('of another manager', () => {
    it('are refused, and so are other objects', async () => {
      const foreign = await new RegionManager().addRegion({ name: 'other', range: range(0x0, 0x1000), type: 'ram' });
      for (const notOurs of [foreign, {}, undefined, null, 7, 'ram'] as unknown as Region[]) {
        const error = await rejectionOf(
          manager.transaction((edit) => {
            edit.map(notOurs, { writable: true });
          }),
        );
        expect(error).to.be.instanceOf(TypeError);
      }
    });
  });

  describe('and events$, which', () => {
    it('emits each edit after its command took effect', async () => {
      const events: RegionEvent[] = [];
      manager.events$.subscribe((event) => events.push(event));
      const region = await add(2, 0x1000, 0x5000, 'ram');
      await region.addMapping({ ...mapping(0x1000, 0x2000), writable: false });
      await region.map({ writable: true, executable: true });
      await region.map({ writable: true, executable: true });
      await region.unmap();
      await region.unmap();
      await region.removeMappings(range(0x0, 0x4000));
      await region.remove();
      const place = { region: 'ram', range: region.range, priority: 2, type: 'ram' };
      const mapped = { region: 'ram', range: range(0x2000, 0x3000), writable: false };
      expect(events).to.deep.equal([
        { kind: 'region-added', ...place },
        { kind: 'mapping-added', ...mapped },
        { kind: 'region-mapped', region: 'ram', params: { writable: true, executable: true } },
        { kind: 'region-unmapped', region: 'ram' },
        { kind: 'mapping-removed', ...mapped },
        { kind: 'region-removed', ...place },
      ]);
    });

    it('lets subscribers see the state after the command', async () => {
      const region = await add(0, 0x0, 0x1000);
      await region.addMapping(mapping(0x0, 0x1000));
      const seen: unknown[] = [];
      manager.events$.subscribe(({ kind }) => seen.push([kind, region.active, viewOf(manager)]));
      await region.map({ writable: true });
      expect(seen).to.deep.equal([['region-mapped', true, ['0x0-0x1000 rw']]]);
    });
  });

  it('are printed with name, range, priority and type', async () => {
    const { inspect } = await import('node:util');
    const region = await addRegion(manager, 0x0, 0x1000, { mappings: [mapping(0x0, 0x1000, { mappable: FILE })] });
    expect(inspect(region)).to.include('"ram"').and.include('0x0-0x1000').and.include('active');
    await region.unmap();
    expect(inspect(region)).not.to.include('active');
  });
});
