import type { CopySource } from '../../binding/iommu/copy-source.js';
import type { DmaBatch } from '../../binding/iommu/dma-batch.js';
import type { IovaRange } from '../../binding/iommu/iova-range.js';
import type { BatchStop, DmaError, DmaMapRequest, MemoryRange } from '../../streams/index.js';
import { toBatchStop, whenDone, type BatchAnswer } from './batch-answer.js';
import { CapacityTracker, type Limits } from './capacity.js';
import type { IommuCalls } from './iommu-calls.js';
import { mapError, noVaError, unmapError } from './kernel-errors.js';

/** Finds an IOAS from which a mapping can be copied; `undefined` if there is none. */
export type FindSource = (request: DmaMapRequest) => CopySource | undefined;

/** What differs between the kernel interfaces. */
export interface KernelInterface {
  /** Name of the target, for errors. */
  readonly target: string;
  readonly calls: IommuCalls;
  /** Name of the `ioctl` request that makes maps; of that which makes this map, if one is given. */
  mapRequest(request?: DmaMapRequest): string;
  readonly unmapRequest: string;
  /** For whom memory is mapped, for messages. Default: `'devices'`. */
  readonly mappedFor?: string;
  /** The hint for a failed map. Default: that of an IOMMU. */
  mapHint?(errno: number, request: DmaMapRequest): string;

  /** Queries the ranges that can be mapped. */
  iovaRanges(): readonly IovaRange[];
  /** Queries what can be mapped now. */
  limits(): Limits;
  /** Number of devices added so far. Each one can reduce what can be mapped. */
  joins(): number;

  /** Adds the row for a map. @throws DmaError `ERR_NO_VA` */
  putMap(batch: DmaBatch, request: DmaMapRequest): void;
  /** A function for the maps of one set; `undefined` if none can be copied. Default: none can. */
  findSource?(): FindSource | undefined;

  /** Called before the kernel is called for maps. */
  beforeMaps?(): void;
  /** Called when the maps from index `first` up to, but not including, `end` have succeeded. */
  afterMaps?(requests: readonly DmaMapRequest[], first: number, end: number): void;
  /** Called when the unmaps from index `first` up to, but not including, `end` have succeeded. */
  afterUnmaps?(ranges: readonly MemoryRange[], first: number, end: number): void;
  /**
   * Continues a failed unmap. Returns `undefined` if nothing is left of it, otherwise the error, with what is still mapped. Default: a
   * failed unmap has unmapped nothing.
   */
  finishUnmap?(errno: number, range: MemoryRange): DmaError | undefined | Promise<DmaError | undefined>;

  /** Number of available entries; `undefined` if there is no limit. Default: there is none. */
  entriesLeft?(): number | undefined;
  /** A mapping of this target that overlaps the range. Default: unknown. */
  inTheWay?(range: MemoryRange): MemoryRange | undefined;
}

/** Makes the maps and unmaps of a target through one of the kernel interfaces. A single call is a set of one. */
export class KernelTarget {
  readonly #kernel: KernelInterface;
  readonly #capacity: CapacityTracker;

  constructor(kernel: KernelInterface) {
    this.#kernel = kernel;
    this.#capacity = new CapacityTracker(kernel);
  }

  checkMaps(requests: readonly DmaMapRequest[]): void {
    const findSource = this.#kernel.findSource?.();
    this.#capacity.check(requests, findSource && ((request) => findSource(request) !== undefined));
  }

  mapDma(request: DmaMapRequest): void | Promise<void> {
    return whenDone(this.mapDmaBatch([request]), throwError);
  }

  mapDmaBatch(requests: readonly DmaMapRequest[]): BatchAnswer {
    this.#kernel.beforeMaps?.();
    return this.#mapFrom(requests, 0, this.#kernel.findSource?.());
  }

  unmapDma(range: MemoryRange): void | Promise<void> {
    return whenDone(this.#unmapFrom([range], 0), throwError);
  }

  unmapDmaBatch(ranges: readonly MemoryRange[]): BatchAnswer {
    return this.#unmapFrom(ranges, 0);
  }

  /** If the kernel does not copy a row, this and the remaining rows are mapped: a kernel that never copies would need a call per row. */
  #mapFrom(requests: readonly DmaMapRequest[], first: number, findSource: FindSource | undefined): BatchAnswer {
    const { calls } = this.#kernel;
    const { batch, refused } = calls.fill(requests, first, (row, request) => {
      const source = findSource?.(request);
      if (source === undefined) {
        this.#kernel.putMap(row, request);
        this.#capacity.count(request.range.endPage - request.range.startPage);
      } else {
        row.copy(request.range, source, request.writable);
      }
    });
    return whenDone(calls.run(batch), (ran) => {
      const done = first + ran.done;
      this.#kernel.afterMaps?.(requests, first, done);
      return ran.isCopy
        ? this.#mapFrom(requests, done, undefined)
        : toBatchStop({ done, errno: ran.errno }, requests, refused, (errno, request, rest) =>
            mapError(errno, request, this.#kernel, rest),
          );
    });
  }

  #unmapFrom(ranges: readonly MemoryRange[], first: number): BatchAnswer {
    const { calls } = this.#kernel;
    const { batch, refused } = calls.fill(ranges, first, putUnmap);
    return whenDone(calls.run(batch), (ran) => {
      const done = first + ran.done;
      this.#kernel.afterUnmaps?.(ranges, first, done);
      if (ran.errno === 0 || this.#kernel.finishUnmap === undefined) {
        return toBatchStop({ done, errno: ran.errno }, ranges, refused, (errno, range) =>
          unmapError(errno, range, this.#kernel),
        );
      }
      return whenDone(this.#kernel.finishUnmap(ran.errno, ranges[done] as MemoryRange), (error) =>
        error === undefined ? this.#unmapFrom(ranges, done + 1) : { done, error },
      );
    });
  }
}

/** Adds the row for a map by host virtual address. @throws DmaError `ERR_NO_VA` */
export function putMapByVa(batch: DmaBatch, request: DmaMapRequest, target: string): void {
  const { range, hostVa, writable } = request;
  if (hostVa === undefined) {
    throw noVaError(request, target);
  }
  batch.mapVa(range, hostVa, writable);
}

function putUnmap(batch: DmaBatch, range: MemoryRange): void {
  batch.unmap(range);
}

function throwError(stop: BatchStop | undefined): void {
  if (stop !== undefined) {
    throw stop.error;
  }
}
