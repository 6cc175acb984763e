import type { FileBacking, MapChange } from '../../streams/index.js';

/** Bytes of a pattern. A page holds three spots that do not overlap, so that spots of aliases are the same or apart. */
export const PATTERN_LENGTH = 16;

/** A place in a mapping where a pattern goes. */
export interface Spot {
  readonly mapping: MapChange;
  readonly address: bigint;
}

/** Both ends of a mapping and, where it is asked for, the middle. */
export function spotsOf(mapping: MapChange, withMiddle: boolean): Spot[] {
  const { start, end, length } = mapping.range;
  const addresses = [start, ...(withMiddle ? [start + length / 2n] : []), end - BigInt(PATTERN_LENGTH)];
  return addresses.map((address) => ({ mapping, address }));
}

/** The file of a mapping, and where in it the mapping begins. A replay has no private memory. */
export function fileBacking(mapping: MapChange): FileBacking {
  if (mapping.backing === 'private') {
    throw new TypeError(`mapping ${mapping.range.toString()} is private memory: it has no file`);
  }
  return mapping.backing;
}

/** Where in its backing file a spot is. */
export function fileOffsetOf({ mapping, address }: Spot): bigint {
  return fileBacking(mapping).fileOffset + (address - mapping.range.start);
}
