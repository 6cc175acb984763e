import { readFileSync } from 'node:fs';

/** Whether the process is there and has not ended: one that has may stay listed until whoever started it takes notice. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
