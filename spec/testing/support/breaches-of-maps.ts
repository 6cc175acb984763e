import { Observable } from 'rxjs';
import { MemoryRange, type DmaMapRequest } from '../../../streams/index.js';
import { everyBut, type Breach } from './breach.js';
import { type Answer, failure, REFUSED, SmallTarget } from './small-target.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

let shared: DmaMapRequest;

/** Faults of maps. */
export const BREACHES_OF_MAPS: Readonly<Record<string, Breach>> = {
  'the promise of a map settles before its effect': {
    make: () =>
      new (class extends SmallTarget {
        override async mapDma(request: DmaMapRequest): Promise<void> {
          if (request.range.overlaps(REFUSED)) {
            throw failure('EINVAL', request.range);
          }
          await Promise.resolve();
          setImmediate(() => this.serve([request], (one) => this.insert(one)));
        }
      })(),
    found: everyBut([
      'has the members of a DmaTarget, of the right kinds',
      'is a new target each time that it is made',
      'does not fail in checkMaps because of device maps',
      'unmaps several maps and the gaps between them by one call',
      'does not change the requests, ranges and lists that it is passed',
      'maps at the attach what is active',
      'lets a set take effect whose device map it cannot make',
      'holds what it held before when another target fails, whichever call it is',
      'is attached again after a detach, which leaves nothing',
      'has nothing for verify() to find',
    ]),
    message:
      'after "mapDma(0x100000-0x101000 rw)" the target must hold 0x100000-0x101000, but it lacks 0x100000-0x101000',
  },

  'a cancelled map takes effect': {
    make: () =>
      new (class extends SmallTarget {
        override mapDma(request: DmaMapRequest): Answer {
          return new Observable((subscriber) => {
            void turn()
              .then(() => this.insert(request))
              .then(
                () => subscriber.complete(),
                (error: unknown) => subscriber.error(error),
              );
          });
        }
      })(),
    found: ['can unmap a range whose map was cancelled, and then holds nothing of it'],
    message:
      'after "unmapDma(0x102000-0x104000)" the target must hold 0x100000-0x101000, but it also holds 0x102000-0x104000',
  },

  'a call returns a value': {
    make: () =>
      new (class extends SmallTarget {
        override mapDma(request: DmaMapRequest): Answer {
          this.insert(request);
          return true as unknown as undefined;
        }
      })(),
    found: everyBut([
      'has the members of a DmaTarget, of the right kinds',
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
    ]),
    message: 'mapDma must return nothing, a promise or an observable, but it returned true',
  },

  'a failed map stays in part': {
    make: () =>
      new (class extends SmallTarget {
        override insert(request: DmaMapRequest): void {
          try {
            super.insert(request);
          } catch (error) {
            this.maps.push(MemoryRange.ofPages(request.range.startPage, request.range.startPage + 1));
            throw error;
          }
        }
      })(),
    found: ['holds nothing of a map that failed', 'stops a batch at the map that fails, and counts the maps before it'],
    message: 'after a failed map the target must hold 0x100000-0x101000, but it also holds 0xfee00000-0xfee01000',
  },

  'a refused device map stays': {
    make: () =>
      new (class extends SmallTarget {
        override insert(request: DmaMapRequest): void {
          super.insert(request);
          if (request.type === 'device') {
            throw failure('EFAULT', request.range);
          }
        }
      })(),
    found: [
      'maps device memory, or refuses it and holds nothing of it',
      'lets a set take effect whose device map it cannot make',
    ],
    message: 'after the device map failed the target must hold 0x100000-0x101000, but it also holds 0x102000-0x104000',
  },

  'two targets share a request across an await': {
    make: () => {
      return new (class extends SmallTarget {
        readonly concurrent = true;
        override async mapDma(request: DmaMapRequest): Promise<void> {
          shared = request;
          await turn();
          this.insert(shared);
        }
      })();
    },
    found: ['serves calls while another target of its kind does'],
    message:
      'mapDma(0x100000-0x103000 rw) must succeed, but failed: EEXIST: refused, 0x100000-0x103000 (target "small")',
  },

  'maps in descending order fail': {
    make: () =>
      new (class extends SmallTarget {
        override insert(request: DmaMapRequest): void {
          const last = this.maps.at(-1);
          if (last !== undefined && request.range.start < last.start && !request.range.overlaps(REFUSED)) {
            throw failure('EINVAL', request.range);
          }
          super.insert(request);
        }
      })(),
    found: [
      'maps read-only memory and writable memory',
      'maps in descending order of addresses',
      'makes every map of a batch',
      'does by batches what it does by single calls',
      'follows the changes of an attached manager',
      'follows the changes behind forwardTarget, which keeps every member',
      'holds what it held before when another target fails, whichever call it is',
      'has nothing for verify() to find',
      'is healed when a map is lost',
    ],
    message:
      'mapDma(0x100000-0x102000 rw) must succeed, but failed: EINVAL: refused, 0x100000-0x102000 (target "small")',
  },

  'read-only maps fail': {
    make: () =>
      new (class extends SmallTarget {
        override insert(request: DmaMapRequest): void {
          if (!request.writable) {
            throw failure('EACCES', request.range);
          }
          super.insert(request);
        }
      })(),
    found: [
      'maps read-only memory and writable memory',
      'maps a range again right after its unmap, with another length and file offset',
      'maps at the attach what is active',
      'follows the changes of an attached manager',
      'follows the changes behind forwardTarget, which keeps every member',
      'holds what it held before when another target fails, whichever call it is',
      'is attached again after a detach, which leaves nothing',
    ],
    message:
      'mapDma(0x100000-0x102000 ro) must succeed, but failed: EACCES: refused, 0x100000-0x102000 (target "small")',
  },

  'a range keeps the length that it was first mapped with': {
    make: () =>
      new (class extends SmallTarget {
        readonly #lengths = new Map<number, bigint>();
        override insert(request: DmaMapRequest): void {
          const { startPage, length } = request.range;
          if ((this.#lengths.get(startPage) ?? length) !== length) {
            throw failure('EBUSY', request.range);
          }
          super.insert(request);
          this.#lengths.set(startPage, length);
        }
      })(),
    found: [
      'unmaps several maps and the gaps between them by one call',
      'maps a range again right after its unmap, with another length and file offset',
      'can unmap a range whose map was cancelled, and then holds nothing of it',
      'follows the changes of an attached manager',
      'follows the changes behind forwardTarget, which keeps every member',
      'holds what it held before when another target fails, whichever call it is',
      'has nothing for verify() to find',
    ],
    message:
      'mapDma(0x109000-0x10c000 rw) must succeed, but failed: EBUSY: refused, 0x109000-0x10c000 (target "small")',
  },

  'a request is changed': {
    make: () =>
      new (class extends SmallTarget {
        override mapDma(request: DmaMapRequest): Answer {
          this.insert(request);
          (request as { fileOffset: bigint }).fileOffset += 0x1000n;
        }
      })(),
    found: ['does not change the requests, ranges and lists that it is passed'],
    message: 'mapDma(0x100000-0x102000 rw) must not change what it is passed, but it changed fileOffset from 0 to 4096',
  },
};
