/** Most characters of a name that are sent: what is longer cannot be read in a page. */
export const NAME_MAX = 200;
/** Most characters of another text that are sent. */
export const TEXT_MAX = 2_000;

/** A name as it is sent. */
export function wireName(name: string): string {
  return cut(name, NAME_MAX);
}

/** Another text as it is sent. */
export function wireText(text: string): string {
  return cut(text, TEXT_MAX);
}

/** What a user has given for a text: to read it may throw, and it may be anything. */
export function textOf(read: () => unknown, otherwise: string): string {
  try {
    return String(read());
  } catch {
    return otherwise;
  }
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
