import { expect } from 'chai';
import { delay, Observable, of, Subject } from 'rxjs';
import { mapInOrder } from '../../../streams/util/map-in-order.js';
import { marbleTest } from '../../../testing/index.js';

/** A thenable that settles after so many frames of marble time, which a promise could not. */
function after<T>(frames: number, value: T): Promise<T> {
  return {
    then: (resolve: (value: T) => void) => {
      of(value).pipe(delay(frames)).subscribe(resolve);
    },
  } as unknown as Promise<T>;
}

function answered(
  source$: Observable<string>,
  answer: (value: string) => string | Promise<string>,
): Observable<string> {
  return source$.pipe(mapInOrder(answer));
}

const upper = (value: string): string => value.toUpperCase();
const later = (value: string): Promise<string> => after(3, value.toUpperCase());

describe('mapInOrder', () => {
  it('emits a synchronous result in the same frame', () => {
    marbleTest(({ cold, expectObservable }) => {
      expectObservable(answered(cold('a-(bc)-|'), upper)).toBe('A-(BC)-|');
    });
  });

  it('maps one value at a time, and queues those that arrive meanwhile', () => {
    marbleTest(({ cold, expectObservable }) => {
      expectObservable(answered(cold('ab-----c|'), later)).toBe('---A--B---(C|)');
    });
  });

  it('keeps the order when a fast value waits behind a slow one', () => {
    marbleTest(({ cold, expectObservable }) => {
      const mixed = (value: string): string | Promise<string> => (value === 's' ? after(5, 'S') : upper(value));
      expectObservable(answered(cold('sab---------c|'), mixed)).toBe('-----(SAB)--C|');
    });
  });

  it('completes when all values before have been mapped', () => {
    marbleTest(({ cold, expectObservable }) => {
      expectObservable(answered(cold('a|'), later)).toBe('---(A|)');
      expectObservable(answered(cold('|'), later)).toBe('|');
    });
  });

  it('errors as its source does when all values before have been mapped', () => {
    marbleTest(({ cold, expectObservable }) => {
      expectObservable(answered(cold('ab#'), later)).toBe('---A--(B#)');
    });
  });

  it('errors when the projection throws or rejects', () => {
    marbleTest(({ cold, expectObservable }) => {
      const boom = new Error('boom');
      const throws = (value: string): string => {
        if (value === 'b') {
          throw boom;
        }
        return upper(value);
      };
      expectObservable(answered(cold('a-b-c|'), throws)).toBe('A-#', undefined, boom);
    });
    const failures: unknown[] = [];
    const source = new Subject<string>();
    const rejecting = {
      then: (_: unknown, reject: (error: unknown) => void) => {
        reject('boom');
      },
    } as unknown as Promise<string>;
    answered(source, () => rejecting).subscribe({ error: (error: unknown) => failures.push(error) });
    source.next('a');
    source.next('b');
    expect(failures).to.deep.equal(['boom']);
  });

  it('maps no further value once it is unsubscribed', () => {
    marbleTest(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const started: string[] = [];
      const source = cold('abc---|');
      const slow = (value: string): Promise<string> => {
        started.push(value);
        return later(value);
      };
      expectObservable(answered(source, slow), '^---!').toBe('---A-');
      expectSubscriptions(source.subscriptions).toBe('^---!');
      flush();
      expect(started).to.deep.equal(['a', 'b']);
    });
  });

  it('emits the result of a value that arrives during an emission after it, not within it', () => {
    const source = new Subject<string>();
    const seen: string[] = [];
    answered(source, upper).subscribe((answer) => {
      seen.push(answer);
      if (answer === 'A') {
        source.next('b');
        seen.push('A is done');
      }
    });
    source.next('a');
    expect(seen).to.deep.equal(['A', 'A is done', 'B']);
  });
});
