import { errnoOf } from '../streams/errors.js';
import { DmaError, DmaFault, MemoryRange, type DmaMapRequest, type DmaTarget } from '../streams/index.js';
import { RangeMap } from '../streams/range-map.js';
import { readBacking, sizeOf, writeBacking } from './soft-iommu/backing-access.js';
import { checkIova } from './soft-iommu/iova.js';
import {
  DEFAULT_APERTURE,
  DEFAULT_RESERVED,
  MODELS,
  type ModelTraits,
  type SoftIommuModel,
} from './soft-iommu/model.js';

export interface SoftIommuTargetOptions {
  /** Default `'soft'` for `type1v2`, else `'soft:'` and the model. */
  readonly name?: string;
  /**
   * `'type1v2'` (the default) and `'iommufd'` fail as those kernel interfaces do. `'exact'` wants one unmap for each map, as some
   * vfio-user servers do.
   */
  readonly model?: SoftIommuModel;
  /** Mappings that it can hold. Default: 65,535 for `type1v2`, else no limit. */
  readonly entryLimit?: number;
  /** The addresses that it translates. Default: 0 to 2^48. */
  readonly aperture?: MemoryRange;
  /** Addresses that cannot be mapped. Default: the interrupt window 0xfee00000-0xfef00000. */
  readonly reserved?: readonly MemoryRange[];
  /** Fails the n-th call (0-based, maps and unmaps counted together) with this code, without any effect. */
  readonly faults?: ReadonlyMap<number, string>;
}

interface Entry {
  readonly range: MemoryRange;
  readonly request: DmaMapRequest;
}

/**
 * A software IOMMU with a real kernel's manners: its errnos, its limits, and device DMA that reaches the backing memory.
 *
 * What backs a mapping is looked at when DMA reaches it; when it is mapped, only that a file is not shorter than the mapping. It cannot
 * see file systems or pinning, and does not pretend to: what `fstat` cannot look at is accepted.
 */
export class SoftIommuTarget implements DmaTarget {
  readonly name: string;
  readonly model: SoftIommuModel;
  readonly unmapShape: 'superset' | 'exact';
  readonly #traits: ModelTraits;
  readonly #entryLimit: number | undefined;
  readonly #aperture: MemoryRange;
  readonly #reserved: readonly MemoryRange[];
  readonly #faults: ReadonlyMap<number, string>;
  readonly #entries = new RangeMap<Entry>();
  #calls = 0;

  /** @throws TypeError or RangeError when an option is not of its type */
  constructor(options: SoftIommuTargetOptions = {}) {
    const { model = 'type1v2', aperture = DEFAULT_APERTURE, reserved = DEFAULT_RESERVED, faults = new Map() } = options;
    if (!Object.hasOwn(MODELS, model)) {
      throw new RangeError(`model '${String(model)}' is none of ${Object.keys(MODELS).join(', ')}`);
    }
    const traits = MODELS[model];
    const { name = model === 'type1v2' ? 'soft' : `soft:${model}`, entryLimit = traits.entryLimit } = options;
    if (entryLimit !== undefined && !(Number.isInteger(entryLimit) && entryLimit >= 0)) {
      throw new RangeError(`entryLimit ${String(entryLimit)} is not a number of mappings`);
    }
    if (![aperture, ...reserved].every((range) => range instanceof MemoryRange)) {
      throw new TypeError('aperture and reserved of a SoftIommuTarget are MemoryRanges');
    }
    this.name = name;
    this.model = model;
    this.unmapShape = traits.unmapShape;
    this.#traits = traits;
    this.#entryLimit = entryLimit;
    this.#aperture = aperture;
    this.#reserved = [...reserved];
    this.#faults = faults;
  }

  /** Mappings that it holds. */
  get entries(): number {
    return this.#entries.size;
  }

