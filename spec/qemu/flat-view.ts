/** One section of a flat view of QEMU: bytes of one of its memory regions. */
export interface Section {
  /** Address of the first byte. */
  readonly start: bigint;
  /** Address of the byte after the last byte. */
  readonly end: bigint;
  /** Name of QEMU's memory region. Need not be unique. */
  readonly name: string;
  /** `'ram'`, `'rom'`, `'romd'` (ROM that becomes registers when it is written), `'ramd'` (memory of a device) or `'i/o'`, without the prefix `nv-`. */
  readonly kind: string;
  /** Offset of `start` in the memory region. */
  readonly offset: bigint;
}

export interface FlatView {
  /** The address spaces that have this view. */
  readonly addressSpaces: readonly string[];
  /** In ascending order. */
  readonly sections: readonly Section[];
}

const VIEW = /^FlatView #\d+$/;
const ADDRESS_SPACE = /^ AS "(.*)", root: /;
const SECTION =
  /^ {2}([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, (?:nv-)?([a-z/]+)\): (.*?)(?: @([0-9a-f]{16}))?(?: KVM)?$/;
const OTHER = /^(?: Root memory region: .*| {2}No rendered FlatView|)$/;

/**
 * Parses what QEMU's monitor prints for `info mtree -f`.
 *
 * @throws Error with the number of a line that is not of this format
 */
export function parseFlatViews(text: string): readonly FlatView[] {
  const views: { addressSpaces: string[]; sections: Section[] }[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const view = views[views.length - 1];
    const name = ADDRESS_SPACE.exec(line)?.[1];
    const [, first, last, kind, region, offset = '0'] = SECTION.exec(line) ?? [];
    if (VIEW.test(line)) {
      views.push({ addressSpaces: [], sections: [] });
    } else if (view !== undefined && name !== undefined) {
      view.addressSpaces.push(name);
    } else if (view !== undefined && kind !== undefined && region !== undefined) {
      const [start, end] = [BigInt(`0x${first}`), BigInt(`0x${last}`) + 1n];
      view.sections.push({ start, end, name: region, kind, offset: BigInt(`0x${offset}`) });
    } else if (!OTHER.test(line)) {
      throw new Error(`line ${index + 1} of 'info mtree -f' is not understood: '${line}'`);
    }
  }
  return views;
}
