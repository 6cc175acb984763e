/**
 * Runs a user's callback. What it throws surfaces as an uncaught error, as what a subscriber of an observable throws does, and
 * disturbs nothing here.
 */
export function callUser(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
