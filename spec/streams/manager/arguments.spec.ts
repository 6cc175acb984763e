import { expect } from 'chai';
import {
  RegionManager,
  toTarget,
  type DmaTarget,
  type MapParams,
  type MappingParams,
  type Region,
  type RegionEvent,
  type RegionParams,
} from '../../../streams/index.js';
import { FakeMappable } from '../../../testing/index.js';
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
      [{ backing: { mappable: FILE, fileOffset: '0' } }, 'fileOffset'],
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

  it('that are modified while the command waits do not change it', async () => {
    const backing = { mappable: FILE, fileOffset: 0x4000n };
    const added = { rangeInRegion: range(0x4000, 0x5000), backing, writable: true };
    const params = { writable: true, executable: true };
    const events: RegionEvent[] = [];
    manager.events$.subscribe((event) => events.push(event));
    const waiting: Promise<void>[] = [];
    await manager.transaction(() => {
      waiting.push(region.addMapping(added), region.map(params));
      Object.assign(added, { rangeInRegion: range(0x6000, 0x7000), writable: false });
      backing.fileOffset = 0x9000n;
      params.executable = false;
    });
    await Promise.all(waiting);
    const [made] = manager.snapshot().mappings.slice(1);
    expect(made).to.deep.include({ range: range(0x4000, 0x5000), writable: true });
    expect(made?.backing).to.deep.equal({ mappable: FILE, fileOffset: 0x4000n });
    expect(events.at(-1)).to.deep.equal({
      kind: 'region-mapped',
      region: 'ram',
      params: { writable: true, executable: true },
    });
    await region.removeMappings(range(0x4000, 0x5000));
    await region.map({ writable: true });
  });

  it('that are invalid reject in the order of the commands, and change nothing', async () => {
    const settled: string[] = [];
    const waiting: Promise<void>[] = [];
    const give = (name: string, command: Promise<void>): void => {
      waiting.push(
        command.then(
          () => void settled.push(name),
          (error: unknown) => void settled.push(`${name}: ${(error as Error).name}`),
        ),
      );
    };
    await manager.transaction(() => {
      give('good', region.addMapping(mapping(0x4000, 0x5000)));
      give('no parameters', region.addMapping(undefined as never));
      give('not a range', region.removeMappings('0x0' as never));
      give('no flag', region.map({} as never));
      give('outside', region.addMapping(mapping(0xf000, 0x11000)));
      give('good again', region.removeMappings(range(0x4000, 0x5000)));
    });
    await Promise.all(waiting);
    expect(settled).to.deep.equal([
      'good',
      'no parameters: TypeError',
      'not a range: TypeError',
      'no flag: TypeError',
      'outside: DmaError',
      'good again',
    ]);
  });

  it('are checked against the state when the command runs, not at the call', async () => {
    const file = new FakeMappable('closes', 0x1000n);
    const other = await addRegion(manager, 0x20000, 0x30000, { name: 'other', shown: 'hidden' });
    const waiting: Promise<Error>[] = [];
    await manager.transaction((edit) => {
      waiting.push(
        rejectionOf(region.addMapping(mapping(0x4000, 0x5000, { mappable: file, fileOffset: 0n }))),
        rejectionOf(other.addMapping(mapping(0x0, 0x1000))),
        rejectionOf(other.addMapping(undefined as never)),
        rejectionOf(other.removeMappings(range(0x0, 0x20000))),
      );
      edit.removeRegion(other);
      file.close();
    });
    const [closed, ...removed] = await Promise.all(waiting);
    expect(closed?.message).to.include('closes');
    for (const error of removed) {
      expect(error).to.include({ code: 'ERR_REGION_REMOVED', region: 'other' });
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
