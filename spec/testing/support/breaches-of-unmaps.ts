import { Observable } from 'rxjs';
import { type MemoryRange, type DmaMapRequest } from '../../../streams/index.js';
import { everyBut, type Breach } from './breach.js';
import { type Answer, failure, SmallTarget } from './small-target.js';

/** Faults of unmaps. */
export const BREACHES_OF_UNMAPS: Readonly<Record<string, Breach>> = {
  'an unmap does nothing': {
    make: () =>
      new (class extends SmallTarget {
        override remove(): void {
          // The fault.
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
      'takes back the maps of a set in which one fails',
    ]),
    message:
      'mapDma(0x100000-0x102000 rw) must succeed, but failed: EEXIST: refused, 0x100000-0x102000 (target "small")',
  },

  'an unmap of several maps removes only the first': {
    make: () =>
      new (class extends SmallTarget {
        override remove(range: MemoryRange): void {
          const first = this.maps.find((one) => range.contains(one));
          if (first !== undefined) {
            this.drop(first);
          }
        }
      })(),
    found: [
      'unmaps several maps and the gaps between them by one call',
      'keeps the maps that touch the range of an unmap of several',
      'follows the changes of an attached manager',
      'follows the changes behind forwardTarget, which keeps every member',
      'has nothing for verify() to find',
    ],
    message:
      'after "unmapDma(0x101000-0x10c000)" the target must hold nothing, but it also holds 0x104000-0x106000, 0x106000-0x107000, 0x109000-0x10a000',
  },

  'an unmap of several maps also removes a map that touches the range': {
    make: () =>
      new (class extends SmallTarget {
        override remove(range: MemoryRange): void {
          const isOne = this.maps.some((one) => one.equals(range));
          super.remove(range);
          const after = this.maps.find(({ startPage }) => startPage === range.endPage);
          if (!isOne && after !== undefined) {
            this.drop(after);
          }
        }
      })(),
    found: [
      'keeps the maps that touch the range of an unmap of several',
      'does not fail when it unmaps a range without maps',
    ],
    message:
      'after "unmapDma(0x101000-0x105000)" the target must hold 0x100000-0x101000, 0x105000-0x107000, 0x109000-0x10a000, but it lacks 0x105000-0x107000',
  },

  'a target that needs exact unmaps does not declare it': {
    make: () =>
      new (class extends SmallTarget {
        override remove(range: MemoryRange): void {
          if (!this.maps.some((one) => one.equals(range))) {
            throw failure('ENOENT', range);
          }
          super.remove(range);
        }
      })(),
    found: [
      'unmaps several maps and the gaps between them by one call',
      'keeps the maps that touch the range of an unmap of several',
      'does not fail when it unmaps a range without maps',
      'follows the changes of an attached manager',
      'follows the changes behind forwardTarget, which keeps every member',
      'has nothing for verify() to find',
    ],
    message:
      'unmapDma(0x101000-0x10c000) must succeed, but failed: ENOENT: refused, 0x101000-0x10c000 (target "small")',
  },

  'an unmap of a range without maps fails': {
    make: () =>
      new (class extends SmallTarget {
        override remove(range: MemoryRange): void {
          if (!this.maps.some((one) => one.overlaps(range))) {
            throw failure('ENOENT', range);
          }
          super.remove(range);
        }
      })(),
    found: ['does not fail when it unmaps a range without maps'],
    message:
      'unmapDma(0x102000-0x104000) must succeed, but failed: ENOENT: refused, 0x102000-0x104000 (target "small")',
  },

  'the observable of an unmap completes before its effect': {
    make: () =>
      new (class extends SmallTarget {
        override unmapDma(range: MemoryRange): Answer {
          return new Observable((subscriber) => {
            subscriber.complete();
            queueMicrotask(() => this.serve([range], (one) => this.remove(one)));
          });
        }
      })(),
    found: [
      'has made or removed a map when the call ends, not later',
      'follows the changes of an attached manager',
      'follows the changes behind forwardTarget, which keeps every member',
      'takes back the maps of a set in which one fails',
    ],
    message:
      'when unmapDma(0x100000-0x102000) has ended the target must hold 0x104000-0x105000, but it also holds 0x100000-0x102000',
  },

  'the target ends with its last map': {
    make: () =>
      new (class extends SmallTarget {
        #hasEnded = false;
        override insert(request: DmaMapRequest): void {
          if (this.#hasEnded) {
            throw failure('ENODEV', request.range);
          }
          super.insert(request);
        }
        override drop(range: MemoryRange): void {
          super.drop(range);
          this.#hasEnded = this.maps.length === 0;
        }
      })(),
    found: [
      'unmaps several maps and the gaps between them by one call',
      'maps a range again right after its unmap, with another length and file offset',
      'has made or removed a map when the call ends, not later',
      'does by batches what it does by single calls',
      'follows the changes of an attached manager',
      'follows the changes behind forwardTarget, which keeps every member',
      'is attached again after a detach, which leaves nothing',
      'takes back the maps of a set in which one fails',
    ],
    message:
      'mapDma(0x101000-0x102000 rw) must succeed, but failed: ENODEV: refused, 0x101000-0x102000 (target "small")',
  },
};
