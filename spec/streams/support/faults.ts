import { DmaError, type DmaMapRequest, type DmaTarget, type MemoryRange } from '../../../streams/index.js';
import { FakeVaMapper, RecordingTarget, type RecordingTargetOptions } from '../../../testing/index.js';
import type { VaBatches } from '../../support/va-batches.js';

/** Decides which calls of all fakes fail: the n-th, the n-th and all later ones, or some by a pattern. */
export class FaultPlan {
  /** Whether a call has failed. */
  struck = false;
  /** The error code of the calls of targets that fail. */
  code = 'EIO';
  #count = 0;
  #first = Number.POSITIVE_INFINITY;
  #onwards = false;
  #pattern: readonly boolean[] = [];

  /** From the next call, which is number 0, on. */
  arm(first: number, onwards: boolean): void {
    this.#count = 0;
    this.#first = first;
    this.#onwards = onwards;
    this.struck = false;
  }

  /** Repeats a pattern of failures, from the next call on. */
  repeat(pattern: readonly boolean[]): void {
    this.#count = 0;
    this.#pattern = pattern;
  }

  disarm(): void {
    this.#first = Number.POSITIVE_INFINITY;
    this.#pattern = [];
  }

  /** Counts a call, and returns whether it fails. */
  strikes(): boolean {
    const number = this.#count++;
    const fails =
      this.#pattern.length > 0
        ? this.#pattern[number % this.#pattern.length] === true
        : this.#onwards
          ? number >= this.#first
          : number === this.#first;
    this.struck ||= fails;
    return fails;
  }
}

/** Watches the addresses of a VA mapper. */
export interface Watched {
  /** The ranges that have an address, in ascending order. */
  held(): readonly MemoryRange[];
  /** A text for each call that broke the contract. */
  readonly violations: string[];
  /** The targets that use its addresses. */
  readonly users: FaultyTarget[];
}

/** A target that returns no observables. */
export interface SettledTarget extends DmaTarget {
  mapDma(request: DmaMapRequest): void | Promise<void>;
  unmapDma(range: MemoryRange): void | Promise<void>;
}

export interface FaultyTargetOptions extends Omit<RecordingTargetOptions, 'reply'> {
  readonly reply?: 'sync' | 'async' | (() => Promise<void>);
  /** The target that does the work. It is called first, unless the call fails. */
  readonly inner?: SettledTarget | undefined;
}

/** A recording target that fails by plan, and checks that VAs exist as long as they are needed. */
export class FaultyTarget extends RecordingTarget implements SettledTarget {
  readonly #plan: FaultPlan;
  readonly #va: Watched | undefined;
  readonly #inner: SettledTarget | undefined;
  #strikes = false;

  constructor(plan: FaultPlan, va: Watched | undefined, options: FaultyTargetOptions) {
    const { inner, ...recording } = options;
    super(recording);
    this.#plan = plan;
    this.#inner = inner;
    this.#va = va;
    if (options.needsVa === true) {
      va?.users.push(this);
    }
    this.failWhen(() => (this.#strikes ? plan.code : undefined));
    const { beginSet, endSet } = this;
    if (beginSet !== undefined && endSet !== undefined) {
      this.beginSet = (generation) => this.#byPlan(() => beginSet(generation));
      this.endSet = (generation) => this.#byPlan(() => endSet(generation));
    }
  }

  /** Its maps with access and file offset, in ascending order: `'0x0-0x1000 rw 0x7000'`. */
  contents(): string[] {
    return this.heldRequests().map(
      ({ range, writable, fileOffset }) => `${range} ${writable ? 'rw' : 'ro'} 0x${fileOffset.toString(16)}`,
    );
  }

  override mapDma(request: DmaMapRequest): void | Promise<void> {
    const { range } = request;
    if (this.needsVa && this.#va?.held().some((held) => held.equals(range)) !== true) {
      this.violations.push(`map ${range} came before its VA was there`);
    }
    return this.#byPlan(
      () => super.mapDma(request),
      () => this.#inner?.mapDma(request),
    );
  }

  override unmapDma(range: MemoryRange): void | Promise<void> {
    return this.#byPlan(
      () => super.unmapDma(range),
      () => this.#inner?.unmapDma(range),
    );
  }

  #byPlan(call: () => unknown, work?: () => void | Promise<void>): void | Promise<void> {
    this.#strikes = this.#plan.strikes();
    const done = this.#strikes ? undefined : work?.();
    // The option `reply` makes no observables.
    return (done === undefined ? call() : done.then(call)) as void | Promise<void>;
  }
}

/** A VA mapper that fails by plan, and checks that no address is released while a target has it mapped. */
export class FaultyVaMapper extends FakeVaMapper implements Watched {
  readonly users: FaultyTarget[] = [];
  readonly #plan: FaultPlan;

  constructor(plan: FaultPlan, batches: VaBatches = 'none') {
    super({ batches });
    this.#plan = plan;
    this.failWhen(({ kind }) => (kind === 'ensure' && plan.strikes() ? 'ENOMEM' : undefined));
  }

  override release(range: MemoryRange): void {
    const user = this.users.find((target) => target.held().some((held) => held.overlaps(range)));
    if (user !== undefined) {
      this.violations.push(`release ${range}, which is mapped at ${user.name}`);
    }
    super.release(range);
    if (this.#plan.strikes()) {
      throw new DmaError('failed on plan after the work was done', { code: 'EIO', range });
    }
  }
}
