import { MemoryRange } from '../../../streams/index.js';
import type { Mappable, MapChange } from '../../../streams/index.js';

/** A map change of RAM; `mappable` absent: private memory. */
export function ram(
  start: number,
  end: number,
  mappable?: Mappable,
  options: { readonly fileOffset?: bigint; readonly writable?: boolean } = {},
): MapChange {
  return {
    range: MemoryRange.of(start, end),
    region: 'ram',
    type: 'ram',
    writable: options.writable ?? true,
    backing: mappable === undefined ? 'private' : { mappable, fileOffset: options.fileOffset ?? 0n },
  };
}
