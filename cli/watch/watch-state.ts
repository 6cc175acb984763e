import type { SourceStatus, WatchProblem } from '../../inspect/index.js';
import type { MappingType, MemoryRange } from '../../streams/index.js';

/** A mapping as it is shown: one that is active, or one that has just gone. */
export interface MapRow {
  readonly range: MemoryRange;
  /** Of the region. May contain any characters. */
  readonly name: string;
  readonly type: MappingType;
  readonly writable: boolean;
  /** `'removed'` is not active any more. */
  readonly change: 'none' | 'added' | 'removed';
}

/** What a target has of a mapping. */
export type Holding = 'held' | 'stuck' | 'not held';

export interface TargetState {
  readonly name: string;
  /** Mappings. */
  readonly held: number;
  readonly stuck: number;
  /** Since when an answer is awaited, in milliseconds of the clock of `WatchState.now`. */
  readonly pendingSince: number | undefined;
  /** Since when something is stuck. */
  readonly stuckSince: number | undefined;
  readonly isGone: boolean;
  holdingOf(range: MemoryRange): Holding;
}

export interface ShownProblem extends WatchProblem {
  /** How often it came, one after the other. */
  readonly count: number;
}

/** All that a front end draws, at one time. */
export interface WatchState {
  /** What is followed. May contain any characters. */
  readonly description: string;
  readonly status: SourceStatus;
  readonly generation: number;
  /** Also those that others cover. */
  readonly regions: number;
  readonly mappings: number;
  readonly bytes: bigint;
  /** Mappings that came or went each second, over the last seconds. */
  readonly changesPerSecond: number;
  /** In ascending order of their addresses; what has gone comes before what came at the same address. */
  readonly rows: readonly MapRow[];
  readonly targets: readonly TargetState[];
  /** The latest last. */
  readonly problems: readonly ShownProblem[];
  /** In milliseconds. */
  readonly now: number;
}

/** As QEMU prints it in `info mtree -f`. */
export function kindOf({ type, writable }: Pick<MapRow, 'type' | 'writable'>): string {
  return `${writable ? 'ram' : 'rom'}${type === 'device' ? 'd' : ''}`;
}
