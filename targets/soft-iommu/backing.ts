import { fstatSync, readSync, writeSync } from 'node:fs';
import { readHostVa, writeHostVa } from '../../binding/host-va.js';
import { DmaError, type DmaMapRequest } from '../../streams/index.js';

/** The bytes behind a mapping, as a device reaches them: through the file where there is one, else through the host address. */

/** Copies `target.length` bytes from `offset` bytes into the mapping. */
export function readBacking(request: DmaMapRequest, offset: bigint, target: Buffer): void {
  const { mappable, hostVa } = request;
  if (mappable !== undefined) {
    const position = request.fileOffset + offset;
    transfer(request, position, target.length, (done) =>
      readSync(mappable.fd, target, done, target.length - done, position + BigInt(done)),
    );
  } else if (hostVa !== undefined) {
    readHostVa(hostVa, offset, target.length).copy(target);
  } else {
    throw unreachable(request);
  }
}

/** Copies all of `data` to `offset` bytes into the mapping. */
export function writeBacking(request: DmaMapRequest, offset: bigint, data: Uint8Array): void {
  const { mappable, hostVa } = request;
  if (mappable !== undefined) {
    const position = request.fileOffset + offset;
    // A device cannot make a file longer: what a process has cut off is gone.
    const size = sizeOf(mappable.fd);
    if (size !== undefined && position + BigInt(data.length) > size) {
      throw beyondFile(request, size);
    }
    transfer(request, position, data.length, (done) =>
      writeSync(mappable.fd, data, done, data.length - done, Number(position) + done),
    );
  } else if (hostVa !== undefined) {
    writeHostVa(hostVa, offset, data);
  } else {
    throw unreachable(request);
  }
}

/** The length of a file that has one, in bytes; `undefined` of what cannot be looked at, or is not a regular file. */
export function sizeOf(fd: number): bigint | undefined {
  try {
    const stat = fstatSync(fd, { bigint: true });
    return stat.isFile() ? stat.size : undefined;
  } catch {
    return undefined;
  }
}

function transfer(request: DmaMapRequest, position: bigint, length: number, step: (done: number) => number): void {
  let done = 0;
  while (done < length) {
    const moved = step(done);
    if (moved === 0) {
      throw beyondFile(request, position + BigInt(done));
    }
    done += moved;
  }
}

function beyondFile({ range, region, mappable }: DmaMapRequest, size: bigint): DmaError {
  return new DmaError(`the file "${mappable?.label ?? ''}" behind it ends at ${size}`, {
    code: 'EFAULT',
    region,
    range,
    hint: 'somebody has cut the file short after it was mapped: use a Memfd, which is sealed against that',
  });
}

function unreachable({ range, region }: DmaMapRequest): DmaError {
  return new DmaError('there is neither a file nor a host address behind the mapping', {
    code: 'EFAULT',
    region,
    range,
    hint: 'give the RegionManager a VA mapper: private memory lives in the addresses that it makes',
  });
}
