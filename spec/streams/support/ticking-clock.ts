/**
 * Replaces the clock by one that advances by `tick` milliseconds at each reading. Work that reads it pauses after the same number of steps on any
 * machine. Returns a function that restores the real clock.
 */
export function tickingClock(tick: number): () => void {
  let now = 0;
  const own = Object.getOwnPropertyDescriptor(performance, 'now');
  Object.defineProperty(performance, 'now', { configurable: true, value: () => (now += tick) });
  return () => {
    if (own === undefined) {
      Reflect.deleteProperty(performance, 'now');
    } else {
      Object.defineProperty(performance, 'now', own);
    }
  };
}
