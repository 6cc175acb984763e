import type { ChangeSet, Outcome } from '../streams/index.js';

/** A short text of an outcome: `'3 applied'`, `'4 failed ENOSPC'`, `'5 applied skipped EFAULT'`. */
export function outcomeText({ generation, status, error, skipped }: Outcome): string {
  const parts = [generation, status, error?.code ?? '', ...skipped.map(({ code }) => `skipped ${code}`)];
  return parts.filter((part) => part !== '').join(' ');
}

/** A short text of a change set: `'2: unmap 0x1000-0x2000, map 0x4000-0x8000 rw'`, `'0 snapshot'`. */
export function setText({ generation, snapshot, undo, unmaps, maps }: ChangeSet): string {
  const head = `${generation}${snapshot ? ' snapshot' : ''}${undo === true ? ' undo' : ''}`;
  const changes = [
    ...unmaps.map(({ range }) => `unmap ${range}`),
    ...maps.map(({ range, writable }) => `map ${range} ${writable ? 'rw' : 'ro'}`),
  ];
  return changes.length === 0 ? head : `${head}: ${changes.join(', ')}`;
}
