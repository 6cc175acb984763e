/** One section of a flat view of QEMU: bytes of one of its memory regions. Sections of one view do not overlap. */
export interface Section {
  /** Address of the first byte. */
  readonly start: bigint;
  /** Address of the byte after the last byte. At most 2^64. */
  readonly end: bigint;
  /** Name of QEMU's memory region. Need not be unique, and may contain any characters. */
  readonly name: string;
  /**
   * `'ram'`, `'rom'`, `'romd'` (ROM that becomes registers when it is written), `'ramd'` (memory of a device), `'i/o'` or, in newer versions of
   * QEMU, `'container'`. Memory that is non-volatile has the prefix `nv-`. Later versions may have other kinds, which are no memory.
   */
  readonly kind: string;
  /** Offset of `start` in the memory region, in bytes. */
  readonly offset: bigint;
}

/** What has to go and to come so that one list of sections becomes another one. */
export interface SectionDifference {
  /** In the order of the old list. */
  readonly removed: readonly Section[];
  /** In the order of the new list. */
  readonly added: readonly Section[];
}

/** The difference between two lists. Two sections are the same if all their fields are equal. */
export function differenceOf(before: readonly Section[], after: readonly Section[]): SectionDifference {
  const old = new Set(before.map(sectionKey));
  const now = new Set(after.map(sectionKey));
  return {
    removed: before.filter((section) => !now.has(sectionKey(section))),
    added: after.filter((section) => !old.has(sectionKey(section))),
  };
}

/** Equal for two sections if, and only if, all their fields are. */
export function sectionKey({ start, end, name, kind, offset }: Section): string {
  return `${start} ${end} ${offset} ${kind} ${name}`;
}
