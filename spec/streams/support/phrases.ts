import {
  MemoryRange,
  type Attachment,
  type Mappable,
  type MappingParams,
  type MappingType,
  type Region,
  type RegionManager,
} from '../../../streams/index.js';
import { FakeMappable } from '../../../testing/index.js';

/** Builders and texts for specs of the region manager. */

/** The default file of mappings. */
export const FILE: Mappable = new FakeMappable('file');

export function range(start: number, end: number): MemoryRange {
  return MemoryRange.of(start, end);
}

/** A mapping of a file, with offsets in its region. Different offsets in the region have different file offsets. */
export function mapping(
  start: number,
  end: number,
  options: { readonly writable?: boolean; readonly mappable?: Mappable; readonly fileOffset?: bigint } = {},
): MappingParams {
  const { writable = true, mappable = FILE, fileOffset = BigInt(start) } = options;
  return { rangeInRegion: range(start, end), backing: { mappable, fileOffset }, writable };
}

/** A mapping of private memory, with offsets in its region. */
export function privateMapping(start: number, end: number, writable = true): MappingParams {
  return { rangeInRegion: range(start, end), backing: 'private', writable };
}

export interface RegionOptions {
  readonly name?: string;
  readonly priority?: number;
  readonly type?: MappingType;
  /** How the region is mapped after all mappings were added. Default: writable. */
  readonly shown?: 'writable' | 'read-only' | 'hidden';
  readonly mappings?: readonly MappingParams[];
}

/** Adds a region, its mappings, and then maps it: one command for each step. */
export async function addRegion(
  manager: RegionManager,
  start: number,
  end: number,
  options: RegionOptions = {},
): Promise<Region> {
  const { name = 'ram', priority = 0, type = 'ram', shown = 'writable', mappings = [] } = options;
  const region = await manager.addRegion({ name, range: range(start, end), priority, type });
  for (const one of mappings) {
    await region.addMapping(one);
  }
  if (shown !== 'hidden') {
    await region.map({ writable: shown === 'writable' });
  }
  return region;
}

/** The reason of a promise that must reject with an error. */
export async function rejectionOf(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  let resolved: unknown;
  try {
    resolved = await promise;
  } catch (error) {
    if (error instanceof Error) {
      return error as Error & Record<string, unknown>;
    }
    throw new Error(`rejected with ${String(error)}, which is not an error`, { cause: error });
  }
  throw new Error(`resolved with ${String(resolved)}, and should have been rejected`);
}

/** The ledger of a target: `'0x0-0x4000 rw'`, `'0x0-0x4000 ro stuck'`. */
export function ledgerOf(attachment: Attachment): string[] {
  return attachment
    .ledger()
    .map((entry) => `${entry.range.toString()} ${entry.writable ? 'rw' : 'ro'}${entry.stuck ? ' stuck' : ''}`);
}

/** The active mappings: `'0x0-0x4000 rw'`. */
export function viewOf(manager: RegionManager): string[] {
  return manager.snapshot().mappings.map((one) => `${one.range.toString()} ${one.writable ? 'rw' : 'ro'}`);
}

/** Ranges as texts, in the same order. */
export function texts(ranges: readonly { toString(): string }[]): string[] {
  return ranges.map(String);
}

/** Resolves in a later turn of the event loop, after all work that was ready to run. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A promise, and the functions that settle it. */
export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
  fail(error: Error): void;
}

export function gate(): Gate {
  let open = (): void => undefined;
  let fail: (error: Error) => void = () => undefined;
  const opened = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { opened, open, fail };
}
