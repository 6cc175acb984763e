import { expect } from 'chai';
import {
  MemoryRange,
  RegionManager,
  type Attachment,
  type MappingParams,
  type RegionParams,
} from '../../../streams/index.js';
import { FakeMappable, FakeVaMapper, RecordingTarget } from '../../../testing/index.js';
import { addRegion, FILE, ledgerOf, mapping, privateMapping, range, rejectionOf } from '../support/phrases.js';

const MiB = 1n << 20n;
const END = 1n << 64n;

/** Arguments that make no sense where regions may overlap in any way: each is refused, and changes nothing. */
describe('bad input to a manager whose regions may overlap in any way', () => {
  let manager: RegionManager;
  let target: RecordingTarget;
  let attachment: Attachment;

  beforeEach(async () => {
    manager = new RegionManager({ overlap: 'any', vaMapper: new FakeVaMapper() });
    target = new RecordingTarget();
    attachment = await manager.attach(target);
  });
  afterEach(async () => {
    await manager.close();
    expect(target.violations).to.deep.equal([]);
  });

  for (const overlap of ['ANY', '', 'none', true, 1, null, {}, ['any']]) {
    it(`overlap: ${JSON.stringify(overlap)} is refused`, () => {
      expect(() => new RegionManager({ overlap: overlap as 'any' })).to.throw(
        TypeError,
        /^overlap of a RegionManager must be 'contained' or 'any', not /,
      );
    });
  }

  for (const holes of ['clear', '', true, null, {}]) {
    it(`holes: ${JSON.stringify(holes)} is refused`, async () => {
      const params = { name: 'r', range: range(0, 0x1000), type: 'ram', holes } as unknown as RegionParams;
      expect(await rejectionOf(manager.addRegion(params))).to.match(
        /^TypeError: holes of region "r" must be 'opaque' or 'transparent', not /,
      );
    });
  }

  it("holes: 'transparent' is refused where regions may not overlap in any way, and says which option allows it", async () => {
    const params: RegionParams = { name: 'bus', range: range(0, 0x1000), type: 'ram', holes: 'transparent' };
    for (const options of [{}, { overlap: 'contained' } as const]) {
      const contained = new RegionManager(options);
      const error = await rejectionOf(contained.addRegion(params));
      expect(error).to.include({ name: 'DmaError', code: 'ERR_INVALID_ARG_VALUE', region: 'bus' });
      expect(error['hint']).to.contain("overlap: 'any'");
      await contained.addRegion({ ...params, holes: 'opaque' });
      await contained.close();
    }
  });

  it('mappings of one region must not overlap, whatever overlap says, and with granules too', async () => {
    const region = await addRegion(manager, 0, 0x20000, { mappings: [{ ...mapping(0, 0x8000), granule: 0x1000n }] });
    const before = target.calls.length;
    for (const second of [mapping(0x4000, 0xc000), { ...mapping(0x7000, 0x8000), granule: 0x1000n }]) {
      const error = await rejectionOf(region.addMapping(second));
      expect(error).to.include({ code: 'ERR_MAPPING_OVERLAP', region: 'ram' });
      expect(error.message).to.contain('0x0-0x8000');
    }
    expect(target.calls).to.have.length(before);
  });

  describe('a granule', () => {
    const refused: readonly (readonly [string, unknown, RegExp])[] = [
      ['that is a string', '4096', /^TypeError: granule of the mapping 0x0-0x8000 in region "ram" must be a bigint/],
      ['that is no integer', 4096.5, /^RangeError: .*must be a whole number of bytes, not 4096.5/],
      ['that is null', null, /^TypeError: .*must be a bigint/],
      ['of zero', 0n, /^RangeError: .*must be a power of two of at least 4096 bytes, not 0/],
      ['that is negative', -4096n, /^RangeError: .*power of two of at least 4096 bytes, not -4096/],
      ['below a page', 2048n, /^RangeError: .*not 2048/],
      ['that is no power of two', 3n * 4096n, /^RangeError: .*not 12288/],
    ];
    for (const [what, granule, message] of refused) {
      it(`${what} is refused, in a command and in a transaction`, async () => {
        const region = await addRegion(manager, 0, 0x20000);
        const params = { ...mapping(0, 0x8000), granule } as MappingParams;
        expect(String(await rejectionOf(region.addMapping(params)))).to.match(message);
        const editing = manager.transaction((edit) => {
          edit.addMapping(region, params);
        });
        expect(String(await rejectionOf(editing))).to.match(message);
        expect(target.calls).to.deep.equal([]);
        await region.addMapping({ ...params, granule: 0x2000n });
        expect(target.calls).to.have.length(4);
      });
    }

    it('that address and file offset do not share is refused with both', async () => {
      const region = await addRegion(manager, 0x1000, 0x20000);
      const error = await rejectionOf(region.addMapping({ ...mapping(0, 0x8000), granule: 0x2000n }));
      expect(String(error)).to.match(
        /^RangeError: .* is 0x2000, but guest address 0x1000 and file offset 0x0 differ modulo it: .*a granule of at most 0x1000$/,
      );
      await region.addMapping({ ...mapping(0, 0x8000, { fileOffset: 0x1000n }), granule: 0x2000n });
      expect(ledgerOf(attachment)[0]).to.equal('0x1000-0x2000 rw');
    });

    it('of private memory is refused, with what to use instead', async () => {
      const region = await addRegion(manager, 0, 0x20000);
      const error = await rejectionOf(region.addMapping({ ...privateMapping(0, 0x8000), granule: 0x1000n }));
      expect(String(error)).to.match(/^TypeError: .*private memory is one piece.*Memfd/);
    });

    it('that makes more pieces than can be kept is refused', async () => {
      const whole = MemoryRange.of(0n, 1n << 40n);
      const region = await manager.addRegion({ name: 'huge', range: whole, type: 'ram' });
      const backing = { mappable: FILE, fileOffset: 0n };
      const error = await rejectionOf(
        region.addMapping({ rangeInRegion: whole, backing, writable: true, granule: 0x1000n }),
      );
      expect(String(error)).to.match(/^RangeError: .*makes 268435456 pieces; at most 4194304.*larger granule/);
    });

    it('larger than everything is one piece', async () => {
      await addRegion(manager, 0, 0x20000, { mappings: [{ ...mapping(0, 0x20000), granule: 1n << 80n }] });
      expect(ledgerOf(attachment)).to.deep.equal(['0x0-0x20000 rw']);
    });
  });

  it('a region with transparent holes and no mapping covers nothing, and causes no call', async () => {
    const ram = await addRegion(manager, 0, 0x20000, { mappings: [mapping(0, 0x20000)] });
    const before = target.calls.length;
    const bus = await manager.addRegion({
      name: 'bus',
      range: range(0x4000, 0x40000),
      priority: 9,
      type: 'ram',
      holes: 'transparent',
    });
    await bus.map({ writable: true });
    expect(bus.active).to.equal(false);
    expect(bus.activeMappings).to.deep.equal([]);
    expect(ram.activeMappings.map((one) => one.range.toString())).to.deep.equal(['0x0-0x20000']);
    await bus.removeMappings(range(0, 0x3c000));
    await bus.unmap();
    await bus.remove();
    expect(target.calls).to.have.length(before);
  });

  it('pieces reach up to the end of 2^64, and no further', async () => {
    const top = MemoryRange.of(END - 4n * MiB, END);
    const region = await manager.addRegion({ name: 'top', range: top, type: 'ram' });
    const backing = { mappable: FILE, fileOffset: 0n };
    await region.addMapping({
      rangeInRegion: MemoryRange.ofLength(0, top.length),
      backing,
      writable: true,
      granule: 2n * MiB,
    });
    await region.map({ writable: true });
    const overlay = await manager.addRegion({
      name: 'last page',
      range: MemoryRange.of(END - 0x1000n, END),
      priority: 1,
      type: 'ram',
    });
    await overlay.map({ writable: true });
    expect(region.activeMappings.map((one) => one.range.toString())).to.deep.equal([
      '0xffffffffffc00000-0xffffffffffe00000',
      '0xffffffffffe00000-0xfffffffffffff000',
    ]);
    expect(region.activeMappings.map((one) => (one.backing as { fileOffset: bigint }).fileOffset)).to.deep.equal([
      0n,
      2n * MiB,
    ]);
    const beyond = MemoryRange.ofLength(2n * MiB, 4n * MiB);
    expect(await rejectionOf(region.addMapping({ rangeInRegion: beyond, backing, writable: true }))).to.include({
      code: 'ERR_OUT_OF_REGION',
    });
    await overlay.remove();
    expect(target.calls.at(-1)).to.equal('map 0xffffffffffe00000-0x10000000000000000 rw');
  });

  it('a file shorter than its pieces is refused when the mapping is added, also where its end would be covered', async () => {
    const short = new FakeMappable('short', 0x3000n);
    const region = await addRegion(manager, 0, 0x8000);
    const cover = await manager.addRegion({ name: 'cover', range: range(0x3000, 0x8000), priority: 1, type: 'ram' });
    await cover.map({ writable: true });
    for (const granule of [undefined, 0x1000n]) {
      const params = mapping(0, 0x4000, { mappable: short });
      const error = await rejectionOf(region.addMapping(granule === undefined ? params : { ...params, granule }));
      expect(error).to.include({ code: 'ERR_BEYOND_FILE', region: 'ram' });
      expect(error.message).to.contain('ends at offset 16384 of "short", which ends at 12288');
    }
    expect(target.calls).to.deep.equal([]);
  });

  it('private memory under a hole is refused with the addresses that the hole covers, whichever of the two comes last', async () => {
    for (const last of ['hole', 'private']) {
      const manager = new RegionManager({ overlap: 'any', vaMapper: new FakeVaMapper() });
      const memory = await manager.addRegion({ name: 'private', range: range(0x0, 0x10000), type: 'ram' });
      await memory.addMapping({ rangeInRegion: range(0x0, 0x10000), backing: 'private', writable: true });
      const hole = await manager.addRegion({ name: 'hole', range: range(0x4000, 0x6000), type: 'device', priority: 5 });
      const [first, second] = last === 'hole' ? [memory, hole] : [hole, memory];
      await first.map({ writable: true });
      const error = await rejectionOf(second.map({ writable: true }));
      expect(error).to.include({ code: 'ERR_PRIVATE_MEMORY', region: 'hole' });
      expect(String(error['range'])).to.equal('0x4000-0x6000');
      expect(error.message).to.contain('of the private memory 0x0-0x10000 of region "private"');
      expect(error['hint']).to.match(/^unmap "hole" or "private" first, .* 0x4000-0x6000 .* Memfd/);
      await manager.close();
    }
  });

  it('private memory under a hole: a transparent region above, without a mapping there, is not named', async () => {
    await addRegion(manager, 0x0, 0x100000, { name: 'private', mappings: [privateMapping(0x0, 0x4000)] });
    const bus = await manager.addRegion({
      ...{ name: 'bus', range: range(0x0, 0x100000), type: 'device' as const, priority: 10 },
      holes: 'transparent',
    });
    await bus.map({ writable: true });
    const window = await manager.addRegion({
      name: 'window',
      range: range(0x2000, 0x3000),
      type: 'device',
      priority: 5,
    });
    const error = await rejectionOf(window.map({ writable: true }));
    expect(error).to.include({ code: 'ERR_PRIVATE_MEMORY', region: 'window' });
    expect(String(error['range'])).to.equal('0x2000-0x3000');
  });
});
