import { Inner } from './inner.js';

/** What the spec of `enteredFiles` calls. Its lines count: the spec names one. */
export function outer(): number {
  return [1].map((one) => one + helper(new Inner()))[0] ?? 0;
}

function helper(inner: Inner): number {
  return small() + inner.value;
}

/** Small enough that V8 inlines it. */
export function small(): number {
  return 1;
}

export function notCalled(): number {
  return 2;
}
