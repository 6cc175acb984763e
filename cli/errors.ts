/** What was asked for cannot be meant: an unknown target, a missing file. Exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A trace that is not one. Exit status 2. The message begins with `TRACE:LINE: `, or `TRACE: ` where no line is to blame. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
  readonly path: string;
  /** Counted from 1, as editors do. */
  readonly line: number | undefined;

  /** `what` says what is wrong there; `remedy` what to do about it. */
  constructor(path: string, line: number | undefined, what: string, remedy: string) {
    super(`${line === undefined ? path : `${path}:${line}`}: ${what}; ${remedy}`);
    this.path = path;
    this.line = line;
  }
}

/** The part of an error that a person can use. */
export function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}

/** `'ENOENT'` and the like, where the error has one. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string') {
    return error.code;
  }
  return undefined;
}

/** What to do about it, where the error knows. */
export function hintOf(error: unknown): string | undefined {
  if (typeof error === 'object' && error !== null && 'hint' in error && typeof error.hint === 'string') {
    return error.hint;
  }
  return undefined;
}

/** Why a commit failed, and what to do about it: in the target's own words, unless something could not be undone. */
export function reasonOf(error: Error): string {
  const aftermath = [...listOf(error, 'stuck'), ...listOf(error, 'missing')];
  const reason = aftermath.length === 0 && error.cause instanceof Error ? error.cause : error;
  const hint = hintOf(reason) ?? hintOf(error);
  return hint === undefined ? reason.message : `${reason.message}; ${hint}`;
}

function listOf(error: object, property: string): readonly unknown[] {
  const value: unknown = Object.getOwnPropertyDescriptor(error, property)?.value;
  return Array.isArray(value) ? value : [];
}