  /** What it holds, ascending, in the ranges in which it was mapped. */
  held(): readonly MemoryRange[] {
    return Array.from(this.#entries, ({ range }) => range);
  }

  /**
   * On failure: nothing is mapped.
   *
   * @throws DmaError as the kernel would fail: `EEXIST` over another mapping (`EINVAL` in the model `exact`, which accepts the same
   * map again); `EINVAL` outside the aperture or in a reserved range; `ENOSPC` at the entry limit; `EFAULT` beyond the end of the file;
   * and what `faults` says
   */
  mapDma(request: DmaMapRequest): void {
    if (typeof request !== 'object' || (request as unknown) === null) {
      throw new TypeError('a map request must be an object');
    }
    this.#injectFault(this.#traits.mapRequest, request.range, request.region);
    const range = this.#checkedMapRange(request);
    for (const rule of this.#traits.mapRules) {
      switch (rule) {
        case 'overlap':
          if (this.#isMappedAlready(request, range)) {
            return;
          }
          break;
        case 'entries':
          this.#checkEntries(request, range);
          break;
        case 'window':
          this.#checkWindow(request, range);
          break;
      }
    }
    this.#checkFile(request, range);
    this.#entries.insert({ range, request });
  }

  /**
   * On failure: nothing is unmapped; but in the model `iommufd` an unmap that cuts a mapping has already taken those before it, as in
   * the kernel.
   *
   * @throws DmaError as the kernel would fail: `EINVAL` (`ENOENT` in `iommufd` and `exact`) when it cuts a mapping; `ENOENT` over
   * nothing in `iommufd` and `exact`; and what `faults` says
   */
  unmapDma(range: MemoryRange): void {
    this.#injectFault(this.#traits.unmapRequest, range);
    const checked = checkIova(range);
    if (!(checked instanceof MemoryRange)) {
      const code = checked === 'unaligned' ? this.#traits.unalignedUnmap : 'EINVAL';
      throw this.#error(code, `the range is ${checked}`, {
        unmap: true,
        hint: 'ranges are runs of whole pages in [0, 2^64)',
      });
    }
    const found = this.#entries.overlapping(checked);
    switch (this.model) {
      case 'exact':
        this.#unmapExact(found, checked);
        break;
      case 'iommufd':
        this.#unmapOneAfterAnother(found, checked);
        break;
      case 'type1v2':
        this.#unmapAllOrNothing(found, checked);
        break;
    }
  }

  /**
   * A device reads memory.
   *
   * @param length in bytes
   * @throws DmaFault when a byte is not mapped: its address is in the error
   * @throws DmaError when there is nothing behind a mapping
   */
  read(iova: bigint, length: number): Buffer {
    if (!Number.isSafeInteger(length) || length < 0) {
      throw new RangeError(`length ${String(length)} is not a number of bytes`);
    }
    const spans = this.#spans(iova, length, 'read');
    const data = Buffer.alloc(length);
    for (const { request, offset, from, to } of spans) {
      readBacking(request, offset, data.subarray(from, to));
    }
    return data;
  }

  /**
   * A device writes memory.
   *
   * @throws DmaFault when a byte is not mapped, or not for writing: its address is in the error, and nothing was written
   * @throws DmaError when there is nothing behind a mapping
   */
  write(iova: bigint, data: Uint8Array): void {
    if (!(data instanceof Uint8Array)) {
      throw new TypeError('data must be a Uint8Array');
    }
    for (const { request, offset, from, to } of this.#spans(iova, data.length, 'write')) {
      writeBacking(request, offset, data.subarray(from, to));
    }
  }

  #checkedMapRange(request: DmaMapRequest): MemoryRange {
    const checked = checkIova(request.range);
    if (checked instanceof MemoryRange) {
      return checked;
    }
    throw this.#error(checked === 'wraps' ? 'EOVERFLOW' : 'EINVAL', `the range is ${checked}`, {
      region: request.region,
      hint: 'ranges are non-empty runs of whole pages in [0, 2^64)',
    });
  }

  /** Counts the call, also one that is malformed. */
  #injectFault(request: string, range: unknown, region?: string): void {
    const code = this.#faults.get(this.#calls);
    this.#calls += 1;
    if (code !== undefined) {
      throw new DmaError(`call ${this.#calls - 1} was told to fail`, {
        code,
        syscall: 'ioctl',
        request,
        target: this.name,
        region,
        range: range instanceof MemoryRange ? range : undefined,
        hint: 'the option `faults` of this SoftIommuTarget says so',
      });
    }
  }

  /** Whether the same is mapped there, which the model `exact` accepts. */
  #isMappedAlready(request: DmaMapRequest, range: MemoryRange): boolean {
    const other = this.#entries.firstOverlap(range);
    if (other === undefined) {
      return false;
    }
    if (this.model === 'exact' && other.range.equals(range) && isSameMap(other.request, request)) {
      return true;
    }
    throw this.#error(
      this.#traits.overlap,
      `it overlaps ${other.range.toString()} of region "${other.request.region}", which is mapped`,
      { range, region: request.region, hint: `unmap ${other.range.toString()} first` },
    );
  }

  #checkEntries({ region }: DmaMapRequest, range: MemoryRange): void {
    const limit = this.#entryLimit;
    if (limit !== undefined && this.#entries.size >= limit) {
      throw this.#error('ENOSPC', `${this.#entries.size} of ${limit} entries are in use`, {
        range,
        region,
        hint: 'map fewer, larger ranges; for VFIO type1 the limit is the parameter dma_entry_limit of the module vfio_iommu_type1',
      });
    }
  }

  #checkWindow({ region }: DmaMapRequest, range: MemoryRange): void {
    if (!this.#aperture.contains(range)) {
      throw this.#error('EINVAL', `it is not inside the aperture ${this.#aperture.toString()}`, {
        range,
        region,
        hint: 'put the memory at guest physical addresses that the IOMMU can translate',
      });
    }
    const window = this.#reserved.find((reserved) => reserved.overlaps(range));
    if (window !== undefined) {
      throw this.#error('EINVAL', `it overlaps the reserved range ${window.toString()}`, {
        range,
        region,
        hint: 'leave a hole in the memory map there: devices write their interrupts to it',
      });
    }
  }

  #checkFile({ mappable, fileOffset, region }: DmaMapRequest, range: MemoryRange): void {
    const size = mappable === undefined ? undefined : sizeOf(mappable.fd);
    const needed = fileOffset + range.length;
    if (size !== undefined && needed > size) {
      throw this.#error(
        'EFAULT',
        `the mapping ends at ${needed} of "${mappable?.label ?? ''}", which ends at ${size}`,
        {
          range,
          region,
          hint: 'make the file longer, or map less of it',
        },
      );
    }
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
    if (found.length === 0) {
      throw this.#nothingThere(range);
    }
  }

  #unmapExact(found: readonly Entry[], range: MemoryRange): void {
    const [entry] = found;
    if (entry === undefined || !entry.range.equals(range)) {
      throw this.#nothingThere(range, found);
    }
    this.#entries.remove(range);
  }

  #checkWhole(entry: Entry, range: MemoryRange, code: string): void {
    if (!range.contains(entry.range)) {
      throw this.#error(code, `it cuts the mapping ${entry.range.toString()}`, {
        unmap: true,
        range,
        region: entry.request.region,
        hint: `unmap ${entry.range.toString()} whole`,
      });
    }
  }

  #nothingThere(range: MemoryRange, found: readonly Entry[] = []): DmaError {
    const near = found.map((entry) => entry.range.toString()).join(', ');
    return this.#error('ENOENT', near === '' ? 'nothing is mapped there' : `it is not one map, but touches ${near}`, {
      unmap: true,
      range,
      hint: 'unmap what was mapped, and only once',
    });
  }

  /** The parts of an access, one for each mapping, after the permission for all of it has been checked. */
  #spans(iova: bigint, length: number, access: 'read' | 'write'): Span[] {
    if (typeof iova !== 'bigint') {
      throw new TypeError(`iova ${String(iova)} is not a bigint`);
    }
    const end = iova + BigInt(length);
    if (length === 0) {
      return [];
    }
    if (iova < 0n || end > 1n << 64n) {
      throw new RangeError(`the access reaches out of [0, 2^64): 0x${iova.toString(16)}, ${length} bytes`);
    }
    const spans: Span[] = [];
    let next = iova;
    for (const { range, request } of this.#entries.overlapping(pagesOf(iova, end))) {
      if (range.start > next || (access === 'write' && !request.writable)) {
        break;
      }
      const to = range.end < end ? range.end : end;
      spans.push({ request, offset: next - range.start, from: Number(next - iova), to: Number(to - iova) });
      next = to;
    }
    if (next < end) {
      throw this.#fault(next, access);
    }
    return spans;
  }

  #fault(iova: bigint, access: 'read' | 'write'): DmaFault {
    const entry = this.#entries.firstOverlap(pagesOf(iova, iova + 1n));
    const why =
      entry === undefined
        ? 'nothing is mapped there'
        : `${entry.range.toString()} of region "${entry.request.region}" is read-only`;
    return new DmaFault(`DMA ${access} at 0x${iova.toString(16)} by a device of "${this.name}": ${why}`, iova, access);
  }

  #error(
    code: string,
    message: string,
    {
      unmap = false,
      range,
      region,
      hint,
    }: {
      readonly unmap?: boolean;
      readonly range?: MemoryRange;
      readonly region?: string;
      readonly hint: string;
    },
  ): DmaError {
    return new DmaError(message, {
      code,
      errno: -(errnoOf(code) ?? 0),
      syscall: 'ioctl',
      request: unmap ? this.#traits.unmapRequest : this.#traits.mapRequest,
      target: this.name,
      region,
      range,
      hint,
    });
  }
}

interface Span {
  readonly request: DmaMapRequest;
  /** Bytes into the mapping. */
  readonly offset: bigint;
  /** Bytes into the access. */
  readonly from: number;
  readonly to: number;
}

function pagesOf(start: bigint, end: bigint): MemoryRange {
  return MemoryRange.ofPages(Number(start >> 12n), Number((end + 4095n) >> 12n));
}

function isSameMap(a: DmaMapRequest, b: DmaMapRequest): boolean {
  return (
    a.mappable === b.mappable && a.fileOffset === b.fileOffset && a.writable === b.writable && a.hostVa === b.hostVa
  );
}
