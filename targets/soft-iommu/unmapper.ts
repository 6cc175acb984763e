import { MemoryRange, type DmaError } from '../../streams/index.js';
import type { Entries, Entry } from './entries.js';
import { checkIova, RANGE_RULES } from './iova.js';
import { refusalsOf, type Refuse } from './refusal.js';
import type { Settings } from './settings.js';

/** All addresses. An IOAS accepts an unmap of this range even if nothing is mapped (`IOMMU_IOAS_UNMAP`, iova 0, length 2^64-1). */
const EVERYTHING = MemoryRange.of(0n, 1n << 64n);

/** Makes unmaps, by the rules of each model. */
export class Unmapper {
  readonly #settings: Settings;
  readonly #entries: Entries;
  readonly #refuse: Refuse;

  constructor(settings: Settings, entries: Entries) {
    this.#settings = settings;
    this.#entries = entries;
    this.#refuse = refusalsOf(settings.name, settings.traits.unmapRequest);
  }

  /** On failure: nothing is unmapped. Exception: in the model `iommufd`, mappings before the partially covered one are unmapped. */
  unmap(range: MemoryRange): void {
    const checked = this.#checkedRange(range);
    const found = this.#entries.overlapping(checked);
    switch (this.#settings.model) {
      case 'type1v2':
        this.#unmapAllOrNothing(found, checked);
        break;
      case 'iommufd':
        this.#unmapOneAfterAnother(found, checked);
        break;
      case 'exact':
        this.#unmapExact(found, checked);
        break;
    }
  }

  #checkedRange(range: MemoryRange): MemoryRange {
    const checked = checkIova(range);
    if (checked instanceof MemoryRange) {
      return checked;
    }
    const codes = { empty: 'EINVAL', unaligned: this.#settings.traits.unalignedUnmap, wraps: 'EOVERFLOW' };
    throw this.#refuse(codes[checked], `the range is ${checked}`, {
      hint: RANGE_RULES[checked],
    });
  }

  #unmapAllOrNothing(found: readonly Entry[], range: MemoryRange): void {
    for (const entry of found) {
      this.#checkWhole(entry, range, 'EINVAL');
    }
    for (const entry of found) {
      this.#entries.remove(entry.range);
    }
  }

  #unmapOneAfterAnother(found: readonly Entry[], range: MemoryRange): void {
    for (const entry of found) {
      this.#checkWhole(entry, range, 'ENOENT');
      this.#entries.remove(entry.range);
    }
    if (found.length === 0 && !range.equals(EVERYTHING)) {
      throw this.#nothingThere(range);
    }
  }

  #unmapExact(found: readonly Entry[], range: MemoryRange): void {
    const [entry] = found;
    if (entry?.range.equals(range) !== true) {
      throw this.#nothingThere(range, found);
    }
    this.#entries.remove(range);
  }

  #checkWhole(entry: Entry, range: MemoryRange, code: string): void {
    if (!range.contains(entry.range)) {
      throw this.#refuse(code, `it cuts the mapping ${entry.range.toString()}`, {
        range,
        region: entry.request.region,
        hint: `unmap ${entry.range.toString()} whole`,
      });
    }
  }

  #nothingThere(range: MemoryRange, found: readonly Entry[] = []): DmaError {
    const near = found.map((entry) => entry.range.toString()).join(', ');
    return this.#refuse('ENOENT', near === '' ? 'nothing is mapped there' : `it is not one map, but touches ${near}`, {
      range,
      hint: 'unmap what was mapped, and only once',
    });
  }
}
