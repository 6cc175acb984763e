import { MemoryRange, type DmaMapRequest, type DmaTarget } from '../../../streams/index.js';
import { everyBut, type Breach } from './breach.js';
import { CountingTarget, failure, SmallTarget } from './small-target.js';

const ONE = new SmallTarget();

/** Faults of what a target declares, checks, lists and counts. */
export const BREACHES_OF_MEMBERS: Readonly<Record<string, Breach>> = {
  'the list merges maps that touch': {
    make: () =>
      new (class extends SmallTarget {
        override mappedRanges(): readonly MemoryRange[] {
          const merged: MemoryRange[] = [];
          for (const range of this.maps.toSorted((a, b) => a.startPage - b.startPage)) {
            const last = merged.at(-1);
            if (last?.endPage === range.startPage) {
              merged[merged.length - 1] = MemoryRange.of(last.start, range.end);
            } else {
              merged.push(range);
            }
          }
          return merged;
        }
      })(),
    found: [
      'maps one range after another, also ranges that touch',
      'maps read-only memory and writable memory',
      'maps in descending order of addresses',
      'maps a range again right after its unmap, with another length and file offset',
      'has made or removed a map when the call ends, not later',
      'makes every map of a batch',
      'maps at the attach what is active',
      'follows the changes of an attached manager',
      'follows the changes behind forwardTarget, which keeps every member',
      'lets a set take effect whose device map it cannot make',
      'holds what it held before when another target fails, whichever call it is',
      'is attached again after a detach, which leaves nothing',
      'lists its maps as they were mapped',
      'has nothing for verify() to find',
      'is healed when a map is lost',
      'is healed when it has a map too many',
    ],
    message:
      'after "mapDma(0x101000-0x102000 rw)" the target must hold 0x100000-0x101000, 0x101000-0x102000, but it lacks 0x100000-0x101000, 0x101000-0x102000 and also holds 0x100000-0x102000',
  },

  'checkMaps maps': {
    make: () =>
      new (class extends SmallTarget {
        override checkMaps(requests: readonly DmaMapRequest[]): void {
          super.checkMaps(requests);
          requests.slice(0, 1).forEach((request) => this.insert(request));
        }
      })(),
    found: [
      'changes nothing in checkMaps',
      'does not fail in checkMaps because of device maps',
      'does by batches what it does by single calls',
      'maps at the attach what is active',
      'follows the changes of an attached manager',
      'follows the changes behind forwardTarget, which keeps every member',
      'lets a set take effect whose device map it cannot make',
      'holds what it held before when another target fails, whichever call it is',
      'is attached again after a detach, which leaves nothing',
      'takes back the maps of a set in which one fails',
      'has nothing for verify() to find',
      'is healed when a map is lost',
      'is healed when it has a map too many',
    ],
    message:
      'after "checkMaps(0x102000-0x103000 rw, 0x104000-0x106000 rw)" the target must hold 0x100000-0x101000, but it also holds 0x102000-0x103000',
  },

  'checkMaps fails because of device maps': {
    make: () =>
      new (class extends SmallTarget {
        override checkMaps(requests: readonly DmaMapRequest[]): void {
          super.checkMaps(requests.map((request) => ({ ...request, type: 'ram' })));
        }
      })(),
    found: ['does not fail in checkMaps because of device maps'],
    message:
      'checkMaps(0x100000-0x101000 rw, 0x102000-0x103000 rw device, 0xfee00000-0xfee02000 rw device) must succeed, but failed: EINVAL: refused, 0xfee00000-0xfee02000 (target "small")',
  },

  'a host address is needed without needsVa': {
    make: () =>
      new (class extends SmallTarget {
        override insert(request: DmaMapRequest): void {
          if (request.hostVa === undefined) {
            throw failure('EFAULT', request.range);
          }
          super.insert(request);
        }
      })(),
    found: everyBut([
      'has the members of a DmaTarget, of the right kinds',
      'maps memory without a file, as needsFd is not set',
      'does not fail in checkMaps because of device maps',
    ]),
    message:
      'mapDma(0x100000-0x101000 rw) must succeed, but failed: EFAULT: refused, 0x100000-0x101000 (target "small")',
  },

  'a file is needed without needsFd': {
    make: () =>
      new (class extends SmallTarget {
        override insert(request: DmaMapRequest): void {
          if (request.mappable === undefined) {
            throw failure('EBADF', request.range);
          }
          super.insert(request);
        }
      })(),
    found: ['maps memory without a file, as needsFd is not set'],
    message:
      'mapDma(0x100000-0x102000 rw) must succeed, but failed: EBADF: refused, 0x100000-0x102000 (target "small")',
  },

  'the same target is made twice': {
    make: () => ONE,
    found: everyBut([
      'has the members of a DmaTarget, of the right kinds',
      'maps memory without a host virtual address, as needsVa is not set',
      'maps memory without a file, as needsFd is not set',
      'changes nothing in checkMaps',
      'does not fail in checkMaps because of device maps',
      'maps one range after another, also ranges that touch',
      'maps read-only memory and writable memory',
      'maps device memory, or refuses it and holds nothing of it',
      'unmaps exactly one map, and keeps those that touch it',
      'unmaps several maps and the gaps between them by one call',
      'keeps the maps that touch the range of an unmap of several',
      'does not fail when it unmaps a range without maps',
      'maps in descending order of addresses',
      'maps a range again right after its unmap, with another length and file offset',
      'holds nothing of a map that failed',
      'has made or removed a map when the call ends, not later',
    ]),
    message: 'makeTarget must return a new target at each call, but it returned the same one twice',
  },

  'members are of the wrong kind': {
    make: () => Object.assign(new SmallTarget(), { needsFd: 0, unmapShape: 'any' }) as unknown as DmaTarget,
    found: ['has the members of a DmaTarget, of the right kinds'],
    message:
      "the target has members of the wrong kind: needsFd must be a boolean, or absent; unmapShape must be 'superset' or 'exact', or absent",
  },

  'a set without calls cannot be ended': {
    make: () =>
      new (class extends SmallTarget {
        #calls = 0;
        override insert(request: DmaMapRequest): void {
          this.#calls += 1;
          super.insert(request);
        }
        override remove(range: MemoryRange): void {
          this.#calls += 1;
          super.remove(range);
        }
        override checkMaps(requests: readonly DmaMapRequest[]): void {
          this.#calls += 1;
          super.checkMaps(requests);
        }
        beginSet(): void {
          this.#calls = 0;
        }
        endSet(): void {
          if (this.#calls === 0) {
            throw failure('ENODATA', MemoryRange.of(0, 0x1000));
          }
        }
      })(),
    found: ['accepts a set of which no call follows'],
    message: 'endSet(1) must succeed, but failed: ENODATA: refused, 0x0-0x1000 (target "small")',
  },

  'a member comes and goes': {
    make: () => {
      let reads = 0;
      return Object.defineProperty(new SmallTarget(), 'concurrent', {
        get: () => (reads++ % 2 === 0 ? undefined : false),
      });
    },
    found: ['follows the changes behind forwardTarget, which keeps every member'],
    message: 'concurrent must be the same behind forwardTarget, but is undefined instead of boolean',
  },

  'the count is that of all maps ever made': {
    make: () =>
      new (class extends CountingTarget {
        #made = 0;
        override insert(request: DmaMapRequest): void {
          super.insert(request);
          this.#made += 1;
        }
        override mappedCount(): number {
          return this.#made;
        }
      })(),
    found: everyBut([
      'has the members of a DmaTarget, of the right kinds',
      'is a new target each time that it is made',
      'maps memory without a host virtual address, as needsVa is not set',
      'maps memory without a file, as needsFd is not set',
      'changes nothing in checkMaps',
      'does not fail in checkMaps because of device maps',
      'maps one range after another, also ranges that touch',
      'maps device memory, or refuses it and holds nothing of it',
      'does not fail when it unmaps a range without maps',
      'holds nothing of a map that failed',
      'does not change the requests, ranges and lists that it is passed',
      'makes every map of a batch',
      'stops a batch at the map that fails, and counts the maps before it',
      'does by batches what it does by single calls',
    ]),
    message:
      'after "mapDma(0x100000-0x102000 rw)" the target must hold 0x100000-0x102000, 0x102000-0x104000, but it counts 3 maps',
  },

  'a map of a range that is mapped succeeds': {
    make: () =>
      new (class extends CountingTarget {
        override insert(request: DmaMapRequest): void {
          if (!this.maps.some((one) => one.equals(request.range))) {
            super.insert(request);
          }
        }
      })(),
    found: ['refuses with EEXIST to map a range that is mapped, and changes nothing'],
    message: 'mapDma of 0x101000-0x103000, which is mapped, must fail with EEXIST, but it succeeded',
  },

  'the count is no number': {
    make: () =>
      new (class extends CountingTarget {
        override mappedCount(): never {
          return 'none' as never;
        }
      })(),
    found: everyBut([]),
    message:
      "what the target holds must be an array of MemoryRange (mappedRanges, the option held) or a number (mappedCount), but it is 'none'",
  },
};
