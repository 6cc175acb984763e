/** How often it is looked at, in milliseconds. */
const INTERVAL = 500;

/** Calls `act`, once, when the process that started this one is gone, however it ended. Does not keep this process from ending. */
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
