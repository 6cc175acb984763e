import { DmaError, MemoryRange, type DmaMapRequest, type DmaTarget } from '../streams/index.js';
import { checkMapRequest } from './call-checks.js';
import { Backing } from './soft-iommu/backing.js';
import { Entries } from './soft-iommu/entries.js';
import { Mapper } from './soft-iommu/mapper.js';
import type { SoftIommuModel } from './soft-iommu/model.js';
import { settingsOf, type Settings, type SoftIommuTargetOptions } from './soft-iommu/settings.js';
import { spansOf } from './soft-iommu/spans.js';
import { Unmapper } from './soft-iommu/unmapper.js';
import { printable, toByteCount, toBytes } from '../streams/internal.js';

/**
 * A software IOMMU that models the kernel: the same errnos and limits, and device DMA that accesses the backing memory.
 *
 * `mapDma` only checks that a file is not shorter than the mapping; `read` and `write` access the backing. File systems and pinning are
 * not modelled: descriptors that `fstat` cannot examine are accepted.
 *
 * The model `type1v2` maps by host virtual address, like VFIO type1: its manager needs a VA mapper, `RamBlocks` or `AddressSpace`, and DMA
 * accesses memory at the host virtual address. The other models access the file, and private memory at its host virtual address.
 *
 * The model `iommufd` deviates from the contract of `DmaTarget` in one rule: an unmap of a range without maps fails, as in the kernel. The
 * library makes no such call of this target, because its maps end at once.
 *
 * @example
 * ```ts
 * import { MemoryRange } from 'dma-streams';
 * import { Memfd } from 'dma-streams/binding';
 * import { SoftIommuTarget } from 'dma-streams/targets';
 *
 * using ram = Memfd.create('ram', 0x10000n);
 * const iommu = new SoftIommuTarget();
 * const range = MemoryRange.of(0, 0x10000);
 * iommu.mapDma({ range, region: 'ram', type: 'ram', writable: true, mappable: ram, fileOffset: 0n });
 * iommu.write(0x1000n, Buffer.from('hello'));
 * ```
 */
export class SoftIommuTarget implements DmaTarget {
  readonly name: string;
  /** Which kernel interface it behaves as. */
  readonly model: SoftIommuModel;
  readonly unmapShape: 'superset' | 'exact';
  /** True for the model `type1v2`. A request without a host virtual address is accepted by it too; DMA then accesses the file. */
  readonly needsVa: boolean;
  readonly #settings: Settings;
  readonly #entries = new Entries();
  readonly #mapper: Mapper;
  readonly #unmapper: Unmapper;
  #calls = 0;

  /** @throws TypeError if an option has the wrong type; RangeError if a value is invalid */
  constructor(options: SoftIommuTargetOptions = {}) {
    const settings = settingsOf(options);
    this.name = settings.name;
    this.model = settings.model;
    this.unmapShape = settings.traits.unmapShape;
    this.needsVa = settings.traits.needsVa;
    this.#settings = settings;
    this.#mapper = new Mapper(settings, this.#entries);
    this.#unmapper = new Unmapper(settings, this.#entries);
  }

  /** Number of current mappings. */
  get entries(): number {
    return this.#entries.size;
  }

  /** The option `entryLimit`; `undefined` for no limit. */
  get maxMaps(): number | undefined {
    return this.#settings.entryLimit;
  }

  /** The ranges of the current mappings, ascending. Adjacent mappings are not merged. */
  mappedRanges(): readonly MemoryRange[] {
    return this.#entries.ranges();
  }

  /**
   * Maps memory. On failure: nothing is mapped.
   *
   * @throws DmaError with the errno of the kernel: `EEXIST` if a mapping overlaps (`EINVAL` in the model `exact`, which accepts an
   * identical map); `EINVAL` if the range is not page aligned, outside the aperture or in a reserved range; `ENOSPC` at the entry limit;
   * `EFAULT` beyond the end of the file; also the codes in `faults`
   * @throws TypeError if the request is invalid
   */
  mapDma(request: DmaMapRequest): void {
    const fault = this.#countCall();
    checkMapRequest(request);
    this.#throwFault(fault, this.#settings.traits.mapRequest, request.range, request.region);
    this.#mapper.map(request);
  }

  /**
   * Unmaps all mappings inside the range.
   *
   * On failure: nothing is unmapped. Exception: in the model `iommufd`, if the range contains only a part of a mapping, the mappings before
   * that one are already unmapped, as in the kernel.
   *
   * @throws DmaError with the errno of the kernel: `EINVAL` (`ENOENT` in `iommufd` and `exact`) if the range contains only a part of a
   * mapping; `ENOENT` if it contains no mapping, in `iommufd` (except for all addresses) and `exact`; also the codes in `faults`
   */
  unmapDma(range: MemoryRange): void {
    this.#throwFault(this.#countCall(), this.#settings.traits.unmapRequest, range);
    this.#unmapper.unmap(range);
  }

  /**
   * Reads memory as a device would.
   *
   * @param iova I/O virtual address, in bytes
   * @param length in bytes
   * @throws DmaFault if a byte is not mapped; the error has its address
   * @throws DmaError if a mapping has no accessible backing; `ERR_INVALID_HOST_VA` if its host virtual address was released
   * @throws TypeError or RangeError if an argument is invalid
   */
  read(iova: bigint | number, length: bigint | number): Buffer {
    const access = { kind: 'read', iova: toBytes(iova, 'iova'), length: toByteCount(length, 'length') } as const;
    const spans = spansOf(this.#entries, access, this.name);
    const data = Buffer.alloc(access.length);
    for (const { request, offset, from, to } of spans) {
      new Backing(request, this).read(offset, data.subarray(from, to));
    }
    return data;
  }

  /**
   * Writes memory as a device would.
   *
   * @throws DmaFault if a byte is not mapped, or not writable; the error has its address, and nothing was written
   * @throws DmaError if a mapping has no accessible backing; `ERR_INVALID_HOST_VA` if its host virtual address was released; `EOVERFLOW` if
   * it is written through a file, and the end of the write is at file offset 2^53 or above. The bytes in preceding mappings were written
   * @throws TypeError or RangeError if an argument is invalid
   */
  write(iova: bigint | number, data: Uint8Array): void {
    const start = toBytes(iova, 'iova');
    if (!(data instanceof Uint8Array)) {
      throw new TypeError('data must be a Uint8Array');
    }
    const spans = spansOf(this.#entries, { kind: 'write', iova: start, length: data.length }, this.name);
    for (const { request, offset, from, to } of spans) {
      new Backing(request, this).write(offset, data.subarray(from, to));
    }
  }

  /** The 0-based number of this call. Invalid calls are counted too. */
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

printable(SoftIommuTarget, ({ name, model, unmapShape, needsVa, entries, maxMaps }) => ({
  name,
  model,
  unmapShape,
  needsVa,
  entries,
  maxMaps,
}));
