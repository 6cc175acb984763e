/**
 * A clock that moves on by so much whenever it is looked at, in milliseconds: so work that looks at it pauses after the same number of steps on
 * any machine. Returns what gives the real one back.
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
