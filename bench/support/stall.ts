import { performance } from 'node:perf_hooks';

/**
 * The longest time for which the event loop did not get to a timer that was due, while `work` went on, in milliseconds. The
 * timer is of one millisecond: what an idle loop shows is about that.
 */
export async function longestStall(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = performance.now();
  const note = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  // It runs before the work begins, so that a loop which is blocked at once is seen.
  await new Promise((resolve) => setTimeout(resolve, 5));
  last = performance.now();
  const timer = setInterval(note, 1);
  try {
    await work();
    // The last stretch counts, too: the timer that is due ends it, before this one.
    await new Promise((resolve) => setTimeout(resolve, 2));
  } finally {
    clearInterval(timer);
  }
  return longest;
}
