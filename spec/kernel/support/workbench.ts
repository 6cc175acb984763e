import { ftruncateSync, openSync, readFileSync, rmSync, closeSync } from 'node:fs';
import { expect } from 'chai';
import { AddressSpace, DmaBatch, Memfd } from '../../../binding/index.js';
import type { Mappable, MappingType } from '../../../streams/index.js';
import { DmaError, MemoryRange, type DmaMapRequest } from '../../../streams/index.js';
import { iommufd, mapsFiles, type1, type Way } from './machine.js';

/** How a target maps. */
export type Kind = 'type1' | 'va' | 'file';

/** The request that maps, by kind. */
export const MAP_REQUEST: Readonly<Record<Kind, string>> = {
  type1: 'VFIO_IOMMU_MAP_DMA',
  va: 'IOMMU_IOAS_MAP',
  file: 'IOMMU_IOAS_MAP_FILE',
};

/** The kinds that this kernel has. */
export const KINDS: readonly Kind[] = mapsFiles() ? ['type1', 'va', 'file'] : ['type1', 'va'];

export function wayOf(kind: Kind): Way {
  return kind === 'type1' ? type1() : iommufd(kind);
}

/** Where the source memory of a request is in the address space, unless told otherwise. */
const SOURCE = 0x4000_0000n;

/** What is pinned for this process, by either way of counting (proc(5)), in bytes. */
export function pinned(): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  const kilobytes = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  return (kilobytes('VmLck') + kilobytes('VmPin')) * 1024;
}

/** A target with a device behind it, and memory to map there: everything that a row of the errno table takes. */
export class Workbench implements Disposable {
  readonly kind: Kind;
  readonly way: Way;
  readonly space = new AddressSpace({ size: 1n << 40n });
  readonly memfd = Memfd.create('memory', 16n << 20n);
  readonly #files: { readonly memfd: Memfd; readonly fd: number; readonly path: string }[] = [];
  #nextSource = SOURCE;

  constructor(kind: Kind, options: { readonly withDevice?: boolean } = {}) {
    this.kind = kind;
    this.way = wayOf(kind);
    if (options.withDevice !== false) {
      this.way.openDevice();
    }
  }

  /**
   * A request to map `range`; its memory is somewhere else in the address space, so that the range can be one that the space does not have.
   *
   * @param options.mappable default: the memfd of the workbench
   * @param options.held whether the host mapping is writable. Default: as the request
   */
  request(
    range: MemoryRange,
    options: {
      readonly writable?: boolean;
      readonly held?: boolean;
      readonly mappable?: Mappable;
      readonly fileOffset?: bigint;
      readonly type?: MappingType;
    } = {},
  ): DmaMapRequest {
    const { writable = true, held = writable, mappable = this.memfd, fileOffset = 0n, type = 'ram' } = options;
    const source = MemoryRange.ofLength(this.#nextSource, range.length);
    this.#nextSource = source.end + 0x20_0000n - (source.end % 0x20_0000n);
    const backing = { mappable, fileOffset };
    const hostVa = this.space.ensureMapped({ range: source, region: 'ram', type, writable: held, backing });
    return { range, region: 'ram', type, writable, mappable, fileOffset, hostVa };
  }

  /** A file of the folder, which can be cut short, opened for reading and writing. */
  file(folder: string, length: number): { readonly mappable: Memfd; truncate(to: number): void } {
    const path = `${folder}/errno-table-${process.pid}-${this.#files.length}`;
    const fd = openSync(path, 'w+');
    ftruncateSync(fd, length);
    const memfd = Memfd.from(fd, 'file');
    this.#files.push({ memfd, fd, path });
    return {
      mappable: memfd,
      truncate: (to) => {
        ftruncateSync(fd, to);
      },
    };
  }

  /** What the kernel itself answers to a row, past everything that the target looks at before. */
  kernel(fill: (batch: DmaBatch) => void, change: (rows: Float64Array) => void = () => undefined): KernelAnswer[] {
    const batch = new DmaBatch();
    fill(batch);
    const iommu = this.way.container ?? this.way.ioas;
    iommu?.run({
      sources: batch.sources,
      runNow: (run: Parameters<DmaBatch['runNow']>[0]) =>
        batch.runNow((rows, results, count) => {
          change(rows);
          return run(rows, results, count);
        }),
    } as DmaBatch);
    return Array.from({ length: batch.length }, (_, row) => ({
      errno: batch.errnoAt(row),
      unmapped: batch.unmappedAt(row),
    }));
  }

  /** As {@link Workbench.kernel}, of a request that is mapped as the target would. */
  kernelMap(request: DmaMapRequest, change?: (rows: Float64Array) => void): number | undefined {
    const { range, mappable, fileOffset, hostVa, writable } = request;
    const [answer] = this.kernel((batch) => {
      if (this.kind === 'file') {
        batch.mapFile(range, mappable?.fd ?? -1, fileOffset, writable);
      } else if (hostVa !== undefined) {
        batch.mapVa(range, hostVa, writable);
      }
    }, change);
    return answer?.errno;
  }

  [Symbol.dispose](): void {
    this.way.close();
    for (const { memfd, fd, path } of this.#files) {
      memfd.close();
      closeSync(fd);
      rmSync(path);
    }
    this.memfd.close();
    this.space.close();
  }
}

export interface KernelAnswer {
  readonly errno: number;
  /** Of a row that unmaps, in bytes. */
  readonly unmapped: bigint;
}

/** The error of a call of a target, which may come at once or later. */
export async function refusal(call: () => void | Promise<void>): Promise<DmaError> {
  try {
    await call();
  } catch (error) {
    expect(error).to.be.instanceOf(DmaError);
    return error as DmaError;
  }
  throw new Error('it was not refused');
}
