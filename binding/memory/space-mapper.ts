import type { DmaError, HostVa, MapChange, Mappable } from '../../streams/index.js';
import { ERRNO, toDmaError } from '../../streams/internal.js';
import { leavingError, mapError } from './address-space-errors.js';
import { checkArray, checkFd, checkLabel, checkObject, checkRange, checkU64, show } from '../checks.js';
import type { HeldMapping, HeldMappings } from './held-mappings.js';
import { areasError, checkAreasFor, FEWER_AREAS, haveAreasFor, isLimitRaised } from './memory-areas.js';
import { native, type SpaceHandle } from '../native.js';
import type { SpaceAccess } from './space-access.js';
import type { SpaceReleaser } from './space-releaser.js';
import { RowBuffers, type Rows } from './row-buffers.js';

const { EBUSY, EEXIST, ENOMEM } = ERRNO;

/** Numbers in a row (see `Native.addressSpaceMapRows`). */
const ROW = 4;

/** Makes the mappings of guest memory, one at a time or many in one native call. */
export class SpaceMapper {
  readonly #access: SpaceAccess;
  readonly #held: HeldMappings;
  readonly #releaser: SpaceReleaser;
  readonly #spare = new RowBuffers(ROW);

  constructor(access: SpaceAccess, held: HeldMappings, releaser: SpaceReleaser) {
    this.#access = access;
    this.#held = held;
    this.#releaser = releaser;
  }

  /** See `MappedMemory.ensureMapped`. */
  ensureMapped(change: MapChange): HostVa {
    const space = this.#access.open();
    const wanted = this.#held.describe(checkChange(change));
    const { range, mappable, fileOffset, writable } = wanted;
    checkOffset(fileOffset);
    if (this.#held.hasUnreleased) {
      this.#releaser.releaseAgain(range);
    }
    const held = this.#held.find(wanted);
    if (held !== undefined) {
      return held;
    }
    this.#access.checkInside(range);
    const fd = mappable === undefined ? -1 : fdOf(mappable);
    const name = mappable === undefined ? mapsName(change.region) : '';
    checkAreasFor(this.#access.areasOfMapping);
    const file = mappable === undefined ? 0 : fileNumberOf(mappable);
    const { startPage, endPage } = range;
    const map = (): number => native().addressSpaceMap(space, startPage, endPage, fd, fileOffset, writable, name, file);
    let result = map();
    if (result === ENOMEM && isLimitRaised()) {
      result = map();
    }
    if (result < 0) {
      throw this.#error(space, result, change);
    }
    return this.#held.add(wanted, result);
  }

  /** See `MappedMemory.ensureMappedBatch`. */
  ensureMappedBatch(changes: readonly MapChange[]): readonly (HostVa | Error)[] {
    this.#access.open();
    checkArray(changes, 'changes');
    const rows = this.#spare.take(changes.length);
    const set = new MapSet(rows);
    for (const change of changes) {
      try {
        this.#addToSet(set, change);
      } catch (error) {
        set.answers.push(toError(error));
      }
    }
    this.#mapSet(set);
    this.#spare.giveBack(rows);
    return set.answers as (HostVa | Error)[];
  }

  #addToSet(set: MapSet, change: MapChange): void {
    const wanted = this.#held.describe(checkChange(change));
    const { range, mappable } = wanted;
    const fileOffset = checkOffset(wanted.fileOffset);
    // Mapped separately: private memory, which has a name; offsets not exact as a double; all, if a failed release must be retried.
    if (mappable === undefined || !Number.isSafeInteger(fileOffset) || this.#held.hasUnreleased) {
      this.#mapSet(set);
      set.answers.push(this.ensureMapped(change));
      return;
    }
    const held = this.#held.find(wanted);
    if (held === undefined) {
      this.#access.checkInside(range);
      set.add(change, wanted, mappable, fileOffset);
    } else {
      set.answers.push(held);
    }
  }

  /** Maps the pending rows of the set. */
  #mapSet(set: MapSet): void {
    const { length } = set.waiting;
    if (length === 0) {
      return;
    }
    const { numbers, results } = set.rows;
    const space = this.#access.open();
    const together = haveAreasFor(length * this.#access.areasOfMapping);
    const result = together ? native().addressSpaceMapRows(space, numbers, results, length) : 0;
    for (let row = 0; row < length; row++) {
      const { place, change, wanted } = set.waiting[row] as Waiting;
      const errno = result < 0 ? result : (results[row] ?? 0);
      if (together && errno >= 0) {
        set.answers[place] = this.#held.add(wanted, numbers[row * ROW + 3] as number);
      } else if (together && (result < 0 || (errno !== EEXIST && errno !== ENOMEM))) {
        set.answers[place] = this.#error(space, errno, change);
      } else {
        // Near the limit of memory areas each row is checked separately. The overlapping mapping may be identical, from an earlier row.
        set.answers[place] = this.#ensureOrError(change);
      }
    }
    set.waiting.length = 0;
  }

