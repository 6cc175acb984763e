import { readFileSync } from 'node:fs';
import { textOf, type MachineRoots } from './machine-files.js';

/** Places of the database of the PCI ID Project, below /usr/share: Debian and its relatives, Fedora and Arch, pciutils by itself. */
const PLACES = ['misc/pci.ids', 'hwdata/pci.ids', 'pci.ids'];

/** Names of vendors and devices. */
export interface PciNames {
  /** The database that was read; `null` if this machine has none. */
  readonly file: string | null;
  /** The name for an ID such as `'8086:10d3'`: vendor and device, or only the vendor; `null` if neither is known. */
  nameOf(id: string): string | null;
}

/**
 * Reads the names of some devices from the database of the PCI ID Project that the machine has.
 *
 * @param ids vendor and device IDs, in lower-case hexadecimal: `'8086:10d3'`
 */
export function readPciNames({ share }: Pick<MachineRoots, 'share'>, ids: readonly string[]): PciNames {
  const file = PLACES.map((place) => `${share}/${place}`).find((path) => textOf(path) !== undefined);
  if (file === undefined) {
    return { file: null, nameOf: () => null };
  }
  const names = parsePciNames(readFileSync(file, 'utf8'), ids);
  return { file, nameOf: (id) => names.get(id) ?? null };
}

/**
 * The names of the given IDs. A line of the database is `VENDOR  name`, or, below its vendor and after a tab, `DEVICE  name`. Lines with two
 * tabs name cards; the sections after the vendors, such as `C 00`, name classes.
 */
function parsePciNames(text: string, ids: readonly string[]): ReadonlyMap<string, string> {
  const wanted = new Map<string, string[]>();
  for (const id of ids) {
    const vendor = id.slice(0, 4);
    wanted.set(vendor, [...(wanted.get(vendor) ?? []), id]);
  }
  const found = new Map<string, string>();
  let vendor = '';
  let vendorName = '';
  for (const line of text.split('\n')) {
    const [, tabs = '', id = '', name = ''] = /^(\t?)([0-9a-f]{4}) +(\S[^]*)$/i.exec(line) ?? [];
    if (tabs === '' && line !== '' && !/^[\t#]/.test(line)) {
      vendor = wanted.has(id.toLowerCase()) ? id.toLowerCase() : '';
      vendorName = name.trim();
      wanted.get(vendor)?.forEach((whole) => found.set(whole, vendorName));
    } else if (tabs !== '' && vendor !== '') {
      const whole = `${vendor}:${id.toLowerCase()}`;
      if (found.has(whole)) {
        found.set(whole, `${vendorName} ${name.trim()}`);
      }
    }
  }
  return found;
}
