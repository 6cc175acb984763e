import type { MemoryRange } from '../../../streams/index.js';
import { show, type RegionState } from '../../../streams/internal.js';
import type { SourceStatus, WatchProblem } from '../../source-status.js';
import type {
  NoteEntry,
  Pages,
  WireChange,
  WireError,
  WireMapping,
  WireRegion,
  WireStatus,
} from '../../wire/messages.js';

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
  try {
    const { phase, error } = status ?? {};
    return phase === undefined || !PHASES.includes(phase)
      ? undefined
      : error === undefined
        ? { phase }
        : { phase, error: wireError(error) };
  } catch {
    return undefined; // It cannot be read.
  }
}

/** What is no problem is one. */
export function wireProblem(problem: WatchProblem): Pick<NoteEntry, 'severity' | 'error'> {
  try {
    const { text, severity } = problem as { readonly [Key in keyof WatchProblem]: unknown };
    const message = typeof text === 'string' ? text : `problems$ emitted a problem without a text: ${show(text)}`;
    return { severity: severity === 'error' ? 'error' : 'warning', error: { message } };
  } catch {
    return { severity: 'warning', error: { message: 'problems$ emitted a problem that cannot be read' } };
  }
}
