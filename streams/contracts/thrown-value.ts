/** The readable error properties of a thrown value. The value may be of any type, and its getters may throw. */
export function errorProperties(thrown: unknown): {
  readonly message?: unknown;
  readonly code?: unknown;
  readonly errno?: unknown;
  readonly syscall?: unknown;
} {
  try {
    if (!isRecord(thrown)) {
      return {};
    }
    const { message, code, errno, syscall } = thrown;
    return { message, code, errno, syscall };
  } catch {
    return {};
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** A message for a thrown value that is not an error. */
export function textOf(value: unknown): string {
  try {
    return `something that is not an error was thrown: ${String(value)}`;
  } catch {
    return 'something that is not an error, and has no text, was thrown';
  }
}
