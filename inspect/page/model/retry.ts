const FIRST = 500;
const LONGEST = 15_000;

/** How long to wait before the next attempt to connect, in milliseconds: twice as long each time, up to 15 s. */
export function retryDelay(attempts: number): number {
  return Math.min(LONGEST, FIRST * 2 ** Math.min(attempts, 10));
}
