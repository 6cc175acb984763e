import {
  MemoryRange,
  RegionManager,
  type HostVa,
  type Region,
  type RegionEdit,
  type VaMapper,
} from '../../streams/index.js';
import { mapping, slot } from '../support/scattered.js';

/** Excludes functions of the caller from the measurement. */
export interface Meter {
  own<T>(work: () => T): T;
}

/** A situation in which the event loop may have to wait. */
export interface Scene {
  readonly name: string;
  /** Whether much is done between two looks at the clock: thousands of mappings are handed over in one call. */
  readonly inBatches?: boolean;
  /** Makes ready, and returns what is watched. */
  setUp(count: number, meter: Meter): Promise<() => Promise<unknown>>;
}

/** A manager with one region, and so many mappings in it. */
export async function filledManager(
  count: number,
  meter: Meter,
  options: { readonly addresses?: boolean; readonly hidden?: boolean } = {},
): Promise<{ readonly manager: RegionManager; readonly region: Region }> {
  const { addresses = false, hidden = false } = options;
  const manager = new RegionManager(addresses ? { vaMapper: idleMapper() } : {});
  const region = await manager.addRegion({ name: 'ram', type: 'ram', range: MemoryRange.ofPages(0, 2 ** 36) });
  if (!hidden) {
    await region.map({ writable: true });
  }
  await edited(manager, meter, (edit) => {
    for (let index = 0; index < count; index++) {
      edit.addMapping(region, mapping(index));
    }
  });
  return { manager, region };
}

/** A manager with so many visible regions, of one mapping each, or none. */
export async function manyRegions(
  count: number,
  meter: Meter,
  options: { readonly empty?: boolean; readonly hidden?: boolean } = {},
): Promise<{ readonly manager: RegionManager; readonly regions: readonly Region[] }> {
  const manager = new RegionManager();
  const regions: Region[] = [];
  await edited(manager, meter, (edit) => {
    for (let index = 0; index < count; index++) {
      const region = edit.addRegion({ name: `${index}`, type: 'ram', range: slot(index) });
      if (options.hidden !== true) {
        edit.map(region, { writable: true });
      }
      if (options.empty !== true) {
        edit.addMapping(region, onlyMapping());
      }
      regions.push(region);
    }
  });
  return { manager, regions };
}

/** The mapping that fills a region of one page. */
export function onlyMapping(): ReturnType<typeof mapping> {
  return { ...mapping(0), rangeInRegion: MemoryRange.ofPages(0, 1) };
}

/** A transaction whose edits are the caller's own. */
export function edited(manager: RegionManager, meter: Meter, work: (edit: RegionEdit) => void): Promise<void> {
  return manager.transaction((edit) => {
    meter.own(() => {
      work(edit);
    });
  });
}

/** What is expected to fail, and does. */
export async function failing(command: Promise<unknown>): Promise<void> {
  const failed = await command.then(
    () => false,
    () => true,
  );
  if (!failed) {
    throw new Error('this was to fail, and did not');
  }
}

/** A VA mapper that costs nothing. */
function idleMapper(): VaMapper {
  const hostVa = { address: 0x1000n } as HostVa;
  return {
    ensureMapped: () => hostVa,
    ensureMappedBatch: (changes) => changes.map(() => hostVa),
    release: () => undefined,
    releaseBatch: () => undefined,
  };
}
