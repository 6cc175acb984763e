import type { DmaTarget } from '../contracts/dma-target.js';
import { DmaError } from '../contracts/errors.js';
import { eachInSlices } from '../ranges/slices.js';
import { granularMappings, granuleText, pieceCount } from '../regions/granules.js';
import type { RegionMapping } from '../regions/region-state.js';
import type { RegionTable } from '../regions/region-table.js';
import type { TargetPort } from '../target/target-port.js';
import type { Coroutine } from '../util/coroutine.js';

/** How many maps a target can hold. */
interface MapLimit {
  readonly target: string;
  readonly maps: number;
}

type Warn = (warning: DmaError) => void;

/** Warns of those mappings with a granule that alone have more pieces than one of these targets can hold maps. */
export function warnOfPieces(mappings: readonly RegionMapping[], ports: readonly TargetPort[], warn: Warn): void {
  const limit = smallestLimit(ports);
  if (limit !== undefined) {
    for (const mapping of mappings) {
      warnIfTooMany(mapping, limit, warn);
    }
  }
}

/** The same for the mappings of all regions, also of those that are not mapped. */
export function* warnOfAllPieces(table: RegionTable, ports: readonly TargetPort[], warn: Warn): Coroutine<void> {
  const limit = smallestLimit(ports);
  if (limit !== undefined) {
    yield* eachInSlices(yield* granularMappings(table), (mapping) => {
      warnIfTooMany(mapping, limit, warn);
    });
  }
}

/** The smallest limit of these targets; `undefined` if none has one. */
function smallestLimit(ports: readonly TargetPort[]): MapLimit | undefined {
  let smallest: MapLimit | undefined;
  for (const { name, target } of ports) {
    const maps = maxMapsOf(target);
    if (maps < (smallest?.maps ?? Infinity)) {
      smallest = { target: name, maps };
    }
  }
  return smallest;
}

/** A getter that throws costs no more than a warning: the command has taken effect. */
function maxMapsOf(target: DmaTarget): number {
  try {
    return target.maxMaps ?? Infinity;
  } catch {
    return Infinity;
  }
}

function warnIfTooMany(mapping: RegionMapping, { target, maps }: MapLimit, warn: Warn): void {
  const { region, range, granule } = mapping;
  const pieces = granule === undefined ? 1 : pieceCount(mapping, granule);
  if (granule === undefined || pieces <= maps) {
    return;
  }
  const size = granuleText(granule);
  warn(
    new DmaError(
      `the granule ${size} divides the mapping into ${pieces} pieces, and the target can hold ${maps} maps`,
      { code: 'ERR_TOO_MANY_PIECES', region, range, target, hint: `use a larger granule than ${size}` },
    ),
  );
}
