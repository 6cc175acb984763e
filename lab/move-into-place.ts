import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Gives a finished folder its name. Where another process was faster, its folder stays: both have the same contents.
 *
 * @throws Error of the system, if it fails for another reason
 */
export function moveIntoPlace(finished: string, place: string): void {
  try {
    renameSync(finished, place);
  } catch (error) {
    if (!existsSync(place)) {
      throw error;
    }
  }
}

/**
 * Puts `finished` in the place of a folder, if there is one. The old one is removed last, and stays if this fails.
 *
 * @param scratch a folder on the same file system, in which the old one is kept meanwhile
 * @throws Error of the system
 */
export function replaceFolder(finished: string, place: string, scratch: string): void {
  const old = join(scratch, 'old');
  if (existsSync(place)) {
    mkdirSync(scratch, { recursive: true });
    renameSync(place, old);
  }
  try {
    renameSync(finished, place);
  } catch (error) {
    if (existsSync(old)) {
      renameSync(old, place);
    }
    throw error;
  }
  rmSync(old, { recursive: true, force: true });
}
