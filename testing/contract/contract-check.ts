import type { DmaTarget } from '../../streams/index.js';
import type { CheckBench } from './check-bench.js';
import type { Sight } from './look.js';

/** What decides which checks apply: the optional members of a target, and the options. */
export interface Traits {
  readonly target: Partial<DmaTarget>;
  readonly isExact: boolean;
  readonly sight: Sight;
  /** Whether there is a range that the target refuses to map. */
  readonly hasRefused: boolean;
  /** Whether the peer of a target can be ended. */
  readonly hasPeer: boolean;
}

/** One rule of the contract of `DmaTarget`. */
export interface ContractCheck {
  readonly name: string;
  /** The rule, with the member that states it. */
  readonly rule: string;
  /** Default: applies to every target. */
  readonly applies?: (traits: Traits) => boolean;
  readonly run: (bench: CheckBench) => Promise<void>;
}
