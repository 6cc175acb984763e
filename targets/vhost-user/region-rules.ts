import { fileFacts, type FileFacts } from '../../binding/memory/file-facts.js';
import { DmaError, type DmaMapRequest, type Mappable } from '../../streams/index.js';
import { PAGE_SIZE, toDmaError, withContext } from '../../streams/internal.js';
import { checkMapRequest, checkRange } from '../call-checks.js';
import { USER_ADDRESS_BASE } from './messages.js';

/** What becomes of memory that a back end cannot be given as it is. */
export interface SharingRules {
  readonly readOnly: 'skip' | 'refuse' | 'share';
  readonly device: 'skip' | 'share';
}

/** The facts of the files of a batch. Each file is examined once. */
export class FilesOfBatch {
  #last: Mappable | undefined;
  #facts: FileFacts | undefined;
  #all: Map<Mappable, FileFacts> | undefined;

  /** @throws DmaError `ERR_CLOSED`, `EBADF`, or what the object throws when it is closed */
  of(mappable: Mappable): FileFacts {
    if (this.#last === mappable && this.#facts !== undefined) {
      return this.#facts;
    }
    this.#all ??= new Map();
    const facts = this.#all.get(mappable) ?? fileFacts(mappable.fd);
    this.#all.set(mappable, facts);
    this.#last = mappable;
    this.#facts = facts;
    return facts;
  }
}

/**
 * Checks a map before anything is sent: most back ends answer what they cannot map by closing the connection.
 *
 * @returns whether the memory is shared with the back end; `false` if it is to be left out
 * @throws TypeError for a request that is malformed; DmaError with `range` and a hint: see `VhostUserTarget.mapDma`
 */
export function isShared(
  request: DmaMapRequest,
  { readOnly, device }: SharingRules,
  files: FilesOfBatch,
  target: string,
): boolean {
  checkMapRequest(request);
  checkRange(request.range);
  if (request.type === 'device' && device === 'skip') {
    throw refusal(request, target, NO_DEVICES);
  }
  if (!request.writable && readOnly !== 'share') {
    if (readOnly === 'refuse') {
      throw refusal(request, target, NO_READ_ONLY);
    }
    return false;
  }
  const { mappable } = request;
  if (mappable === undefined) {
    throw refusal(request, target, NO_FILE);
  }
  let facts: FileFacts;
  try {
    facts = files.of(mappable);
  } catch (error) {
    const { region, range } = request;
    throw withContext(toDmaError(error, { fallbackCode: 'EBADF' }), { target, region, range });
  }
  const fault = faultOfFile(facts) ?? faultOfPlace(request, facts, mappable.label);
  if (fault !== undefined) {
    throw refusal(request, target, fault);
  }
  return true;
}

/** Why a map is refused. */
interface Fault {
  readonly code: string;
  readonly what: string;
  readonly hint: string;
}

const NO_DEVICES: Fault = {
  code: 'EOPNOTSUPP',
  what: 'memory of a device is not shared with vhost-user back ends',
  hint: "If it lies in a file that other processes can map, give VhostUserTarget the option device: 'share'.",
};

const NO_READ_ONLY: Fault = {
  code: 'EOPNOTSUPP',
  what: 'vhost-user has no read-only memory',
  hint: "With the option readOnly: 'skip' of VhostUserTarget, the back end does not get it; with 'share', it may write to it.",
};

const NO_FILE: Fault = {
  code: 'ERR_NO_FD',
  what: 'the target needs a file, and private memory has none',
  hint: 'Use a Memfd for memory that another process is to see.',
};

function faultOfFile({ regular, writable, sealed }: FileFacts): Fault | undefined {
  if (!regular) {
    return {
      code: 'EINVAL',
      what: 'it is not in a regular file, and back ends cannot map it',
      hint: 'Use a Memfd, or a file in /dev/shm, in hugetlbfs or on a disk; not a device, a pipe or a socket.',
    };
  }
  if (!writable) {
    return {
      code: 'EACCES',
      what: 'its file is not open for reading and writing, which back ends need',
      hint: 'Open the file with O_RDWR.',
    };
  }
  if (sealed) {
    return {
      code: 'EPERM',
      what: 'its file is sealed against writing (F_SEAL_WRITE or F_SEAL_FUTURE_WRITE), and back ends map memory for writing',
      hint: 'Share a memfd without these seals. What must not be written can be mapped with writable: false, and is not shared then.',
    };
  }
  return undefined;
}

/** Addresses of a region end below 2^64, also its user address. */
const GPA_LIMIT = (1n << 64n) - USER_ADDRESS_BASE;

function faultOfPlace(
  { range, fileOffset }: DmaMapRequest,
  { size, pageSize }: FileFacts,
  label: string,
): Fault | undefined {
  if (fileOffset < 0n || fileOffset % PAGE_SIZE !== 0n || fileOffset % pageSize !== 0n) {
    return {
      code: 'EINVAL',
      what: `the file offset ${fileOffset} is not a multiple of the page size ${pageSize} of "${label}"`,
      hint: 'Back ends map files from a page on: begin at the start of one.',
    };
  }
  const end = fileOffset + range.length;
  if (end > size) {
    return {
      code: 'ERR_BEYOND_FILE',
      what: `the mapping ends at offset ${end} of "${label}", which ends at ${size}`,
      hint: 'Map less of it, or make the file longer first.',
    };
  }
  if (range.end > GPA_LIMIT) {
    return {
      code: 'EINVAL',
      what: 'its addresses are too high for vhost-user',
      hint: `Place memory below 0x${GPA_LIMIT.toString(16)}.`,
    };
  }
  return undefined;
}

function refusal({ range, region }: DmaMapRequest, target: string, { code, what, hint }: Fault): DmaError {
  return new DmaError(`${range} cannot be shared: ${what}`, { code, target, region, range, hint });
}
