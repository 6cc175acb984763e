import type { PeerProcess } from '../../../lab/peer-process.js';
import type { Program } from './program.js';

/** What was read through one back end: a row of what `npm run test:peers` says. */
export interface PeerRow {
  readonly counterpart: string;
  readonly version: string;
  readonly command: string;
  readonly read: string[];
}

const rows = new Map<string, PeerRow>();

/** Notes what a test has read through a back end. */
export function noteRead({ name, version }: Program, { command }: PeerProcess, what: string): void {
  const key = `${name} ${version}`;
  const row = rows.get(key) ?? { counterpart: name, version, command, read: [] };
  row.read.push(what);
  rows.set(key, row);
}

/** One row for each back end. */
export function peerRows(): readonly PeerRow[] {
  return [...rows.values()];
}
