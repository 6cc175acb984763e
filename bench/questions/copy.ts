import { Memfd, RamBlocks } from '../../binding/index.js';
import { MemoryRange } from '../../streams/index.js';
import { timedNow } from '../support/clock.js';
import { COPY_RATIOS } from '../support/limits.js';
import { loadAddon } from '../support/native-addon.js';
import type { Figure, Host, Measured, Question, Round, Samples } from '../support/question.js';
import { FigureMaker } from '../support/statistics.js';

const SMALL = 64;
const LARGE = 1 << 20;
/** Not at the start of the memory. */
const GPA = 0x1000n;
const SMALL_COUNT = 10_000;
const LARGE_COUNT = 50;

/** `bench/native/copy_addon.cc`. */
interface CopyAddon {
  copyOut(offset: bigint, length: number): Buffer;
}

export const copy: Question = {
  name: 'copy',
  title: 'reading and writing guest memory',
  about:
    'GuestMemory.read and write, at RamBlocks with one memfd. Baselines: a function of another addon, which takes an offset and a length and ' +
    'returns the bytes of its own memory in a new Buffer (napi_create_buffer_copy), for read; Buffer.copy, for write.',

  hosts(quick: boolean): Host[] {
    return [{ name: 'copy', parameters: {}, rounds: quick ? 3 : 21, warmUps: quick ? 1 : 5 }];
  },

  setUp(): Measured {
    const memory = filledMemory();
    const data = Buffer.alloc(LARGE, 1);
    const to = Buffer.alloc(LARGE, 1);
    const small = data.subarray(0, SMALL);
    const cases: Record<string, Round> = {
      memory: () => ({
        'copy/read/64': each(SMALL_COUNT, () => memory.read(GPA, SMALL)),
        'copy/write/64': each(SMALL_COUNT, () => {
          memory.write(GPA, small);
        }),
        'copy/read/1 MiB': each(LARGE_COUNT, () => memory.read(GPA, LARGE)),
        'copy/write/1 MiB': each(LARGE_COUNT, () => {
          memory.write(GPA, data);
        }),
      }),
      Buffer: () => ({
        'copy/Buffer/64': each(SMALL_COUNT, () => small.copy(to)),
        'copy/Buffer/1 MiB': each(LARGE_COUNT, () => data.copy(to)),
      }),
    };
    try {
      const addon = loadAddon('copy_addon') as CopyAddon;
      cases['addon'] = () => ({
        'copy/addon/64': each(SMALL_COUNT, () => addon.copyOut(GPA, SMALL)),
        'copy/addon/1 MiB': each(LARGE_COUNT, () => addon.copyOut(GPA, LARGE)),
      });
      return { cases };
    } catch (error) {
      return { cases, warnings: [error instanceof Error ? error.message : String(error)] };
    }
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    const { small, large } = COPY_RATIOS;
    const baseline = { baseline: true };
    return [
      ...make.ratio('copy/ratio/read 64', 'read, 64 bytes: × addon', 'copy/read/64', 'copy/addon/64', {
        atMost: small,
      }),
      ...make.ratio('copy/ratio/read 1 MiB', 'read, 1 MiB: × addon', 'copy/read/1 MiB', 'copy/addon/1 MiB', {
        atMost: large,
      }),
      ...make.ratio('copy/ratio/write 1 MiB', 'write, 1 MiB: × Buffer.copy', 'copy/write/1 MiB', 'copy/Buffer/1 MiB', {
        atMost: large,
      }),
      ...make.figure('copy/read/64', 'read, 64 bytes', 'ns'),
      ...make.figure('copy/write/64', 'write, 64 bytes', 'ns'),
      ...make.figure('copy/read/1 MiB', 'read, 1 MiB', 'ns'),
      ...make.figure('copy/write/1 MiB', 'write, 1 MiB', 'ns'),
      ...make.figure('copy/addon/64', 'an addon call that returns a new Buffer, 64 bytes', 'ns', baseline),
      ...make.figure('copy/addon/1 MiB', 'an addon call that returns a new Buffer, 1 MiB', 'ns', baseline),
      ...make.figure('copy/Buffer/64', 'Buffer.copy, 64 bytes', 'ns', baseline),
      ...make.figure('copy/Buffer/1 MiB', 'Buffer.copy, 1 MiB', 'ns', baseline),
    ];
  },
};

/** Guest memory, every page of which is there. */
function filledMemory(): RamBlocks {
  const size = 2 * LARGE;
  const ram = Memfd.create('bench', BigInt(size));
  const memory = new RamBlocks();
  const backing = { mappable: ram, fileOffset: 0n };
  memory.ensureMapped({ range: MemoryRange.of(0, size), region: 'ram', type: 'ram', writable: true, backing });
  memory.write(0n, Buffer.alloc(size, 1));
  return memory;
}

let last: unknown;

/** Nanoseconds per call. What it returns is kept, so that V8 cannot leave out the call. */
function each(count: number, call: () => unknown): number {
  const taken = timedNow(() => {
    for (let index = 0; index < count; index++) {
      last = call();
    }
  });
  if (last === count) {
    throw new Error('a copy is no number');
  }
  return taken / count;
}
