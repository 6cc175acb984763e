import type { MemoryHeadroom } from '../../binding/memory/memory-headroom.js';
import { DmaError } from '../../streams/index.js';
import { formatSize } from '../output/text.js';
import { isMapped, type Section } from '../trace/section.js';
import type { Trace } from '../trace/trace.js';

/**
 * One byte more for so many that are pinned: the page tables of the process and of the IOMMU, and the index of the file, take 8 bytes
 * each for a page of 4,096, rounded up.
 */
const PINNED_PER_BYTE_OF_TABLES = 128n;

/**
 * Refuses a trace that a real IOMMU cannot pin on this machine: the kernel would not refuse it, but end the process.
 *
 * @throws DmaError `ENOMEM` with what is needed, what there is, and what to do
 */
export function checkMemory(trace: Pick<Trace, 'commits'>, headroom: MemoryHeadroom | undefined): void {
  const pinned = bytesToPin(trace);
  const needed = pinned + pinned / PINNED_PER_BYTE_OF_TABLES;
  if (headroom === undefined || needed <= headroom.bytes) {
    return;
  }
  const { bytes, cgroup } = headroom;
  const left = formatSize(bytes < 0n ? 0n : bytes);
  const has = cgroup === undefined ? `this machine has ${left} left` : `the memory cgroup ${cgroup} has ${left} left`;
  const raise = cgroup === undefined ? 'give the machine more memory' : 'raise the limit of the cgroup (memory.max)';
  throw new DmaError(
    `a real IOMMU pins all memory of the trace: that takes ${formatSize(needed)}, and ${has}; nothing was begun`,
    {
      code: 'ENOMEM',
      hint:
        `replay a smaller trace, replay at a software IOMMU (--target soft), which touches little of the memory, or ${raise} ` +
        "(the guest of the lab: npm run lab -- --qemu '-m 4G' COMMAND)",
    },
  );
}

/** How much memory is there at most at a time, in bytes: each block from its first section until its last is removed for good. */
export function bytesToPin({ commits }: Pick<Trace, 'commits'>): bigint {
  const sections = new Map<string, Section[]>();
  for (const section of commits.flatMap(({ adds }) => adds.filter(isMapped))) {
    const known = sections.get(section.name);
    if (known === undefined) {
      sections.set(section.name, [section]);
    } else {
      known.push(section);
    }
  }
  const sizes = new Map([...sections].map(([name, all]) => [name, bytesCovered(all)]));
  const left = new Map([...sections].map(([name, all]) => [name, all.length]));
  const open = new Set<string>();
  let now = 0n;
  let most = 0n;
  for (const { adds, removes } of commits) {
    for (const { name } of adds.filter(isMapped)) {
      now += open.has(name) ? 0n : (sizes.get(name) ?? 0n);
      open.add(name);
    }
    // Memory goes after the commit that takes it away, as there may be other memory in that one.
    most = now > most ? now : most;
    for (const { name } of removes.filter(isMapped)) {
      const count = (left.get(name) ?? 0) - 1;
      left.set(name, count);
      if (count === 0) {
        open.delete(name);
        now -= sizes.get(name) ?? 0n;
      }
    }
  }
  return most;
}

/** Of the memory block, in bytes: what several sections show counts once, and what none shows does not. */
function bytesCovered(sections: readonly Section[]): bigint {
  const spans = sections
    .map(({ offset, range }) => ({ start: offset, end: offset + range.length }))
    .sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  let bytes = 0n;
  let end = 0n;
  for (const span of spans) {
    const start = span.start > end ? span.start : end;
    if (span.end > start) {
      bytes += span.end - start;
      end = span.end;
    }
  }
  return bytes;
}
