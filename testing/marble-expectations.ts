import { AssertionError, deepStrictEqual } from 'node:assert/strict';
import { inspect } from 'node:util';
import type { ObservableNotification } from 'rxjs';

/** What RxJS records of an observable. */
interface Message {
  readonly frame: number;
  readonly notification: ObservableNotification<unknown>;
}

/** What RxJS records of a subscription. */
interface SubscriptionFrames {
  readonly subscribedFrame: number;
  readonly unsubscribedFrame: number;
}

/** One line of what is compared. */
export type Recorded = Message | SubscriptionFrames;

interface Expectation {
  readonly what: string;
  /** What it was compared with; `undefined` as long as that is not known. */
  than: string | undefined;
}

const NOTHING_MORE =
  'Nothing came after that. A call that answers with a promise does not end in virtual time: use an observable.';

/** The expectations of a marble test, which RxJS compares in the order in which they were made. */
export class Expectations {
  readonly #open: Expectation[] = [];
  readonly #caller: (...args: never[]) => void;

  /** @param caller the function whose caller is the first line of the stack of an error */
  constructor(caller: (...args: never[]) => void) {
    this.#caller = caller;
  }

  /** Notes that an expectation is made. Returns a function that has to be called with what it is compared with. */
  add(what: string): (than: string) => void {
    const expectation: Expectation = { what, than: undefined };
    this.#open.push(expectation);
    return (than) => {
      expectation.than = than;
    };
  }

  /** Compares what was received for the next expectation. */
  compare(received: readonly Recorded[], expected: readonly Recorded[]): void {
    const index = this.#open.findIndex(({ than }) => than !== undefined);
    const [expectation] = this.#open.splice(index, 1);
    try {
      deepStrictEqual(received, expected);
    } catch (error) {
      const head = `${expectation?.what ?? ''} differ from ${expectation?.than ?? ''}`;
      const message = [head, ...difference(received.map(lineOf), expected.map(lineOf), error as Error)].join('\n');
      throw new AssertionError({ message, stackStartFn: this.#caller });
    }
  }

  /** Throws an error if an expectation was never compared, because it has no `toBe`. */
  checkAllCompared(): void {
    const [forgotten] = this.#open;
    if (forgotten !== undefined) {
      throw new Error(`an expectation of ${forgotten.what} was not compared: add .toBe(...) to it`);
    }
  }
}

function difference(received: readonly string[], expected: readonly string[], error: Error): string[] {
  const lines = ['expected:', ...marked('-', expected, received), 'received:', ...marked('+', received, expected)];
  const isStart = received.every((line, index) => line === expected[index]);
  if (!isStart) {
    return lines;
  }
  return received.length < expected.length ? [...lines, NOTHING_MORE] : [...lines, error.message];
}

/** Indents lines, and marks those that the other list does not have. */
function marked(mark: string, lines: readonly string[], other: readonly string[]): string[] {
  const shown = lines.map((line) => `${other.includes(line) ? ' ' : mark} ${line}`);
  return shown.length === 0 ? ['  nothing'] : shown;
}

function lineOf(record: Recorded): string {
  if ('subscribedFrame' in record) {
    const { subscribedFrame, unsubscribedFrame } = record;
    const end = unsubscribedFrame === Infinity ? 'never unsubscribed' : `unsubscribed in frame ${unsubscribedFrame}`;
    return `subscribed in frame ${subscribedFrame}, ${end}`;
  }
  const { frame, notification } = record;
  switch (notification.kind) {
    case 'N':
      return `frame ${frame}: ${textOf(notification.value)}`;
    case 'E':
      return `frame ${frame}: error ${textOf(notification.error)}`;
    case 'C':
      return `frame ${frame}: complete`;
  }
}

function textOf(value: unknown): string {
  return value instanceof Error ? String(value) : inspect(value, { depth: 8, breakLength: Infinity, compact: true });
}
