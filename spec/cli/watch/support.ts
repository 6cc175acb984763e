import pc from 'picocolors';
import type { Screen } from '../../../cli/watch/draw-rows.js';
import type { MapRow, TargetState, WatchState } from '../../../cli/watch/watch-state.js';
import { MemoryRange } from '../../../streams/index.js';

export const PLAIN: Screen = { columns: 80, rows: 20, unicode: true, colours: pc.createColors(false) };
export const COLOURED: Screen = { ...PLAIN, colours: pc.createColors(true) };

export function rowOf(
  start: number | bigint,
  length: number | bigint,
  name: string,
  fields: Partial<MapRow> = {},
): MapRow {
  const range = MemoryRange.ofLength(start, length);
  return { range, name, type: 'ram', writable: true, change: 'none', ...fields };
}

export function targetOf(fields: Partial<TargetState> = {}): TargetState {
  return {
    ...{ name: 'soft', held: 1, stuck: 0, pendingSince: undefined, stuckSince: undefined, isGone: false },
    holdingOf: () => 'held',
    ...fields,
  };
}

export function stateOf(fields: Partial<WatchState> = {}): WatchState {
  return {
    ...{
      description: 'qmp.sock (QEMU 11.1.3)',
      status: { phase: 'following' },
      generation: 12,
      regions: 3,
      mappings: 2,
    },
    ...{ bytes: 1n << 20n, changesPerSecond: 0, rows: [], targets: [], problems: [], now: 10_000 },
    ...fields,
  };
}

/** Pages of 4 KiB, every second one. */
export function manyRows(count: number): MapRow[] {
  return Array.from({ length: count }, (_none, index) => rowOf(0x10000 + index * 0x2000, 0x1000, `block${index}`));
}
