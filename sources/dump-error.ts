/** A text that describes a memory map cannot be used: it has another format, or is not whole. */
export class DumpError extends Error {
  /** `'DumpError'`. */
  override readonly name = 'DumpError';
  /** Counted from 1. `undefined` if no single line is at fault. */
  readonly line: number | undefined;
  /** What is wrong, without the place. */
  readonly what: string;
  /** What to do. */
  readonly hint: string;

  /** @param dump what the text should be, such as `'info mtree -f'` */
  constructor(dump: string, line: number | undefined, what: string, hint: string) {
    super(`${line === undefined ? '' : `line ${line} of `}'${dump}' ${what}`);
    this.line = line;
    this.what = what;
    this.hint = hint;
  }
}

/** A line of another format. The line is quoted as JSON: it may hold any characters. */
export function notUnderstood(dump: string, line: number, text: string): DumpError {
  const shown = text.length <= 100 ? text : `${text.slice(0, 100)}…`;
  return new DumpError(
    dump,
    line,
    `is not understood: ${JSON.stringify(shown)}`,
    'the dump may have been changed, or be one of another kind or of another version of QEMU',
  );
}

/** The text ends where more has to follow. */
export function cutShort(dump: string, line: number): DumpError {
  return new DumpError(
    dump,
    line,
    'is the last one, and more has to follow: the dump is cut short',
    'dump it again, whole; if only the empty line at its end is missing, add it',
  );
}
