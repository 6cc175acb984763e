import { AddressSpace, type MappedMemory } from '../../binding/index.js';
import type { HostVa, MapChange, MemoryRange, ReleaseFailure, VaMapper } from '../../streams/index.js';
import type { FaultyTarget, Watched } from '../streams/support/faults.js';

/** A real address space as the VA mapper of a scene: says what native code has mapped, and watches that nothing goes which a target has. */
export class WatchedSpace implements VaMapper, Watched {
  readonly users: FaultyTarget[] = [];
  readonly violations: string[] = [];
  readonly space: MappedMemory;
  /** What the kernel was asked in vain to release: no longer the manager's. */
  readonly #unreleased = new Set<number>();

  ensureMappedBatch?: (changes: readonly MapChange[]) => readonly (HostVa | Error)[];
  releaseBatch?: (ranges: readonly MemoryRange[]) => ReturnType<MappedMemory['releaseBatch']>;

  /** @param takesSets whether it hands sets on as such, or is used one by one */
  constructor(space: MappedMemory = new AddressSpace({ size: 1n << 32n }), takesSets = false) {
    this.space = space;
    if (takesSets) {
      this.ensureMappedBatch = (changes) => {
        const answers = space.ensureMappedBatch(changes);
        changes.forEach(
          ({ range }, index) => answers[index] instanceof Error || this.#unreleased.delete(range.startPage),
        );
        return answers;
      };
      this.releaseBatch = (ranges) => this.#releaseBatch(ranges);
    }
  }

  held(): readonly MemoryRange[] {
    return this.space.mappedRanges().filter(({ startPage }) => !this.#unreleased.has(startPage));
  }

  ensureMapped(change: MapChange): HostVa {
    const hostVa = this.space.ensureMapped(change);
    this.#unreleased.delete(change.range.startPage);
    return hostVa;
  }

  release(range: MemoryRange): void {
    this.#watch(range);
    try {
      this.space.release(range);
    } catch (error) {
      this.#unreleased.add(range.startPage);
      throw error;
    }
  }

  #releaseBatch(ranges: readonly MemoryRange[]): ReturnType<MappedMemory['releaseBatch']> {
    ranges.forEach((range) => {
      this.#watch(range);
    });
    const note = (failures: readonly ReleaseFailure[] | undefined): readonly ReleaseFailure[] | undefined => {
      failures?.forEach(({ range }) => this.#unreleased.add(range.startPage));
      return failures;
    };
    const answer = this.space.releaseBatch(ranges);
    return answer instanceof Promise ? answer.then(note) : note(answer);
  }

  #watch(range: MemoryRange): void {
    const user = this.users.find((target) => target.held().some((held) => held.overlaps(range)));
    if (user !== undefined) {
      this.violations.push(`release ${range.toString()}, which is mapped at ${user.name}`);
    }
  }
}
