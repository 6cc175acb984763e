import { MemoryRange, type DmaTarget, type MapChange, type Mappable, type VaMapper } from '../../streams/index.js';
import { mapOf, type RangeLike } from '../builders.js';
import { FakeMappable } from '../fake-mappable.js';
import { FakeVaMapper } from '../fake-va-mapper.js';
import { Steps, thrownText } from './contract-error.js';
import { look, type HeldOption } from './look.js';
import { TestedTarget } from './tested-target.js';

/** The options of `checkTarget`, with the functions that make and close a target. */
export interface BenchOptions {
  readonly makeTarget: () => DmaTarget | Promise<DmaTarget>;
  readonly mappable?: (() => Mappable) | undefined;
  readonly vaMapper?: (() => VaMapper) | undefined;
  readonly range: MemoryRange;
  readonly pageSize: bigint;
  readonly held?: HeldOption | undefined;
  readonly refused?: RangeLike | undefined;
  readonly endPeer?: ((target: DmaTarget) => void | Promise<void>) | undefined;
  readonly close?: ((target: DmaTarget) => void | Promise<void>) | undefined;
}

/** What a check uses at most, in pages of the option `pageSize`. */
export const CHECK_PAGES = 64;

/** What a check needs: new targets, memory and VA mappers. Closes all of it. */
export class CheckBench {
  readonly steps = new Steps();
  readonly #options: BenchOptions;
  readonly #closers: (() => unknown)[] = [];
  #memory: Mappable | undefined;

  constructor(options: BenchOptions) {
    this.#options = options;
  }

  /** Addresses: `count` pages from the page with this number. Pages 0 to `CHECK_PAGES` - 1 can be used. */
  at(page: number, count = 1): MemoryRange {
    const { range, pageSize } = this.#options;
    return MemoryRange.ofLength(range.start + BigInt(page) * pageSize, BigInt(count) * pageSize);
  }

  /** A map of the memory of this check. The file offset is that of the addresses in the range of all checks. */
  mapAt(page: number, count = 1, options: Partial<MapChange> = {}): MapChange {
    const range = this.at(page, count);
    return mapOf(range, { backing: this.fileAt(range.start - this.#options.range.start), ...options });
  }

  fileAt(fileOffset: bigint): MapChange['backing'] {
    return { mappable: this.memory, fileOffset };
  }

  /** The map that the target refuses; an empty list if it refuses none. */
  refusedMaps(options: Partial<MapChange> = {}): readonly MapChange[] {
    const { refused } = this.#options;
    return refused === undefined ? [] : [mapOf(refused, { backing: this.fileAt(0n), ...options })];
  }

  get memory(): Mappable {
    if (this.#memory === undefined) {
      this.#memory = this.#options.mappable?.() ?? new FakeMappable('memory of checkTarget');
      this.closeLater(this.#memory);
    }
    return this.#memory;
  }

  /** Makes a new target. */
  async makeTarget(): Promise<TestedTarget> {
    const { makeTarget, close, held } = this.#options;
    const target = await makeTarget();
    this.#closers.push(() => close?.(target));
    let vaMapper: VaMapper | undefined;
    const mapper = (): VaMapper => (vaMapper ??= this.makeVaMapper());
    return await new TestedTarget(target, this.steps, () => look(target, held), mapper).begin();
  }

  /** Ends the peer of a target. */
  async endPeer({ target }: TestedTarget): Promise<void> {
    this.steps.begin('end its peer');
    await this.#options.endPeer?.(target);
  }

  makeVaMapper(): VaMapper {
    const mapper = this.#options.vaMapper?.() ?? new FakeVaMapper();
    this.closeLater(mapper);
    return mapper;
  }

  /** Closes an object at the end, if it has a method `close`. */
  closeLater(made: object): void {
    this.#closers.push(() => (made as { close?: () => unknown }).close?.());
  }

  /** Waits for some turns of the event loop: what is still going on after a call can happen. */
  async turns(count = 3): Promise<void> {
    for (let turn = 0; turn < count; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /**
   * Closes all that was made, the last first, also after a failure. Then the bench can be used again.
   *
   * @throws ContractError with the first error of a close as its cause
   */
  async close(): Promise<void> {
    const errors: unknown[] = [];
    this.#memory = undefined;
    for (const close of this.#closers.splice(0).toReversed()) {
      try {
        await close();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) {
      const text = thrownText(errors[0]);
      throw this.steps.breach(`the target and its manager must close without an error, but failed: ${text}`, errors[0]);
    }
  }
}
