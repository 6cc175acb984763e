import { nextTurn } from './phrases.js';

/** Runs the work and hands out what surfaced as an uncaught exception meanwhile, or soon after, instead of failing the spec. */
export async function uncaughtIn(work: () => Promise<void>): Promise<unknown[]> {
  const caught: unknown[] = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => {
    caught.push(error);
  });
  try {
    await work();
    // RxJS reports what a subscriber throws with a timer.
    await new Promise((resolve) => setTimeout(resolve, 5));
    await nextTurn();
    return caught;
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) {
      process.on('uncaughtException', listener);
    }
  }
}
