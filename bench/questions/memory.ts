import { readFileSync } from 'node:fs';
import { AddressSpace } from '../../binding/index.js';
import { MemoryRange, RegionManager, type MappingParams } from '../../streams/index.js';
import { idleTarget } from '../support/idle-target.js';
import { HEAP_BYTES, RESERVATION_MIB } from '../support/limits.js';
import type { Figure, Host, Measured, Parameters, Question, Samples } from '../support/question.js';
import { mapping } from '../support/scattered.js';
import { FigureMaker } from '../support/statistics.js';

const MAPPINGS = 1_000_000;
const QUICK_MAPPINGS = 10_000;
const MiB = 2 ** 20;

export const memory: Question = {
  name: 'memory',
  title: 'memory',
  about:
    'Heap and array buffers in use after garbage collection: without the mappings, with them, and with a target attached. All mappings are ' +
    'of one file, as in a virtual machine. Objects of the caller that the library retains are included.',

  hosts(quick: boolean): Host[] {
    const count = quick ? QUICK_MAPPINGS : MAPPINGS;
    const times = { rounds: quick ? 2 : 3, warmUps: 1 };
    return [
      { name: `${count} mappings`, parameters: { count }, ...times },
      { name: 'reservation', parameters: { reservation: true }, ...times },
    ];
  },

  setUp(parameters: Parameters): Measured {
    return parameters['reservation'] === true
      ? { cases: { reservation: measureReservation } }
      : { cases: { heap: () => measureHeap(Number(parameters['count'])) } };
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    return [
      ...[QUICK_MAPPINGS, MAPPINGS].flatMap((count) => {
        const of = `${count.toLocaleString('en')} mappings`;
        return [
          ...make.figure(`memory/${count}/manager`, `each of ${of}, in the manager`, 'bytes'),
          ...make.figure(`memory/${count}/target`, `each of ${of}, at each target`, 'bytes'),
          ...make.figure(`memory/${count}/all`, `each of ${of}, in the manager and at one target`, 'bytes', {
            atMost: HEAP_BYTES,
          }),
          ...make.figure(`memory/${count}/plain`, `each of ${of}, in a plain array of the caller's objects`, 'bytes', {
            baseline: true,
          }),
        ];
      }),
      ...make.figure('memory/reservation', 'an address space of 1 TiB, empty', 'MiB', { atMost: RESERVATION_MIB }),
    ];
  },
};

/** The memory in use after garbage collection. */
function inUse(): number {
  if (globalThis.gc === undefined) {
    throw new Error('run with node --expose-gc');
  }
  for (let round = 0; round < 4; round++) {
    globalThis.gc();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function measureHeap(count: number): Promise<Record<string, number>> {
  const manager = new RegionManager();
  const region = await manager.addRegion({ name: 'ram', type: 'ram', range: MemoryRange.ofPages(0, 2 ** 36) });
  await region.map({ writable: true });
  const empty = inUse();
  await manager.transaction((edit) => {
    for (let index = 0; index < count; index++) {
      edit.addMapping(region, ownMapping(index));
    }
  });
  const full = inUse();
  await manager.attach(idleTarget('idle'));
  const followed = inUse();
  await manager.close();
  return {
    [`memory/${count}/manager`]: (full - empty) / count,
    [`memory/${count}/target`]: (followed - full) / count,
    [`memory/${count}/all`]: (followed - empty) / count,
    [`memory/${count}/plain`]: plainArray(count),
  };
}

/** Each mapping has a different file offset, because a bigint uses memory as well. */
function ownMapping(index: number): MappingParams {
  return mapping(index, BigInt(index) * 4096n);
}

function plainArray(count: number): number {
  const before = inUse();
  const all = Array.from({ length: count }, (_, index) => ownMapping(index));
  const after = inUse();
  // Keeps the object alive until here.
  return all.length === 0 ? NaN : (after - before) / count;
}

/** Resident memory of this process including page tables, in bytes (proc(5)). */
function resident(): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  const kilobytes = ['VmRSS', 'VmPTE'].map((name) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]),
  );
  return kilobytes.reduce((sum, one) => sum + one, 0) * 1024;
}

function measureReservation(): Record<string, number> {
  globalThis.gc?.();
  const before = resident();
  const space = new AddressSpace({ size: 1n << 40n });
  const after = resident();
  space.close();
  // What else of the process went meanwhile is not the reservation's.
  return { 'memory/reservation': Math.max(0, after - before) / MiB };
}
