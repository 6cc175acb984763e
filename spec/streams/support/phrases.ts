import {
  MemoryRange,
  type Attachment,
  type Mappable,
  type MappingParams,
  type MappingType,
  type Region,
  type RegionManager,
} from '../../../streams/index.js';
import { FakeMappable } from '../../support/fake-mappable.js';

/** What specs of the region manager say often. */

/** The file that all mappings are of which do not say otherwise. */
export const FILE: Mappable = new FakeMappable('file');

export function range(start: number, end: number): MemoryRange {
  return MemoryRange.of(start, end);
}

/** A mapping of a file, relative to its region; of different places in the file for different places in the region. */
export function mapping(
  start: number,
  end: number,
  options: { readonly writable?: boolean; readonly mappable?: Mappable; readonly fileOffset?: bigint } = {},
): MappingParams {
  const { writable = true, mappable = FILE, fileOffset = BigInt(start) } = options;
  return { rangeInRegion: range(start, end), backing: { mappable, fileOffset }, writable };
}

/** Private memory, relative to its region. */
export function privateMapping(start: number, end: number, writable = true): MappingParams {
  return { rangeInRegion: range(start, end), backing: 'private', writable };
}

export interface RegionOptions {
  readonly name?: string;
  readonly priority?: number;
  readonly type?: MappingType;
  /** How it is mapped at last. Default: writable. */
  readonly shown?: 'writable' | 'read-only' | 'hidden';
  readonly mappings?: readonly MappingParams[];
}

/** A region with its mappings, shown last: a command each. */
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

/** What the promise rejects with, which must be an error. */
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

/** What a target holds by its ledger: `'0x0-0x4000 rw'`, `'0x0-0x4000 ro stuck'`. */
export function ledgerOf(attachment: Attachment): string[] {
  return attachment
    .ledger()
    .map((entry) => `${entry.range.toString()} ${entry.writable ? 'rw' : 'ro'}${entry.stuck ? ' stuck' : ''}`);
}

/** What is active: `'0x0-0x4000 rw'`. */
export function viewOf(manager: RegionManager): string[] {
  return manager.snapshot().mappings.map((one) => `${one.range.toString()} ${one.writable ? 'rw' : 'ro'}`);
}

/** Ranges as text, in the order in which they are. */
export function texts(ranges: readonly { toString(): string }[]): string[] {
  return ranges.map(String);
}

/** When everything that was ready to run has run. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A promise, and how to settle it. */
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
