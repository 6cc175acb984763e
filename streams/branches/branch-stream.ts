import { Observable, type Operator, type Subscriber, type TeardownLogic } from 'rxjs';
import { frozenSet } from '../changes/frozen-set.js';
import type { ChangeSet } from '../contracts/change-set.js';
import type { TargetPort } from '../target/target-port.js';
import { run } from '../util/coroutine.js';
import { mapInOrder } from '../util/map-in-order.js';

/** The addresses of a VA mapper that a branch uses. */
export interface HeldAddresses {
  /** The object with which a manager has claimed the mapper; `undefined` when no manager owns it. */
  readonly owner: object | undefined;
}

/** What a branch has in it, as far as its operators tell. */
export interface BranchParts {
  /** The ports of its targets, in order. */
  readonly ports: readonly TargetPort[];
  /** The addresses of its VA mappers. */
  readonly vas: readonly HeldAddresses[];
  /**
   * All ports that were made for its sets, to which `toTarget` and `fanOut` add; `undefined` outside of a branch. A port
   * that `ports` does not name is behind an observable that was combined with this one.
   */
  readonly made?: TargetPort[] | undefined;
}

const NO_PARTS: BranchParts = { ports: [], vas: [] };

/* eslint-disable rxjs-x/no-subclass, @typescript-eslint/no-deprecated -- `lift` is how the operators of RxJS 7 make their result */

/**
 * An observable between two operators of a branch, or at its end, with the parts of the branch up to there. Operators
 * of RxJS hand the parts on. An observable that is made in another way has none: the branch then counts as one whose
 * targets are not known.
 */
export class BranchStream<T> extends Observable<T> {
  readonly parts: BranchParts;

  constructor(parts: BranchParts, subscribe?: (subscriber: Subscriber<T>) => TeardownLogic) {
    super(subscribe);
    this.parts = parts;
  }

  /** Called by each operator of RxJS 7, to make its result. */
  override lift<R>(operator?: Operator<T, R>): Observable<R> {
    const lifted = new BranchStream<R>(this.parts);
    lifted.source = this;
    lifted.operator = operator;
    return lifted;
  }
}

/** The parts of a branch up to this observable. */
export function partsOf(stream: Observable<unknown>): BranchParts {
  return stream instanceof BranchStream ? stream.parts : NO_PARTS;
}

/**
 * The change sets of a branch. All branches of a manager share their objects: the operators of this library, which
 * change nothing, read them as they are; everybody else gets them frozen.
 */
export class SetStream extends BranchStream<ChangeSet> {
  readonly shared: Observable<ChangeSet>;

  constructor(parts: BranchParts, shared: Observable<ChangeSet>) {
    super(parts, (subscriber) => shared.pipe(mapInOrder((set) => run(frozenSet(set)))).subscribe(subscriber));
    this.shared = shared;
  }
}

/** The change sets for an operator of this library, which must not change them. */
export function sharedSets(changes$: Observable<ChangeSet>): Observable<ChangeSet> {
  return changes$ instanceof SetStream ? changes$.shared : changes$;
}
