import {
  MemoryRange,
  type ChangeSet,
  type MapChange,
  type MappingType,
  type Outcome,
  type UnmapChange,
} from '../../../streams/index.js';
import { FILE } from './phrases.js';

/** Builders of change sets, for specs of operators. */

/** Makes a map from a text like `'0x0-0x1000'`. Default: writable RAM of the region `ram`. */
export function map(text: string, options: Partial<MapChange> = {}): MapChange {
  const range = MemoryRange.parse(text);
  return {
    range,
    region: 'ram',
    type: 'ram',
    writable: true,
    backing: { mappable: FILE, fileOffset: range.start },
    ...options,
  };
}

/** Makes an unmap. Default: it covers one mapping with exactly its range. */
export function unmap(text: string, covers: readonly string[] = [text], type: MappingType = 'ram'): UnmapChange {
  return { range: MemoryRange.parse(text), region: 'ram', type, covers: covers.map((one) => MemoryRange.parse(one)) };
}

export function changeSet(
  generation: number,
  changes: {
    readonly maps?: readonly MapChange[];
    readonly unmaps?: readonly UnmapChange[];
    readonly undo?: true;
  } = {},
): ChangeSet {
  const { maps = [], unmaps = [], undo } = changes;
  return { generation, snapshot: false, unmaps, maps, ...(undo ? { undo } : {}) };
}

/** A short text of an outcome: `'3 applied'`, `'4 failed ENOSPC'`, `'5 applied skipped EFAULT'`. */
export function inWords({ generation, status, error, skipped }: Outcome): string {
  return [generation, status, error?.code ?? '', ...skipped.map(({ code }) => `skipped ${code}`)]
    .filter(Boolean)
    .join(' ');
}
