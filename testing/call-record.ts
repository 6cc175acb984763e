import { Subject, type Observable } from 'rxjs';
import type { MemoryRange } from '../streams/index.js';

/** A call that a fake received. */
export interface FakeCall {
  /** Counted from 0 since the calls were last taken. */
  readonly number: number;
  /** The method: `mapDma`, `unmapDma`, `beginSet`, `endSet`, `ensureMapped`, `release`. */
  readonly kind: 'map' | 'unmap' | 'begin' | 'end' | 'ensure' | 'release';
  /** `undefined` for the begin and the end of a set. */
  readonly range: MemoryRange | undefined;
  /** `'map 0x0-0x4000 rw'`, `'unmap 0x0-0x4000'`, `'begin 3'`, `'end 3'`, `'ensure 0x0-0x4000'`, `'release 0x0-0x4000'`. */
  readonly text: string;
}

/** Decides which calls fail: returns the error code of a call that fails, and `undefined` for the others. */
export type FailurePlan = (call: FakeCall) => string | undefined;

/** The calls of a fake, as texts, and which of them fail. */
export class CallRecord {
  /** The calls since they were last taken, in order. A failed call has its code at the end: `'map 0x0-0x1000 rw -> EIO'`. */
  readonly texts: string[] = [];
  readonly #name: string;
  readonly #journal: string[] | undefined;
  readonly #texts$ = new Subject<string>();
  #plans: FailurePlan[] = [];

  constructor(name: string, journal: string[] | undefined) {
    this.#name = name;
    this.#journal = journal;
  }

  /** Emits each call when it is made, with the same text as in `texts`. Never completes. */
  get texts$(): Observable<string> {
    return this.#texts$.asObservable();
  }

  /** Records a call. Returns the error code with which it fails: `breach` if given, otherwise as planned; `undefined` if it succeeds. */
  record(call: Omit<FakeCall, 'number'>, breach?: string): string | undefined {
    const code = breach ?? this.#planned({ ...call, number: this.texts.length });
    const text = code === undefined ? call.text : `${call.text} -> ${code}`;
    this.texts.push(text);
    this.#journal?.push(`${this.#name}: ${text}`);
    this.#texts$.next(text);
    return code;
  }

  /** Returns the texts, and starts again at number 0. */
  take(): string[] {
    return this.texts.splice(0);
  }

  /** Adds a plan. A call fails with the code of the first plan that has one for it. */
  fail(plan: FailurePlan): void {
    this.#plans.push(plan);
  }

  clearFailures(): void {
    this.#plans = [];
  }

  #planned(call: FakeCall): string | undefined {
    for (const plan of this.#plans) {
      const code = plan(call);
      if (code !== undefined) {
        return code;
      }
    }
    return undefined;
  }
}
