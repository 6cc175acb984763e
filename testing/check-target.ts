import { MemoryRange, type DmaTarget, type Mappable, type VaMapper } from '../streams/index.js';
import { isClass, isObject, makersOf, PAGE_SIZE, show, toBytes } from '../streams/internal.js';
import { rangeOf, type RangeLike } from './builders.js';
import { checkNames } from './checks.js';
import { BATCHES } from './contract/batches.js';
import { CALL_ENDS } from './contract/call-ends.js';
import { CHECK_PAGES, CheckBench, type BenchOptions } from './contract/check-bench.js';
import type { ContractCheck, Traits } from './contract/contract-check.js';
import { withRule } from './contract/contract-error.js';
import { DECLARED_MEMBERS } from './contract/declared-members.js';
import { GONE_PEERS } from './contract/gone-peers.js';
import { LISTINGS } from './contract/listings.js';
import { sightOf, type Sight } from './contract/look.js';
import { SET_HOOKS } from './contract/set-hooks.js';
import { SIDE_BY_SIDE } from './contract/side-by-side.js';
import { SINGLE_CALLS } from './contract/single-calls.js';
import { WITH_MANAGER } from './contract/with-manager.js';

/** One rule of the contract of `DmaTarget`, as a test. */
export interface TargetCheck {
  /** In plain English, for the title of a test. Unique in the list. */
  readonly name: string;
  /**
   * What the check can see of the target: `'maps'`: the ranges that it holds; `'count'`: their number; `'calls'`: only which of its calls
   * succeed. See the option `held`.
   */
  readonly sees: 'maps' | 'count' | 'calls';
  /**
   * Makes a new target, checks it, and closes it. Resolves when the target keeps the rule.
   *
   * @throws Error when it does not: the first line of the message says what was expected and what the target did; the others give the steps
   * up to there, and the rule. Its `cause` is the error of the target, if there was one
   */
  readonly run: () => Promise<void>;
}

/** Memory and addresses for the checks of `checkTarget`, and how they see what a target holds. */
export interface CheckTargetOptions<T extends DmaTarget = DmaTarget> {
  /**
   * Makes the memory of the maps, for a target that uses it: `() => Memfd.create('memory', 64n << 12n)`. At least 64 pages long, and as long
   * as `refused`. Called once for each check; a method `close` of the memory is called at the end. Default: a `FakeMappable`.
   */
  readonly mappable?: () => Mappable;
  /**
   * Makes a VA mapper, for a target with `needsVa` that uses the addresses: `() => new RamBlocks()`. Each target of a
   * check, and each manager, has its own; a method `close` of it is called at the end. Default: a `FakeVaMapper`.
   */
  readonly vaMapper?: () => VaMapper;
  /** Addresses that the target can map: at least 64 pages. The checks use the first 64. Default: 16 MiB from 1 MiB on, or more for large pages. */
  readonly range?: RangeLike;
  /** Every map is a multiple of this number of bytes long, and its addresses and file offset are multiples of it. Default: 4096. */
  readonly pageSize?: bigint | number;
  /**
   * Returns the ranges that the target holds now, in any order, for a target without `mappedRanges`. Each range is one map.
   *
   * Default: `mappedRanges` of the target. A target that has neither is compared by `mappedCount`. Without that as well the checks can only
   * see which calls succeed; they then find fewer faults, and `sees` of each check is `'calls'`.
   */
  readonly held?: (target: T) => readonly MemoryRange[] | Promise<readonly MemoryRange[]>;
  /**
   * A range that the target refuses to map, for example outside its aperture; outside `range`. Adds the checks of failed maps: nothing is
   * left of a failed map, its set is undone, and a batch stops there. Default: none; these checks are left out.
   */
  readonly refused?: RangeLike;
  /**
   * Ends the peer of a target, for example kills the process that serves it. Resolves when it has ended. Adds the checks of targets that are
   * gone: calls fail with `ERR_TARGET_GONE`, and nothing is stuck. Default: none; these checks are left out.
   */
  readonly endPeer?: (target: T) => void | Promise<void>;
  /** Closes a target. Called after each check for each target that it made, also when it failed. */
  readonly close?: (target: T) => void | Promise<void>;
}

const FUNCTIONS: readonly string[] = ['mappable', 'vaMapper', 'held', 'endPeer', 'close'];
const OPTIONS: readonly string[] = [...FUNCTIONS, 'range', 'pageSize', 'refused'];

const ALL_CHECKS: readonly ContractCheck[] = [
  ...DECLARED_MEMBERS,
  ...SINGLE_CALLS,
  ...CALL_ENDS,
  ...BATCHES,
  ...SET_HOOKS,
  ...WITH_MANAGER,
  ...LISTINGS,
  ...SIDE_BY_SIDE,
  ...GONE_PEERS,
];

/**
 * The contract of `DmaTarget` as a list of tests, for any test runner. Checks that do not apply to the target, such as those of batches for a
 * target without them, are not in the list.
 *
 * Each check uses new targets of its own, and can be run alone, in any order, and again. `makeTarget` is also called once by `checkTarget`
 * itself, to see which members the target has; that target is closed at once. Run one check at a time.
 *
 * A target whose call never ends makes its check wait: the time limit is that of the test runner.
 *
 * @param makeTarget makes a new target that holds nothing. With a function that returns a promise, `checkTarget` returns a promise, too
 * @param options memory, addresses, and how to see what the target holds
 * @throws TypeError or RangeError for a wrong option, and what `makeTarget` throws
 *
 * @example
 * ```ts
 * import { checkTarget } from 'dma-streams/testing';
 * import { SoftIommuTarget } from 'dma-streams/targets';
 * import { describe, it } from 'node:test';
 *
 * describe('SoftIommuTarget keeps the contract', () => {
 *   for (const { name, run } of checkTarget(() => new SoftIommuTarget())) {
 *     it(name, run);
 *   }
 * });
 * ```
 */
