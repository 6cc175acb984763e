import { config } from 'rxjs';

/**
 * Runs a user's callback. What it throws surfaces as what a subscriber of an observable throws does: through rxjs's
 * `config.onUnhandledError`, or else as an uncaught error. It disturbs nothing here.
 */
export function callUser(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    setTimeout(() => {
      if (config.onUnhandledError === null) {
        throw error;
      }
      config.onUnhandledError(error);
    });
  }
}
