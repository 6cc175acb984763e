import type { ChangeSet, ShareableRegion } from './change-set.js';

/** Whether a set changes what another process can map. */
export function touchesShareable({ unmaps, maps }: ChangeSet): boolean {
  return (
    unmaps.some(({ type }) => type === 'ram') ||
    maps.some(({ type, backing }) => type === 'ram' && backing !== 'private')
  );
}

/** Whether both lists say the same. */
export function sameShareable(a: readonly ShareableRegion[], b: readonly ShareableRegion[]): boolean {
  return (
    a.length === b.length &&
    a.every((one, index) => {
      const other = b[index];
      return (
        other !== undefined &&
        one.range.equals(other.range) &&
        one.writable === other.writable &&
        one.mappable === other.mappable &&
        one.fileOffset === other.fileOffset
      );
    })
  );
}
