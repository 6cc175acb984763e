import { AddressSpace } from '../../binding/index.js';
import type { HostVa, MapChange, MemoryRange, VaMapper } from '../../streams/index.js';
import type { FaultyTarget, Watched } from '../streams/support/faults.js';

/** A real address space as the VA mapper of a scene: says what native code has mapped, and watches that nothing goes which a target has. */
export class WatchedSpace implements VaMapper, Watched {
  readonly users: FaultyTarget[] = [];
  readonly violations: string[] = [];
  readonly space: AddressSpace;
  /** What the kernel was asked in vain to release: no longer the manager's. */
  readonly #unreleased = new Set<number>();

  constructor(space = new AddressSpace({ size: 1n << 32n })) {
    this.space = space;
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
    const user = this.users.find((target) => target.held().some((held) => held.overlaps(range)));
    if (user !== undefined) {
      this.violations.push(`release ${range.toString()}, which is mapped at ${user.name}`);
    }
    try {
      this.space.release(range);
    } catch (error) {
      this.#unreleased.add(range.startPage);
      throw error;
    }
  }
}
