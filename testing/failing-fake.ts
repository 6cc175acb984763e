import type { Observable } from 'rxjs';
import { MemoryRange } from '../streams/index.js';
import { printable, show } from '../streams/internal.js';
import type { CallRecord, FailurePlan, FakeCall } from './call-record.js';

const KINDS: readonly FakeCall['kind'][] = ['map', 'unmap', 'begin', 'end', 'ensure', 'release'];

/** What the fakes of this kit have in common: a record of calls, failures on plan, and breaches of the contract by their caller. */
export abstract class FailingFake {
  /** Name in the journal and in errors. */
  abstract readonly name: string;
  /** A sentence for each call that breached the contract. */
  readonly violations: string[] = [];
  /** @internal */
  protected readonly record: CallRecord;
  readonly #defaultCode: string;

  /** @internal */
  protected constructor(record: CallRecord, defaultCode: string) {
    this.record = record;
    this.#defaultCode = defaultCode;
  }

  /** The calls since they were last taken, in order. A failed call has its code at the end: `'map 0x0-0x1000 rw -> EIO'`. */
  get calls(): readonly string[] {
    return this.record.texts;
  }

  /** Hot. Emits the text of each call when the call is made, within it. A late subscriber gets later calls only. Never completes, never errors. */
  get calls$(): Observable<string> {
    return this.record.texts$;
  }

  /** Returns the calls since the last `takeCalls`. The next call has the number 0. */
  takeCalls(): string[] {
    return this.record.take();
  }

  /** Makes the call with this number fail. Numbers count from 0 since the last `takeCalls`. */
  failCall(number: number, code = this.#defaultCode): this {
    if (!Number.isSafeInteger(number) || number < 0) {
      throw new TypeError(`failCall takes the number of a call, counted from 0, not ${show(number)}`);
    }
    return this.failWhen((call) => (call.number === number ? code : undefined));
  }

  /**
   * Makes every call fail whose text starts with `prefix`, for example `'unmap'`. Default: every call.
   *
   * @throws TypeError if no call has such a text
   */
  failAll(prefix = '', code = this.#defaultCode): this {
    if (!KINDS.some((kind) => kind.startsWith(prefix) || prefix.startsWith(`${kind} `))) {
      throw new TypeError(`no call starts with ${show(prefix)}: calls start with ${KINDS.join(', ')}`);
    }
    return this.failWhen((call) => (call.text.startsWith(prefix) ? code : undefined));
  }

  /** Makes every call fail that overlaps a range, given as a `MemoryRange` or as a text like `'0x1000-0x2000'`. */
  failRange(range: MemoryRange | string, code = this.#defaultCode): this {
    const failing = typeof range === 'string' ? MemoryRange.parse(range) : range;
    return this.failWhen((call) => (call.range?.overlaps(failing) === true ? code : undefined));
  }

  /** Makes the calls fail for which `plan` returns a code. Plans add up; the first code counts. */
  failWhen(plan: FailurePlan): this {
    this.record.fail(plan);
    return this;
  }

  /** Removes all plans: no call fails any more. */
  clearFailures(): this {
    this.record.clearFailures();
    return this;
  }

  /** Throws an error with all `violations`, if there are any. */
  checkContract(): void {
    if (this.violations.length > 0) {
      throw new Error(`the contract was breached:\n${this.violations.map((text) => `  ${text}`).join('\n')}`);
    }
  }
}

printable(FailingFake, ({ calls, violations }) => ({ calls: calls.length, violations }));
