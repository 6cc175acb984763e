import { run } from '../run.js';
import { NEWEST_SYMBOLS } from './toolchain.js';

/**
 * The newest version that a shared object needs of each set of symbols, for example `GLIBC` → `2.28`.
 *
 * @param readelf the command of binutils, which reads objects of all processors
 */
export function neededSymbolVersions(readelf: readonly string[], file: string): ReadonlyMap<string, string> {
  // "  0x0040:   Name: GLIBC_2.28  Flags: none  Version: 5", in the section of what is needed
  const text = run([...readelf, '--version-info', '--wide', file], { env: { ...process.env, LC_ALL: 'C' } });
  const [, needs] = text.split('Version needs section');
  if (needs === undefined) {
    throw new Error(`${file} needs no symbol of any version: it is no addon`);
  }
  const newest = new Map<string, string>();
  for (const [, symbol = ''] of needs.matchAll(/Name: (\S+) /g)) {
    // GLIBC_PRIVATE and GLIBC_ABI_DT_RELR are names without a version.
    const [, name = symbol, version = ''] = /^([A-Z]+)_([\d.]+)$/.exec(symbol) ?? [];
    if (!newest.has(name) || compareVersions(version, newest.get(name) ?? '0') > 0) {
      newest.set(name, version);
    }
  }
  return newest;
}

/** What of it Debian 11 has not: one sentence each. */
export function unmetSymbolVersions(needed: ReadonlyMap<string, string>): string[] {
  return [...needed].flatMap(([name, version]) => {
    const newest = NEWEST_SYMBOLS.get(name);
    if (newest === undefined) {
      return [`needs ${name}, which Debian 11 has not`];
    }
    return compareVersions(version, newest) > 0
      ? [`needs ${name}_${version}, and Debian 11 has ${name}_${newest} at most`]
      : [];
  });
}

/** Below 0 if `left` is older than `right`, above 0 if it is newer. */
function compareVersions(left: string, right: string): number {
  const [one, other] = [left, right].map((version) => version.split('.').map(Number)) as [number[], number[]];
  const index = one.findIndex((part, at) => part !== (other[at] ?? 0));
  return index === -1 ? one.length - other.length : (one[index] ?? 0) - (other[index] ?? 0);
}
