import type { ChangeSet, MapChange, Outcome } from '../contracts/change-set.js';
import type { DmaError, TargetRange } from '../contracts/errors.js';
import type { TargetPort } from '../target/target-port.js';
import type { Coroutine } from '../util/coroutine.js';

/** The destination of a change set: a branch, or an attachment. */
export interface Receiver {
  serve(set: ChangeSet): Outcome | Promise<Outcome>;
  /** The reason why it can serve no more maps. */
  readonly broken: DmaError | undefined;
  /** Whether exactly this range is stuck at the target of this name. */
  isStuck(at: TargetRange): boolean;
  /** Its targets, in order; empty when none has registered itself. */
  readonly ports: readonly TargetPort[];
  /** Whether adjacent receivers that are also `concurrent` may be served at the same time. */
  readonly concurrent: boolean;
}

/** Work of the caller between the steps of a delivery. */
export interface DeliveryHooks {
  /** The mappings that the set unmaps, ascending. Called only by an undo, which maps them again. */
  unmapped(): Coroutine<readonly MapChange[]>;
  /** Called once, when every receiver has answered the unmaps, before the maps. */
  beforeMaps?(): Coroutine<void> | undefined;
  /** Called by an undo after the maps have been unmapped, before the unmapped mappings are mapped again. */
  beforeRestore?(): Coroutine<void>;
}
