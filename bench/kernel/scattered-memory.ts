import { writeSync } from 'node:fs';
import { Memfd } from '../../binding/index.js';
import { shuffled } from '../support/scattered.js';

const PAGE = 4096;

/**
 * A memfd whose pages lie scattered over the machine's memory: they are touched in an order that jumps about, and so are given frames one
 * by one. A new file that is filled from its start has frames in runs, longer ones in one process than in another, and mapping runs
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
