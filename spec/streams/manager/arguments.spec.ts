import { expect } from 'chai';
import {
  RegionManager,
  toTarget,
  type DmaTarget,
  type MapParams,
  type MappingParams,
  type Region,
  type RegionParams,
} from '../../../streams/index.js';
import { addRegion, FILE, mapping, range, rejectionOf, viewOf } from '../support/phrases.js';

const nothing = [undefined, null, 7, 'text', true, Symbol('s'), 5n, () => undefined];

describe('RegionManager: arguments', () => {
  let manager: RegionManager;
  let region: Region;

  beforeEach(async () => {
    manager = new RegionManager();
    region = await addRegion(manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
  });

  afterEach(async () => {
    expect(viewOf(manager)).to.deep.equal(['0x0-0x1000 rw']);
    await region.addMapping(mapping(0x8000, 0x9000));
  });

  async function expectRefused(command: () => Promise<unknown>, mentions: string): Promise<void> {
    const error = await rejectionOf(command());
    expect(error.name).to.match(/^(TypeError|RangeError)$/);
    expect(error.message).to.include(mentions);
  }

  it('of addRegion that are invalid are refused by name', async () => {
    const good: RegionParams = { name: 'x', range: range(0x20000, 0x30000), type: 'ram' };
    for (const params of nothing) {
      await expectRefused(() => manager.addRegion(params as unknown as RegionParams), 'parameters of a region');
    }
    for (const [bad, mentions] of [
      [{ name: 5 }, 'name'],
      [{ name: undefined }, 'name'],
      [{ range: { start: 0n, end: 0x1000n } }, 'range'],
      [{ range: '0x0-0x1000' }, 'range'],
      [{ priority: '1' }, 'priority'],
      [{ priority: Number.NaN }, 'priority'],
      [{ priority: 1n }, 'priority'],
      [{ type: 'rom' }, 'type'],
      [{ type: undefined }, 'type'],
    ] as const) {
      await expectRefused(() => manager.addRegion({ ...good, ...bad } as unknown as RegionParams), mentions);
    }
    await manager.addRegion(good);
  });

  it('of map that are invalid are refused by name', async () => {
    for (const params of nothing) {
      await expectRefused(() => region.map(params as unknown as MapParams), 'mapped with');
    }
    for (const [bad, mentions] of [
      [{}, 'writable'],
      [{ writable: 1 }, 'writable'],
      [{ writable: true, executable: 'yes' }, 'executable'],
      [{ writable: true, prefetch: null }, 'prefetch'],
    ] as const) {
      await expectRefused(() => region.map(bad as unknown as MapParams), mentions);
    }
  });

  it('of addMapping that are invalid are refused by name', async () => {
    const good = mapping(0x1000, 0x2000);
    for (const params of nothing) {
      await expectRefused(() => region.addMapping(params as unknown as MappingParams), 'parameters of a mapping');
    }
    for (const [bad, mentions] of [
      [{ rangeInRegion: [0, 1] }, 'rangeInRegion'],
      [{ rangeInRegion: undefined }, 'rangeInRegion'],
      [{ writable: undefined }, 'writable'],
      [{ backing: undefined }, 'backing'],
      [{ backing: 'public' }, 'backing'],
      [{ backing: { fileOffset: 0n } }, 'mappable'],
      [{ backing: { mappable: FILE } }, 'fileOffset'],
      [{ backing: { mappable: FILE, fileOffset: 0 } }, 'fileOffset'],
      [{ backing: { mappable: FILE, fileOffset: -4096n } }, 'fileOffset'],
      [{ backing: { mappable: FILE, fileOffset: 1n } }, 'page size'],
      [{ backing: { mappable: { fd: 'three', label: 'odd' }, fileOffset: 0n } }, 'odd'],
    ] as const) {
      await expectRefused(() => region.addMapping({ ...good, ...bad } as unknown as MappingParams), mentions);
    }
  });

  it('of removeMappings that are invalid are refused by name', async () => {
    for (const bad of nothing) {
      await expectRefused(() => region.removeMappings(bad as never), 'rangeInRegion');
    }
  });

  it('of the constructor that are invalid are refused', () => {
    for (const bad of nothing.filter((value) => value !== undefined)) {
      expect(() => new RegionManager(bad as never)).to.throw(TypeError, 'options');
    }
  });

  it('of toTarget that are invalid are refused at once', () => {
    for (const bad of [
      ...nothing,
      {},
      { name: 'x', mapDma: () => undefined },
      { mapDma: () => undefined, unmapDma: () => undefined },
    ]) {
      expect(() => toTarget(bad as unknown as DmaTarget)).to.throw(TypeError);
    }
  });

  it('that are modified after the call do not change the command', async () => {
    const params = { writable: true };
    await region.map(params);
    params.writable = false;
    await region.addMapping(mapping(0x4000, 0x5000));
    expect(viewOf(manager)).to.deep.equal(['0x0-0x1000 rw', '0x4000-0x5000 rw']);
    await region.removeMappings(range(0x4000, 0x5000));
  });
});
