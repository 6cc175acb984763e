import {
  MemoryRange,
  type ChangeSet,
  type MapChange,
  type MappingType,
  type Region,
  type RegionManager,
  type UnmapChange,
} from '../streams/index.js';
import { checkManager, show } from '../streams/internal.js';
import { checkNames } from './checks.js';
import { FakeMappable } from './fake-mappable.js';

/** A range, or its text: `'0x1000-0x3000'`, the end exclusive. */
export type RangeLike = MemoryRange | string;

const RAM = new FakeMappable('ram');

const MAP_MEMBERS: readonly string[] = ['region', 'type', 'writable', 'backing', 'hostVa', 'refused'];

/** @throws RangeError as `MemoryRange.parse` */
export function rangeOf(range: RangeLike): MemoryRange {
  return typeof range === 'string' ? MemoryRange.parse(range) : range;
}

/**
 * Makes a map change. Default: writable RAM of a region named `ram`, in a fake file whose offsets are the addresses.
 *
 * @example
 * ```ts
 * import { mapOf } from 'dma-streams/testing';
 *
 * const ram = mapOf('0x0-0x4000');
 * const rom = mapOf('0xf0000-0x100000', { region: 'bios', writable: false });
 * ```
 */
export function mapOf(range: RangeLike, options: Partial<Omit<MapChange, 'range'>> = {}): MapChange {
  checkNames(options, MAP_MEMBERS, 'a map change');
  const at = rangeOf(range);
  const backing = { mappable: RAM, fileOffset: at.start };
  return { range: at, region: 'ram', type: 'ram', writable: true, backing, ...options };
}

/** Makes an unmap change. Default: of one map of RAM that has exactly this range. */
export function unmapOf(
  range: RangeLike,
  options: { readonly covers?: readonly RangeLike[]; readonly region?: string; readonly type?: MappingType } = {},
): UnmapChange {
  checkNames(options, ['covers', 'region', 'type'], 'an unmap change');
  const { covers = [range], region = 'ram', type = 'ram' } = options;
  return { range: rangeOf(range), region, type, covers: covers.map(rangeOf) };
}

/** The changes of a set. A text or range stands for `mapOf` or `unmapOf` of it. */
export interface SetContents {
  /** In the order in which they are made. Default: none. */
  readonly unmaps?: readonly (RangeLike | UnmapChange)[];
  /** In the order in which they are made. Default: none. */
  readonly maps?: readonly (RangeLike | MapChange)[];
  /** As `ChangeSet.snapshot`. Default: `false`. */
  readonly snapshot?: boolean;
  /** As `ChangeSet.undo`. Default: absent. */
  readonly undo?: true;
}

/**
 * Makes a change set.
 *
 * @example
 * ```ts
 * import { setOf } from 'dma-streams/testing';
 *
 * const set = setOf(2, { unmaps: ['0x1000-0x2000'], maps: ['0x4000-0x8000'] });
 * ```
 */
export function setOf(generation: number, contents: SetContents = {}): ChangeSet {
  checkContents(contents);
  const { unmaps = [], maps = [], snapshot = false, undo } = contents;
  return {
    generation,
    snapshot,
    ...(undo === true ? { undo } : {}),
    unmaps: unmaps.map((change) => (isRangeLike(change) ? unmapOf(change) : change)),
    maps: maps.map((change) => (isRangeLike(change) ? mapOf(change) : change)),
  };
}

const SET_MEMBERS: readonly string[] = ['unmaps', 'maps', 'snapshot', 'undo'];

/** A misspelt member would be an empty set, which every target applies. */
function checkContents(contents: SetContents): void {
  checkNames(contents, SET_MEMBERS, 'a change set');
  for (const [name, value] of Object.entries(contents)) {
    if (name.endsWith('maps') && value !== undefined && !Array.isArray(value)) {
      throw new TypeError(`${name} of a change set must be an array of ranges or changes, not ${show(value)}`);
    }
  }
}

/**
 * Adds a region of RAM to a manager, with one mapping over all of it, and maps it, in one command. Default: writable, named `ram`, in a fake
 * file whose offsets are the addresses.
 *
 * @throws as `RegionManager.transaction`
 */
export function addRam(
  manager: RegionManager,
  range: RangeLike,
  options: Partial<Pick<MapChange, 'region' | 'type' | 'writable' | 'backing'>> & { readonly priority?: number } = {},
): Promise<Region> {
  checkManager(manager, 'addRam');
  const { priority = 0, ...change } = options;
  const { range: at, region: name, type, writable, backing } = mapOf(range, change);
  return manager.transaction((edit) => {
    const region = edit.addRegion({ name, range: at, type, priority });
    const rangeInRegion = MemoryRange.ofLength(0n, at.length);
    edit.addMapping(region, { rangeInRegion, backing, writable: true });
    edit.map(region, { writable });
    return region;
  });
}

function isRangeLike(change: RangeLike | object): change is RangeLike {
  return typeof change === 'string' || change instanceof MemoryRange;
}
