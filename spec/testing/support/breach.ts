import type { DmaTarget } from '../../../streams/index.js';

/** A target with one fault, and what finds it. */
export interface Breach {
  readonly make: () => DmaTarget;
  /** The names of the checks that fail: all of them, in order. Or which of all checks they are. */
  readonly found: readonly string[] | ((all: readonly string[]) => readonly string[]);
  /** The first line of the message of the first of these checks. */
  readonly message: string;
}

/** Every check but these finds it. */
export function everyBut(names: readonly string[]): (all: readonly string[]) => readonly string[] {
  return (all) => all.filter((name) => !names.includes(name));
}