  #ensureOrError(change: MapChange): HostVa | Error {
    try {
      return this.ensureMapped(change);
    } catch (error) {
      return toError(error);
    }
  }

  #error(space: SpaceHandle, errno: number, change: MapChange): DmaError {
    const { range } = change;
    const fewer = this.#access.areasOfMapping === 0 ? FEWER_AREAS.forFiles : FEWER_AREAS.forMappings;
    const areas = errno === ENOMEM ? areasError(1, fewer) : undefined;
    if (areas !== undefined) {
      return areas;
    }
    if (errno === EBUSY && this.#held.isLeaving(range)) {
      return leavingError(change);
    }
    const overlap = errno === EEXIST ? native().addressSpaceOverlap(space, range.startPage, range.endPage) : undefined;
    return mapError(errno, change, {
      inTheWay: overlap === undefined ? undefined : this.#held.rangeAt(overlap[0]),
      fewer,
    });
  }
}

/** A pending row of a set. */
interface Waiting {
  /** Index in the answers. */
  readonly place: number;
  readonly change: MapChange;
  readonly wanted: HeldMapping;
}

/** A set that is being mapped: the answers so far, and the pending rows. */
class MapSet {
  readonly rows: Rows;
  /** `undefined` for a pending row. */
  readonly answers: (HostVa | Error | undefined)[] = [];
  readonly waiting: Waiting[] = [];
  #lastMappable: Mappable | undefined;
  /** See `Native.addressSpaceMapRows`. */
  #lastSource = 0;

  constructor(rows: Rows) {
    this.rows = rows;
  }

  /** @throws what the fd of the mappable throws */
  add(change: MapChange, wanted: HeldMapping, mappable: Mappable, fileOffset: number): void {
    if (mappable !== this.#lastMappable) {
      this.#lastSource = fileNumberOf(mappable) * FILE_NUMBER_UNIT + fdOf(mappable) * 2;
      this.#lastMappable = mappable;
    }
    const { numbers } = this.rows;
    const at = this.waiting.length * ROW;
    numbers[at] = wanted.range.startPage;
    numbers[at + 1] = wanted.range.endPage;
    numbers[at + 2] = this.#lastSource + (wanted.writable ? 1 : 0);
    numbers[at + 3] = fileOffset;
    this.waiting.push({ place: this.answers.length, change, wanted });
    this.answers.push(undefined);
  }
}

const FILE_NUMBER_UNIT = 2 ** 32;
const FILE_NUMBER_LIMIT = 2 ** 20;

const fileNumbers = new WeakMap<Mappable, number>();
let lastFileNumber = 0;

/** Number that identifies an open file; 0 if all numbers are assigned. */
function fileNumberOf(mappable: Mappable): number {
  let number = fileNumbers.get(mappable);
  if (number === undefined) {
    number = lastFileNumber + 1 < FILE_NUMBER_LIMIT ? ++lastFileNumber : 0;
    fileNumbers.set(mappable, number);
  }
  return number;
}

/** @throws TypeError, or what the getter throws */
function fdOf(mappable: Mappable): number {
  const { fd } = mappable;
  checkFd(fd, `the fd of "${mappable.label}"`);
  return fd;
}

function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : toDmaError(thrown, { fallbackCode: 'ERR_VA_MAPPER' });
}

function checkChange(value: MapChange): MapChange {
  const change: Readonly<Partial<Record<keyof MapChange, unknown>>> = checkObject(value, 'change');
  checkRange(change.range, 'range');
  checkLabel(change.region, 'region');
  if (typeof change.writable !== 'boolean') {
    throw new TypeError(`writable is ${show(change.writable)}, not a boolean`);
  }
  if (change.backing !== 'private') {
    const backing = checkObject(value.backing, 'backing');
    checkObject(backing.mappable, 'backing.mappable');
  }
  return value;
}

/** Returns the offset as a number, which is exact up to 2^53. A comparison of numbers takes a tenth of one of bigints. */
function checkOffset(fileOffset: bigint): number {
  const offset = typeof fileOffset === 'bigint' ? Number(fileOffset) : NaN;
  if (!(offset >= 0 && offset < Number.MAX_SAFE_INTEGER)) {
    checkU64(fileOffset, 'backing.fileOffset');
  }
  return offset;
}

/** A name that the kernel accepts for private memory: printable, without the characters that it reserves, at most 79 characters. */
function mapsName(region: string): string {
  return `dma-streams ${region}`.replace(/[^\x20-\x7e]|[\\`$[\]]/g, '?').slice(0, 79);
}
