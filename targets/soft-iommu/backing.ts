import { fstatSync, readSync, writeSync } from 'node:fs';
import { readHostVa, writeHostVa } from '../../binding/memory/host-va.js';
import { DmaError, type DmaMapRequest, type Mappable } from '../../streams/index.js';
import { toDmaError, withContext } from '../../streams/internal.js';

const WRITE_NEARER = 'give the memory a place in its file that ends below 2^53';

/** The backing of a mapping, for device accesses: through its file or its host address, whichever the IOMMU maps by. If there is only one, through that. */
export class Backing {
  readonly #request: DmaMapRequest;
  readonly #target: string;
  readonly #byVa: boolean;

  /** @param iommu its name is for messages */
  constructor(request: DmaMapRequest, iommu: { readonly name: string; readonly needsVa: boolean }) {
    this.#request = request;
    this.#target = iommu.name;
    this.#byVa = iommu.needsVa;
  }

  /**
   * Copies `into.length` bytes from `offset` bytes into the mapping.
   *
   * @throws DmaError `EFAULT` if the file was truncated, or there is no backing; the system error of the file;
   * `ERR_INVALID_HOST_VA`
   */
  read(offset: bigint, into: Buffer): void {
    this.#reach(offset, {
      file: (mappable, position) => this.#readFile(mappable, position, into),
      memory: (hostVa) => readHostVa(hostVa, offset, into.length).copy(into),
    });
  }

  /**
   * Copies all of `data` to `offset` bytes into the mapping.
   *
   * @throws DmaError as {@link Backing.read}; `EOVERFLOW` if the end of the write is at file offset 2^53 or above: Node.js can read there,
   * but takes the position of a write as a number. With other values it writes at the current file position
   */
  write(offset: bigint, data: Uint8Array): void {
    this.#reach(offset, {
      file: (mappable, position) => this.#writeFile(mappable, position, data),
      memory: (hostVa) => writeHostVa(hostVa, offset, data),
    });
  }

  #reach(
    offset: bigint,
    by: {
      readonly file: (mappable: Mappable, position: bigint) => void;
      readonly memory: (hostVa: NonNullable<DmaMapRequest['hostVa']>) => void;
    },
  ): void {
    const { mappable, fileOffset, hostVa, region, range } = this.#request;
    try {
      if (mappable !== undefined && !(this.#byVa && hostVa !== undefined)) {
        by.file(mappable, fileOffset + offset);
      } else if (hostVa !== undefined) {
        by.memory(hostVa);
      } else {
        throw this.#fault(
          'EFAULT',
          'there is neither a file nor a host address behind the mapping',
          'give the RegionManager a VA mapper: private memory lives in the addresses that it makes',
        );
      }
    } catch (error) {
      throw withContext(toDmaError(error, { fallbackCode: 'EIO' }), { target: this.#target, region, range });
    }
  }

  #readFile(mappable: Mappable, position: bigint, into: Buffer): void {
    this.#transfer(mappable, position, into.length, (done) =>
      readSync(mappable.fd, into, done, into.length - done, position + BigInt(done)),
    );
  }

  #writeFile(mappable: Mappable, position: bigint, data: Uint8Array): void {
    if (position + BigInt(data.length) > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw this.#fault(
        'EOVERFLOW',
        `a write at ${position} of "${mappable.label}" is further than Node can place it`,
        WRITE_NEARER,
      );
    }
    // A device access must not extend a file that was truncated.
    const size = sizeOf(mappable.fd);
    if (size !== undefined && position + BigInt(data.length) > size) {
      throw this.#beyondFile(mappable, size);
    }
    this.#transfer(mappable, position, data.length, (done) =>
      writeSync(mappable.fd, data, done, data.length - done, Number(position) + done),
    );
  }

  /** Repeats `step` until all bytes are transferred: a system call may transfer fewer bytes than requested. */
  #transfer(mappable: Mappable, position: bigint, length: number, step: (done: number) => number): void {
    let done = 0;
    while (done < length) {
      const moved = step(done);
      if (moved === 0) {
        throw this.#beyondFile(mappable, position + BigInt(done));
      }
      done += moved;
    }
  }

  #beyondFile({ label }: Mappable, size: bigint): DmaError {
    return this.#fault(
      'EFAULT',
      `the file "${label}" behind it ends at ${size}`,
      'the file was truncated after it was mapped: use a Memfd, which is sealed against shrinking',
    );
  }

  #fault(code: string, message: string, hint: string): DmaError {
    const { region, range } = this.#request;
    return new DmaError(message, { code, target: this.#target, region, range, hint });
  }
}

/** Size of a regular file, in bytes; `undefined` for other files, and if `fstat` fails. */
export function sizeOf(fd: number): bigint | undefined {
  try {
    const stat = fstatSync(fd, { bigint: true });
    return stat.isFile() ? stat.size : undefined;
  } catch {
    return undefined;
  }
}
