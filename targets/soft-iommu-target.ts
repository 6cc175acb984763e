import { DmaError, MemoryRange, type DmaMapRequest, type DmaTarget } from '../streams/index.js';
import { checkMapRequest } from './call-checks.js';
import { Backing } from './soft-iommu/backing.js';
import { Entries } from './soft-iommu/entries.js';
import { Mapper } from './soft-iommu/mapper.js';
import type { SoftIommuModel } from './soft-iommu/model.js';
import { settingsOf, type Settings, type SoftIommuTargetOptions } from './soft-iommu/settings.js';
import { spansOf } from './soft-iommu/spans.js';
import { Unmapper } from './soft-iommu/unmapper.js';

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
  readonly #settings: Settings;
  readonly #entries = new Entries();
  readonly #mapper: Mapper;
  readonly #unmapper: Unmapper;
  #calls = 0;

  /** @throws TypeError or RangeError when an option is not of its type */
  constructor(options: SoftIommuTargetOptions = {}) {
    const settings = settingsOf(options);
    this.name = settings.name;
    this.model = settings.model;
    this.unmapShape = settings.traits.unmapShape;
    this.#settings = settings;
    this.#mapper = new Mapper(settings, this.#entries);
    this.#unmapper = new Unmapper(settings, this.#entries);
  }

  /** Mappings that it holds. */
  get entries(): number {
    return this.#entries.size;
  }

  /** What it holds, ascending, in the ranges in which it was mapped. */
  mappedRanges(): readonly MemoryRange[] {
    return this.#entries.ranges();
  }

  /**
   * On failure: nothing is mapped.
   *
   * @throws DmaError as the kernel would fail: `EEXIST` over another mapping (`EINVAL` in the model `exact`, which accepts the same
   * map again); `EINVAL` where something is not page aligned, outside the aperture or in a reserved range; `ENOSPC` at the entry limit; `EFAULT` beyond the end of the file;
   * and what `faults` says
   * @throws TypeError when the request is not of its type
   */
  mapDma(request: DmaMapRequest): void {
    const fault = this.#countCall();
    checkMapRequest(request);
    this.#throwFault(fault, this.#settings.traits.mapRequest, request.range, request.region);
    this.#mapper.map(request);
  }

  /**
   * On failure: nothing is unmapped; but in the model `iommufd` an unmap that cuts a mapping has already taken those before it, as in
   * the kernel.
   *
   * @throws DmaError as the kernel would fail: `EINVAL` (`ENOENT` in `iommufd` and `exact`) when it cuts a mapping; `ENOENT` over
   * nothing in `iommufd` (but not over all addresses) and `exact`; and what `faults` says
   */
  unmapDma(range: MemoryRange): void {
    this.#throwFault(this.#countCall(), this.#settings.traits.unmapRequest, range);
    this.#unmapper.unmap(range);
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
    const spans = spansOf(this.#entries, { kind: 'read', iova, length }, this.name);
    const data = Buffer.alloc(length);
    for (const { request, offset, from, to } of spans) {
      new Backing(request, this.name).read(offset, data.subarray(from, to));
    }
    return data;
  }

  /**
   * A device writes memory.
   *
   * @throws DmaFault when a byte is not mapped, or not for writing: its address is in the error, and nothing was written
   * @throws DmaError when there is nothing behind a mapping, or 2^53 bytes or more of a file before the end of the write
   * (`EOVERFLOW`): what lies in the mappings before it was written
   */
  write(iova: bigint, data: Uint8Array): void {
    if (!(data instanceof Uint8Array)) {
      throw new TypeError('data must be a Uint8Array');
    }
    const spans = spansOf(this.#entries, { kind: 'write', iova, length: data.length }, this.name);
    for (const { request, offset, from, to } of spans) {
      new Backing(request, this.name).write(offset, data.subarray(from, to));
    }
  }

  /** Its number, whether it is well formed or not. */
  #countCall(): number {
    return this.#calls++;
  }

  #throwFault(call: number, request: string, range: unknown, region?: string): void {
    const code = this.#settings.faults.get(call);
    if (code !== undefined) {
      throw new DmaError(`call ${call} was told to fail`, {
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
}
