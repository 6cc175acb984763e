import { nextTurn } from './phrases.js';

/** Runs the work, and returns the uncaught exceptions that occur during or soon after it, instead of failing the spec. */
export async function uncaughtIn(work: () => Promise<void>): Promise<unknown[]> {
  const caught: unknown[] = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => {
    caught.push(error);
  });
  try {
    await work();
    // RxJS uses a timer to report errors that a subscriber throws.
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
