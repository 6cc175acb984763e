import { stuckOf } from '../changes/outcomes.js';
import type { ChangeSet, Outcome } from '../contracts/change-set.js';
import { PAGE_SIZE, type MemoryRange } from '../ranges/memory-range.js';
import { eachInSlices } from '../ranges/slices.js';
import type { TargetPort } from '../target/target-port.js';
import type { Coroutine } from '../util/coroutine.js';
import { hex } from '../util/hex.js';

/** Measures one set of an attachment whose outcomes are observed. */
export class SetMeasure {
  readonly #set: ChangeSet;
  readonly #ports: readonly TargetPort[];
  readonly #start = performance.now();

  /** @param ports those of all targets of the branch */
  constructor(set: ChangeSet, ports: readonly TargetPort[]) {
    this.#set = set;
    this.#ports = ports;
    for (const port of ports) {
      port.served = undefined;
    }
  }

  /** The outcome with the number and size of the changes that took effect, and the time. */
  *measured(outcome: Outcome): Coroutine<Outcome> {
    const milliseconds = performance.now() - this.#start;
    const { undo } = this.#set;
    const stuck = stuckOf(outcome);
    const hasFailed = outcome.status === 'failed';
    const maps = new Total();
    const unmaps = new Total();
    for (const set of this.#sets()) {
      yield* eachInSlices(set.maps, ({ range }) => {
        maps.add(range, 1);
      });
      for (const { covers } of set.unmaps) {
        yield* eachInSlices(covers, (range) => {
          unmaps.add(range, 1);
        });
      }
    }
    if (hasFailed && (undo !== true || outcome.missing === undefined)) {
      maps.clear();
    } else {
      yield* eachInSlices(outcome.skipped, ({ range }) => {
        maps.add(range, -1);
      });
      yield* eachInSlices(outcome.missing ?? [], ({ range }) => {
        maps.add(range, -1);
      });
    }
    if (hasFailed && stuck === undefined) {
      unmaps.clear();
    } else if (unmaps.count > 0) {
      yield* eachInSlices(stuck ?? [], ({ range }) => {
        unmaps.add(range, -1);
      });
    }
    const result: Outcome = {
      ...outcome,
      maps: maps.count,
      unmaps: unmaps.count,
      bytes: BigInt(maps.pages + unmaps.pages) * PAGE_SIZE,
      milliseconds,
    };
    // JSON has no bigint.
    return Object.defineProperty(result, 'toJSON', { value: outcomeToJson });
  }

  /** The set as each target got it; as it was delivered if no target is known. */
  #sets(): readonly ChangeSet[] {
    return this.#ports.length === 0 ? [this.#set] : this.#ports.flatMap(({ served }) => served ?? []);
  }
}

class Total {
  count = 0;
  pages = 0;

  add(range: MemoryRange | undefined, sign: 1 | -1): void {
    this.count += sign;
    this.pages += range === undefined ? 0 : sign * (range.endPage - range.startPage);
  }

  clear(): void {
    this.count = 0;
    this.pages = 0;
  }
}

function outcomeToJson(this: Outcome): object {
  return this.bytes === undefined ? { ...this } : { ...this, bytes: hex(this.bytes) };
}
