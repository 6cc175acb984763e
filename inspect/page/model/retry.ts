const FIRST = 500;
const LONGEST = 15_000;

/** The attempt to begin with after an orderly end: there is nothing to connect to again soon. */
export const AFTER_END = 3;

/** How long to wait before the next attempt to connect, in milliseconds: twice as long each time, up to 15 s. */
export function retryDelay(attempts: number): number {
  return Math.min(LONGEST, FIRST * 2 ** Math.min(attempts, 10));
}
