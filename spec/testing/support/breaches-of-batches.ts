import { Observable } from 'rxjs';
import type { BatchStop, DmaMapRequest, MemoryRange } from '../../../streams/index.js';
import type { Breach } from './breach.js';
import { type BatchAnswer, SmallTarget } from './small-target.js';

let position = 0;

/** Faults of batches. */
export const BREACHES_OF_BATCHES: Readonly<Record<string, Breach>> = {
  'a batch of maps drops its last': {
    make: () =>
      new (class extends SmallTarget {
        override mapDmaBatch(requests: readonly DmaMapRequest[]): BatchAnswer {
          return super.mapDmaBatch(requests.slice(0, -1));
        }
      })(),
    found: [
      'has made or removed a map when the call ends, not later',
      'makes every map of a batch',
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
      'when mapDmaBatch(0x108000-0x109000 rw, 0x109000-0x10a000 rw, 0x10c000-0x10d000 rw) has ended the target must hold 0x108000-0x109000, 0x109000-0x10a000, 0x10c000-0x10d000, but it lacks 0x10c000-0x10d000',
  },

  'a batch of unmaps drops its last': {
    make: () =>
      new (class extends SmallTarget {
        override unmapDmaBatch(ranges: readonly MemoryRange[]): BatchAnswer {
          return super.unmapDmaBatch(ranges.slice(0, -1));
        }
      })(),
    found: [
      'has made or removed a map when the call ends, not later',
      'makes every unmap of a batch',
      'does by batches what it does by single calls',
      'maps at the attach what is active',
      'follows the changes of an attached manager',
      'follows the changes behind forwardTarget, which keeps every member',
      'lets a set take effect whose device map it cannot make',
      'holds what it held before when another target fails, whichever call it is',
      'is attached again after a detach, which leaves nothing',
      'has nothing for verify() to find',
    ],
    message:
      'when unmapDmaBatch(0x108000-0x109000, 0x109000-0x10a000) has ended the target must hold 0x10c000-0x10d000, but it also holds 0x109000-0x10a000',
  },

  'a batch goes on after a failure': {
    make: () =>
      new (class extends SmallTarget {
        override mapDmaBatch(requests: readonly DmaMapRequest[]): BatchAnswer {
          const stops = requests.map((request, done) => {
            const stop = this.serve([request], (one) => this.insert(one));
            return stop && { done, error: stop.error };
          });
          return stops.find((stop) => stop !== undefined);
        }
      })(),
    found: ['stops a batch at the map that fails, and counts the maps before it'],
    message:
      'after a batch that stopped after 0 maps the target must hold 0x100000-0x101000, but it also holds 0x102000-0x103000, 0x104000-0x105000, 0x106000-0x107000',
  },

  'a batch counts the failed map as done': {
    make: () =>
      new (class extends SmallTarget {
        override mapDmaBatch(requests: readonly DmaMapRequest[]): BatchAnswer {
          const stop = this.serve(requests, (request) => this.insert(request));
          return stop && { ...stop, done: stop.done + 1 };
        }
      })(),
    found: ['stops a batch at the map that fails, and counts the maps before it'],
    message:
      'mapDmaBatch, whose map number 0 is refused, must return done: 0 and the error, but it returned done: 1, error: EINVAL: refused, 0xfee00000-0xfee02000 (target "small")',
  },

  'a batch fails as a whole, and keeps the maps before the failure': {
    make: () =>
      new (class extends SmallTarget {
        override mapDmaBatch(requests: readonly DmaMapRequest[]): BatchAnswer {
          for (const request of requests) {
            this.insert(request);
          }
          return undefined;
        }
      })(),
    found: ['stops a batch at the map that fails, and counts the maps before it'],
    message:
      'after a batch that failed as a whole the target must hold 0x100000-0x101000, but it also holds 0x102000-0x103000',
  },

  'a batch says that it stopped, and did not': {
    make: () =>
      new (class extends SmallTarget {
        override unmapDmaBatch(ranges: readonly MemoryRange[]): BatchAnswer {
          this.serve(ranges, (range) => this.remove(range));
          return { done: ranges.length - 1, error: new Error('stopped') };
        }
      })(),
    found: [
      'makes every unmap of a batch',
      'does by batches what it does by single calls',
      'maps at the attach what is active',
      'follows the changes of an attached manager',
      'follows the changes behind forwardTarget, which keeps every member',
      'lets a set take effect whose device map it cannot make',
      'holds what it held before when another target fails, whichever call it is',
      'is attached again after a detach, which leaves nothing',
      'takes back the maps of a set in which one fails',
      'is healed when a map is lost',
      'is healed when it has a map too many',
    ],
    message:
      'unmapDmaBatch must return undefined when nothing fails, but it returned { done: 2, error: Error: stopped }',
  },

  'the list of a batch is sorted in place': {
    make: () =>
      new (class extends SmallTarget {
        override unmapDmaBatch(ranges: readonly MemoryRange[]): BatchAnswer {
          (ranges as MemoryRange[]).sort((a, b) => b.startPage - a.startPage);
          return super.unmapDmaBatch(ranges);
        }
      })(),
    found: ['does not change the requests, ranges and lists that it is passed'],
    message:
      'unmapDmaBatch(0x104000-0x105000, 0x106000-0x107000, 0x107000-0x108000) must not change what it is passed, but it changed 0 from 0x104000-0x105000 to 0x107000-0x108000, 2 from 0x107000-0x108000 to 0x104000-0x105000',
  },

  'two targets share the position in a batch across an await': {
    make: () =>
      new (class extends SmallTarget {
        readonly concurrent = true;
        override async mapDmaBatch(requests: readonly DmaMapRequest[]): Promise<BatchStop | undefined> {
          for (position = 0; position < requests.length; position++) {
            const stop = this.serve(requests.slice(position, position + 1), (one) => this.insert(one));
            if (stop !== undefined) {
              return { done: position, error: stop.error };
            }
            await Promise.resolve();
          }
          return undefined;
        }
      })(),
    found: ['holds what is active beside other targets that are concurrent'],
    message:
      'after "add six mappings", at the first of two targets, the target must hold 0x100000-0x101000, 0x101000-0x102000, 0x102000-0x103000, 0x103000-0x104000, 0x107000-0x108000, 0x109000-0x10a000, but it lacks 0x102000-0x103000, 0x107000-0x108000',
  },

  'a cancelled batch goes on': {
    make: () =>
      new (class extends SmallTarget {
        override mapDmaBatch(requests: readonly DmaMapRequest[]): BatchAnswer {
          return new Observable((subscriber) => {
            setImmediate(() => {
              subscriber.next(this.serve(requests, (request) => this.insert(request)));
              subscriber.complete();
            });
          });
        }
      })(),
    found: ['can unmap each range of a batch that was cancelled, and then holds nothing of it'],
    message:
      'after "unmapDma(0x102000-0x103000)" the target must hold 0x100000-0x101000, but it also holds 0x102000-0x103000, 0x104000-0x105000, 0x106000-0x107000, 0x108000-0x109000',
  },
};
