import {
  DmaError,
  type DmaMapRequest,
  type DmaTarget,
  type HostVa,
  type MapChange,
  type MemoryRange,
} from '../../../streams/index.js';
import { FakeVaMapper, type Sets } from '../../support/fake-va-mapper.js';
import { RecordingTarget, type RecordingTargetOptions } from '../../support/recording-target.js';

/** Decides which calls of all fakes fail: the n-th, the n-th and all later ones, or some by a pattern. */
export class FaultPlan {
  /** Whether a call has failed. */
  struck = false;
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

export interface FaultyTargetOptions extends RecordingTargetOptions {
  /** The target that does the work. It is called first, unless the call fails. */
  readonly inner?: SettledTarget | undefined;
}

/** A recording target that fails by plan, records its maps, and checks that VAs exist as long as they are needed. */
export class FaultyTarget extends RecordingTarget {
  readonly #plan: FaultPlan;
  readonly #va: Watched | undefined;
  readonly #inner: SettledTarget | undefined;
  readonly #details = new Map<number, string>();

  constructor(plan: FaultPlan, va: Watched | undefined, options: FaultyTargetOptions) {
    super(options);
    this.#plan = plan;
    this.#inner = options.inner;
    this.#va = va;
    if (options.needsVa === true) {
      va?.users.push(this);
    }
  }

  /** Its maps with access and file offset, in ascending order: `'0x0-0x1000 rw 0x7000'`. */
  contents(): string[] {
    return this.held().map((range) => this.#details.get(range.startPage) ?? `${range.toString()} of nowhere`);
  }

  override mapDma(request: DmaMapRequest): void | Promise<void> {
    const { range, writable, fileOffset } = request;
    if (this.needsVa && this.#va?.held().some((held) => held.equals(range)) !== true) {
      this.violations.push(`map ${range.toString()} came before its VA was there`);
    }
    const answer = this.#byPlan(
      () => super.mapDma(request),
      () => this.#inner?.mapDma(request),
    );
    const remember = (): void => {
      this.#details.set(range.startPage, `${range.toString()} ${writable ? 'rw' : 'ro'} 0x${fileOffset.toString(16)}`);
    };
    if (answer === undefined) {
      remember();
      return undefined;
    }
    return answer.then(remember);
  }

  override unmapDma(range: MemoryRange): void | Promise<void> {
    return this.#byPlan(
      () => super.unmapDma(range),
      () => this.#inner?.unmapDma(range),
    );
  }

  #byPlan(call: () => void | Promise<void>, work: () => void | Promise<void>): void | Promise<void> {
    if (!this.#plan.strikes()) {
      const done = work();
      return done === undefined ? call() : done.then(call);
    }
    try {
      this.failAll();
      return call();
    } finally {
      this.mend();
    }
  }
}

/** A VA mapper that fails by plan, and checks that no address is released while a target has it mapped. */
export class FaultyVaMapper extends FakeVaMapper implements Watched {
  readonly users: FaultyTarget[] = [];
  readonly #plan: FaultPlan;

  constructor(plan: FaultPlan, sets?: Sets) {
    super(sets === undefined ? {} : { sets });
    this.#plan = plan;
  }

  override ensureMapped(change: MapChange): HostVa {
    if (!this.#plan.strikes()) {
      return super.ensureMapped(change);
    }
    try {
      this.failAll();
      return super.ensureMapped(change);
    } finally {
      this.mend();
    }
  }

  override release(range: MemoryRange): void {
    const user = this.users.find((target) => target.held().some((held) => held.overlaps(range)));
    if (user !== undefined) {
      this.violations.push(`release ${range.toString()}, which is mapped at ${user.name}`);
    }
    super.release(range);
    if (this.#plan.strikes()) {
      throw new DmaError('made to fail after the work was done', { code: 'EIO', range });
    }
  }
}
