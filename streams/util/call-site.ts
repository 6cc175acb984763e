/**
 * Where a command was given. The error of a command that fails after its call has returned has the stack of the event loop; nobody who did not
 * wait for the promise can see which command it was.
 *
 * Taking note costs more than a small command. So it is done only on request, and for commands that are not done when their call returns.
 */
export class CallSite {
  /** The frames of the call, as text: V8 makes it when it is read. */
  declare readonly stack?: unknown;

  /** @param below the function whose callers are noted */
  constructor(below: (...args: never[]) => unknown) {
    // Not all engines have it.
    (Error as Partial<typeof Error>).captureStackTrace?.(this, below);
  }
}

/**
 * Adds the frames of a call to the stack of an error, if it does not have them. Other values, and errors whose stack cannot be set, stay as they
 * are.
 *
 * @param isLate whether the call had returned when the error was made: its frames then are `async`, as those that V8 adds
 */
export function addCallSite(error: unknown, site: { readonly stack?: unknown }, isLate: boolean): void {
  if (!(error instanceof Error) || typeof error.stack !== 'string' || typeof site.stack !== 'string') {
    return;
  }
  const frames = site.stack.slice(site.stack.indexOf('\n    at ') + 1);
  const added = isLate ? frames.replaceAll(/^ {4}at (?!async )/gm, '    at async ') : frames;
  const [first = ''] = added.split('\n');
  if (!first.startsWith('    at ') || error.stack.includes(first)) {
    return;
  }
  try {
    error.stack = `${error.stack}\n${added}`;
  } catch {
    // It is frozen.
  }
}

const UNKNOWN = {
  stack: '\n    at async a command whose call is not known: new RegionManager({ callSites: true }) shows it',
};

/** Adds to the stack of an error how its call can be found. */
export function addUnknownCallSite(error: unknown): void {
  addCallSite(error, UNKNOWN, true);
}
