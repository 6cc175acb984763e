import type { MemoryRange } from '../../../streams/index.js';
import { show, type RegionState } from '../../../streams/internal.js';
import type { SourceStatus, WatchProblem } from '../../source-status.js';
import type {
  ExceptionKind,
  NoteEntry,
  Pages,
  WireChange,
  WireError,
  WireException,
  WireMapping,
  WireRegion,
  WireStatus,
} from '../../wire/messages.js';
import { wireName, wireText } from './text.js';

/** What is sent of the objects of a manager. All texts are cut here: an event of limited length is sent, whatever they are. */

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
  return { pages: pagesOf(range), region: wireName(region) };
}

/** @param kind what the placed mapping is to the target */
export function wireException(kind: ExceptionKind, placed: Placed): WireException {
  return { kind, ...wireChange(placed) };
}

export function wireMapping({
  range,
  region,
  type,
  writable,
}: Placed & Pick<WireMapping, 'type' | 'writable'>): WireMapping {
  return { pages: pagesOf(range), region: wireName(region), type, writable };
}

export function wireRegion(
  { sequence, name, range, priority, type, isTransparent }: RegionState,
  access: WireRegion['access'],
): WireRegion {
  const holes = isTransparent ? 'transparent' : 'opaque';
  return { key: sequence, name: wireName(name), pages: pagesOf(range), priority, type, access, holes };
}

/** What has been thrown may be anything, and may throw when it is read. */
export function wireError(thrown: unknown): WireError {
  try {
    const { message, code, hint } = thrown as Readonly<Record<string, unknown>>;
    return {
      message: wireText(typeof message === 'string' ? message : String(thrown)),
      ...(typeof code === 'string' ? { code: wireName(code) } : {}),
      ...(typeof hint === 'string' ? { hint: wireText(hint) } : {}),
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
    return { severity: severity === 'error' ? 'error' : 'warning', error: { message: wireText(message) } };
  } catch {
    return { severity: 'warning', error: { message: 'problems$ emitted a problem that cannot be read' } };
  }
}
