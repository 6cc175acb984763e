/** Invalid usage: an unknown target, a missing file. Exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** An invalid trace. Exit status 2. The message begins with `TRACE:LINE: `, or with `TRACE: ` if no single line is at fault. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
  readonly path: string;
  /** Counted from 1. */
  readonly line: number | undefined;

  /** `what` describes the error; `remedy` describes how to correct it. */
  constructor(path: string, line: number | undefined, what: string, remedy: string) {
    super(withHint(`${line === undefined ? path : `${path}:${line}`}: ${what}`, remedy));
    this.path = path;
    this.line = line;
  }
}

/** The message of an error. */
export function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}

/** The error code, such as `'ENOENT'`, if there is one. */
export function codeOf(error: unknown): string | undefined {
  return stringOf(error, 'code');
}

/** The hint of the error on what to do, if there is one. */
export function hintOf(error: unknown): string | undefined {
  return stringOf(error, 'hint');
}

/** What went wrong, and what to do about it: a hint that begins with a capital letter is a sentence of its own. */
export function withHint(reason: string, hint: string | undefined): string {
  if (hint === undefined) {
    return reason;
  }
  return /^[A-Z][a-z ]/.test(hint) ? `${reason.replace(/\.$/, '')}. ${hint}` : `${reason}; ${hint}`;
}

/** The error that explains why a commit failed: the target's error, unless something could not be undone. */
export function causeOf(error: Error): Error {
  const aftermath = [...listOf(error, 'stuck'), ...listOf(error, 'missing')];
  return aftermath.length === 0 && error.cause instanceof Error ? error.cause : error;
}

/** Why a commit failed, at which target, and how to correct it. */
export function reasonOf(error: Error): string {
  const cause = causeOf(error);
  const hint = hintOf(cause) ?? hintOf(error);
  const target = stringOf(cause, 'target') ?? stringOf(error, 'target');
  const where = target === undefined || cause.message.includes(target) ? '' : ` (target "${target}")`;
  return withHint(`${cause.message}${where}`, hint);
}

function stringOf(error: unknown, property: 'code' | 'hint' | 'target'): string | undefined {
  const value: unknown = (error as Partial<Record<string, unknown>> | null | undefined)?.[property];
  return typeof value === 'string' ? value : undefined;
}

function listOf(error: object, property: string): readonly unknown[] {
  const value: unknown = Object.getOwnPropertyDescriptor(error, property)?.value;
  return Array.isArray(value) ? value : [];
}