export function checkTarget<T extends DmaTarget>(
  makeTarget: () => T,
  options?: CheckTargetOptions<T>,
): readonly TargetCheck[];
export function checkTarget<T extends DmaTarget>(
  makeTarget: () => Promise<T>,
  options?: CheckTargetOptions<T>,
): Promise<readonly TargetCheck[]>;
export function checkTarget<T extends DmaTarget>(
  makeTarget: () => T | Promise<T>,
  options: CheckTargetOptions<T> = {},
): readonly TargetCheck[] | Promise<readonly TargetCheck[]> {
  checkOptions(options);
  const bench = benchOptions(makeTarget, options);
  const made = makeTarget();
  if (made instanceof Promise) {
    return made.then(async (target) => {
      const checks = checksOf(target, bench);
      await options.close?.(target);
      return checks;
    });
  }
  const checks = checksOf(made, bench);
  const closed = closeListed(made, options.close);
  closed.catch(() => undefined); // It fails the checks.
  return checks.map((check) => ({
    ...check,
    run: async () => {
      await closed;
      await check.run();
    },
  }));
}

async function closeListed<T extends DmaTarget>(target: T, close: CheckTargetOptions<T>['close']): Promise<void> {
  await close?.(target);
}

function checksOf(target: DmaTarget, options: BenchOptions): readonly TargetCheck[] {
  const made: unknown = target;
  if (typeof made !== 'object' || made === null) {
    throw new TypeError(
      `makeTarget of checkTarget must return a target, but it returned ${show(made)}: () => new MyTarget()`,
    );
  }
  const sight: Sight = sightOf(target, options.held);
  const isExact = target.unmapShape === 'exact';
  const traits: Traits = {
    target,
    isExact,
    sight,
    hasRefused: options.refused !== undefined,
    hasPeer: options.endPeer !== undefined,
  };
  return ALL_CHECKS.filter(({ applies }) => applies?.(traits) ?? true).map((check) => ({
    name: check.name,
    sees: sight,
    run: () => runCheck(check, options),
  }));
}

async function runCheck({ rule, run }: ContractCheck, options: BenchOptions): Promise<void> {
  const bench = new CheckBench(options);
  let failure: Error | undefined;
  try {
    await run(bench);
  } catch (error) {
    failure = withRule(error, rule, bench.steps);
  }
  await bench.close().catch((error: unknown) => {
    failure ??= withRule(error, 'checkTarget: the target, its memory and its manager can be closed', bench.steps);
  });
  if (failure !== undefined) {
    throw failure;
  }
}

/** @throws TypeError for an option that does not exist, and for a function that is none: a check that looks at nothing would pass */
function checkOptions(options: object): void {
  checkNames(options, OPTIONS, 'checkTarget');
  for (const [name, value] of Object.entries(options)) {
    if (FUNCTIONS.includes(name) && value !== undefined && typeof value !== 'function') {
      throw new TypeError(`${name} of checkTarget must be a function, not ${show(value)}`);
    }
  }
}

/** Each check needs a new target: a function that makes one, not a target, and not its class. */
function checkMaker(makeTarget: unknown): void {
  if (typeof makeTarget === 'function' && !isClass(makeTarget)) {
    return;
  }
  const type: unknown = isObject(makeTarget) ? Reflect.get(makeTarget, 'constructor') : makeTarget;
  const given = isClass(type) && type !== makeTarget ? `a ${type.name}` : show(makeTarget);
  const makers = isClass(type) ? makersOf(type) : 'new MyTarget(…)';
  throw new TypeError(
    `checkTarget takes a function that makes a new target, not ${given}: checkTarget(() => ${makers})`,
  );
}

function benchOptions<T extends DmaTarget>(
  makeTarget: () => T | Promise<T>,
  { range, pageSize: given = PAGE_SIZE, ...options }: CheckTargetOptions<T>,
): BenchOptions {
  checkMaker(makeTarget);
  const pageSize = toBytes(given, 'pageSize of checkTarget');
  if (pageSize === 0n || pageSize % PAGE_SIZE !== 0n) {
    throw new RangeError(`pageSize of checkTarget must be a multiple of ${PAGE_SIZE}, not ${pageSize}`);
  }
  const needed = BigInt(CHECK_PAGES) * pageSize;
  const start = pageSize > 0x10_0000n ? pageSize : 0x10_0000n;
  const used =
    range === undefined ? MemoryRange.ofLength(start, needed > 0x100_0000n ? needed : 0x100_0000n) : rangeOf(range);
  if (used.length < needed || used.start % pageSize !== 0n) {
    const rule = `must have at least ${CHECK_PAGES} pages of ${pageSize} bytes, and start at a multiple of that`;
    throw new RangeError(`range of checkTarget is ${used}, but it ${rule}`);
  }
  const refused = options.refused === undefined ? undefined : rangeOf(options.refused);
  if (refused?.overlaps(MemoryRange.ofLength(used.start, needed)) === true) {
    throw new RangeError(
      `refused of checkTarget is ${refused}, but it must not overlap the range ${used} of the checks`,
    );
  }
  const { mappable, vaMapper, held, endPeer, close } = options;
  return {
    makeTarget,
    mappable,
    vaMapper,
    range: used,
    pageSize,
    refused,
    // The targets of the checks are those of `makeTarget`.
    held: held && ((target) => held(target as T)),
    endPeer: endPeer && ((target) => endPeer(target as T)),
    close: close && ((target) => close(target as T)),
  };
}
