/** The polling interval in milliseconds. */
const INTERVAL = 500;

/** Calls `act` once when the parent process has ended, for whatever reason. Does not keep this process alive. */
export function whenParentIsGone(act: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid !== parent) {
      clearInterval(timer);
      act();
    }
  }, INTERVAL);
  timer.unref();
}
