import type { MemoryRange } from '../../../streams/index.js';
import type { RegionState } from '../../../streams/internal.js';
import type { SourceStatus } from '../../source-status.js';
import type { Pages, WireChange, WireError, WireMapping, WireRegion, WireStatus } from '../../wire/messages.js';

/** What is sent of the objects of a manager. */

export interface Placed {
  readonly range: MemoryRange;
  readonly region: string;
}

export function pagesOf({ startPage, endPage }: MemoryRange): Pages {
  return [startPage, endPage];
}

export function pageCount({ startPage, endPage }: MemoryRange): number {
  return endPage - startPage;
}

export function wireChange({ range, region }: Placed): WireChange {
  return { pages: pagesOf(range), region };
}

export function wireMapping({
  range,
  region,
  type,
  writable,
}: Placed & Pick<WireMapping, 'type' | 'writable'>): WireMapping {
  return { pages: pagesOf(range), region, type, writable };
}

export function wireRegion(
  { sequence, name, range, priority, type, isTransparent }: RegionState,
  access: WireRegion['access'],
): WireRegion {
  const holes = isTransparent ? 'transparent' : 'opaque';
  return { key: sequence, name, pages: pagesOf(range), priority, type, access, holes };
}

/** What has been thrown may be anything, and may throw when it is read. */
export function wireError(thrown: unknown): WireError {
  try {
    const { message, code, hint } = thrown as Readonly<Record<string, unknown>>;
    return {
      message: typeof message === 'string' ? message : String(thrown),
      ...(typeof code === 'string' ? { code } : {}),
      ...(typeof hint === 'string' ? { hint } : {}),
    };
  } catch {
    return { message: 'an error that cannot be read' };
  }
}

const PHASES: readonly unknown[] = ['following', 'waiting', 'ended', 'failed'] satisfies WireStatus['phase'][];

/** `undefined` for what is no status. */
export function wireStatus(status: SourceStatus | undefined): WireStatus | undefined {
  const { phase, error } = status ?? {};
  return phase === undefined || !PHASES.includes(phase)
    ? undefined
    : error === undefined
      ? { phase }
      : { phase, error: wireError(error) };
}
