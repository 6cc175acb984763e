import { writeSync } from 'node:fs';
import { Memfd } from '../../binding/index.js';
import { shuffled } from '../support/scattered.js';

const PAGE = 4096;

/**
 * A memfd whose pages are scattered over physical memory: the pages are touched in a pseudo-random order, so that their frames are allocated
 * one by one. A file that is filled sequentially has contiguous runs of frames, of different lengths in each process, and mapping a run
 * costs less.
 */
export function scatteredMemory(size: number): Memfd {
  const memfd = Memfd.create('bench', BigInt(size));
  const byte = Buffer.from([1]);
  for (const page of shuffled(size / PAGE)) {
    writeSync(memfd.fd, byte, 0, 1, page * PAGE);
  }
  return memfd;
}
