import { config } from 'rxjs';

/**
 * Runs a callback of the user. If it throws, the error is reported later, like an error that a subscriber of an observable throws: by
 * `config.onUnhandledError` of RxJS, or else as an uncaught error. The caller is not affected.
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
