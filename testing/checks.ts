import { checkNames as checkNamesOf, checkObject } from '../streams/internal.js';

/**
 * Checks the names of options or members. A misspelt one would be ignored, and a test could pass without what it asks for.
 *
 * @throws TypeError
 */
export function checkNames(options: object, names: readonly string[], what: string): void {
  checkObject(options, what);
  checkNamesOf(options, names, what);
}
