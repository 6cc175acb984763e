import { type DmaMapRequest, MemoryRange } from '../../streams/index.js';
import { PAGE_SIZE } from '../../streams/internal.js';
import { sizeOf } from './backing.js';
import type { Entries, Entry } from './entries.js';
import { checkIova, RANGE_RULES } from './iova.js';
import { refusalsOf, type Refuse } from './refusal.js';
import type { Settings } from './settings.js';

/** Makes maps, and checks their rules in the order of the model. */
export class Mapper {
  readonly #settings: Settings;
  readonly #entries: Entries;
  readonly #refuse: Refuse;

  constructor(settings: Settings, entries: Entries) {
    this.#settings = settings;
    this.#entries = entries;
    this.#refuse = refusalsOf(settings.name, settings.traits.mapRequest);
  }

  /** On failure: nothing is mapped. */
  map(request: DmaMapRequest): void {
    const entry: Entry = { range: this.#checkedRange(request), request };
    this.#checkAlignment(entry);
    for (const rule of this.#settings.traits.mapRules) {
      switch (rule) {
        case 'overlap':
          if (this.#isMappedAlready(entry)) {
            return;
          }
          break;
        case 'entries':
          this.#checkRoom(entry);
          break;
        case 'window':
          this.#checkWindow(entry);
          break;
      }
    }
    this.#checkFile(entry);
    this.#entries.insert(entry);
  }

  #checkedRange({ range, region }: DmaMapRequest): MemoryRange {
    const checked = checkIova(range);
    if (checked instanceof MemoryRange) {
      return checked;
    }
    throw this.#refuse(checked === 'wraps' ? 'EOVERFLOW' : 'EINVAL', `the range is ${checked}`, {
      region,
      hint: RANGE_RULES[checked],
    });
  }

  /** Checks the alignment of the file offset, or of the host address if there is no file. */
  #checkAlignment({ range, request: { mappable, fileOffset, hostVa, region } }: Entry): void {
    const [what, address] =
      mappable === undefined ? ['host virtual address', hostVa?.address ?? 0n] : ['file offset', fileOffset];
    if (address < 0n || address % PAGE_SIZE !== 0n) {
      throw this.#refuse('EINVAL', `the ${what} ${address} is not a multiple of the page size ${PAGE_SIZE}`, {
        range,
        region,
        hint: 'memory is mapped in whole pages: begin at the start of one',
      });
    }
  }

  /** Whether an identical mapping exists, which the model `exact` accepts. */
  #isMappedAlready({ range, request }: Entry): boolean {
    const other = this.#entries.firstOverlap(range);
    if (other === undefined) {
      return false;
    }
    if (this.#settings.model === 'exact' && other.range.equals(range) && isSameMap(other.request, request)) {
      return true;
    }
    throw this.#refuse(
      this.#settings.traits.overlap,
      `it overlaps ${other.range.toString()} of region "${other.request.region}", which is mapped`,
      { range, region: request.region, hint: `unmap ${other.range.toString()} first` },
    );
  }

  #checkRoom({ range, request: { region } }: Entry): void {
    const { entryLimit } = this.#settings;
    const { size } = this.#entries;
    if (entryLimit !== undefined && size >= entryLimit) {
      throw this.#refuse('ENOSPC', `${size} of ${entryLimit} entries are in use`, {
        range,
        region,
        hint:
          `map fewer, larger ranges, or give mappings a larger granule: the limit is ${entryLimit} entries, and ${size} are in use; ` +
          'for VFIO type1 the limit is the parameter dma_entry_limit of the module vfio_iommu_type1; ' +
          this.#setting('entryLimit', 'entries=N'),
      });
    }
  }

  #checkWindow({ range, request: { region } }: Entry): void {
    const { aperture, reserved } = this.#settings;
    if (!aperture.contains(range)) {
      throw this.#refuse('EINVAL', `it is not inside the aperture ${aperture.toString()}`, {
        range,
        region,
        hint:
          `put the memory at guest physical addresses inside the aperture ${aperture.toString()}; ` +
          this.#setting('aperture', 'aperture=A-B'),
      });
    }
    const window = reserved.find((one) => one.overlaps(range));
    if (window !== undefined) {
      throw this.#refuse('EINVAL', `it overlaps the reserved range ${window.toString()}`, {
        range,
        region,
        hint:
          `leave a hole in the memory map at the reserved range ${window.toString()}; ` +
          this.#setting('reserved', 'reserved=none'),
      });
    }
  }

  /** Hint how to model a different machine. */
  #setting(option: keyof Settings, argument: string): string {
    const { model } = this.#settings;
    return `for another machine, give SoftIommuTarget the option "${option}" (on the command line, --target soft:${model},${argument})`;
  }

  #checkFile({ range, request: { mappable, fileOffset, region } }: Entry): void {
    if (mappable === undefined) {
      return;
    }
    const size = sizeOf(mappable.fd);
    if (size !== undefined && fileOffset + range.length > size) {
      const backed = size > fileOffset ? size - fileOffset : 0n;
      const missing = MemoryRange.of(range.start + backed - (backed % PAGE_SIZE), range.end);
      throw this.#refuse(
        'EFAULT',
        `the mapping ends at ${fileOffset + range.length} of "${mappable.label}", which ends at ${size}`,
        { range, region, hint: `${missing.toString()} is not backed: make the file longer, or map less of it` },
      );
    }
  }
}

function isSameMap(a: DmaMapRequest, b: DmaMapRequest): boolean {
  return (
    a.mappable === b.mappable && a.fileOffset === b.fileOffset && a.writable === b.writable && a.hostVa === b.hostVa
  );
}
