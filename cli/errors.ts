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
  return stringOf(error, 'code');
}

/** What to do about it, where the error knows. */
export function hintOf(error: unknown): string | undefined {
  return stringOf(error, 'hint');
}

/** The error that says why a commit failed: the target's own, unless something could not be undone. */
export function causeOf(error: Error): Error {
  const aftermath = [...listOf(error, 'stuck'), ...listOf(error, 'missing')];
  return aftermath.length === 0 && error.cause instanceof Error ? error.cause : error;
}

/** Why a commit failed, at which target, and what to do about it. */
export function reasonOf(error: Error): string {
  const cause = causeOf(error);
  const hint = hintOf(cause) ?? hintOf(error);
  const target = stringOf(cause, 'target') ?? stringOf(error, 'target');
  const where = target === undefined || cause.message.includes(target) ? '' : ` (target "${target}")`;
  return `${cause.message}${where}${hint === undefined ? '' : `; ${hint}`}`;
}

function stringOf(error: unknown, property: 'code' | 'hint' | 'target'): string | undefined {
  const value: unknown = (error as Partial<Record<string, unknown>> | null | undefined)?.[property];
  return typeof value === 'string' ? value : undefined;
}

function listOf(error: object, property: string): readonly unknown[] {
  const value: unknown = Object.getOwnPropertyDescriptor(error, property)?.value;
  return Array.isArray(value) ? value : [];
}
