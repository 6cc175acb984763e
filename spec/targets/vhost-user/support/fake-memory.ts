/** A region as a back end gets it: four numbers, and the file. */
export interface FakeRegion {
  readonly gpa: bigint;
  readonly size: bigint;
  readonly userAddress: bigint;
  readonly offset: bigint;
  readonly inode: bigint;
}

const ADD_MEM_REG = 37;
const REM_MEM_REG = 38;
const TABLE_REGIONS_MAX = 8;

/** The memory of a fake back end. It refuses what the strictest back end refuses. */
export class FakeMemory {
  readonly #slots: number;
  #regions: readonly FakeRegion[] = [];

  constructor(slots: number) {
    this.#slots = slots;
  }

  /** Ascending. */
  get regions(): readonly FakeRegion[] {
    return this.#regions.toSorted((a, b) => (a.gpa < b.gpa ? -1 : 1));
  }

  clear(): void {
    this.#regions = [];
  }

  /**
   * Does what a message of the protocol asks for.
   *
   * @param inodes of the files that came with it
   * @returns whether it is accepted; otherwise nothing changes
   */
  change(request: number, payload: Buffer, inodes: readonly bigint[]): boolean {
    if (request === ADD_MEM_REG) {
      return payload.length === 40 && inodes.length === 1 && this.#add(regionAt(payload, 8, inodes[0]));
    }
    if (request === REM_MEM_REG) {
      return payload.length === 40 && inodes.length === 0 && this.#remove(regionAt(payload, 8, 0n));
    }
    return this.#replace(payload, inodes);
  }

  #add(region: FakeRegion): boolean {
    if (this.#regions.length >= this.#slots || !isPossible(region, this.#regions)) {
      return false;
    }
    this.#regions = [...this.#regions, region];
    return true;
  }

  #remove(region: FakeRegion): boolean {
    const rest = this.#regions.filter((one) =>
      (['gpa', 'size', 'userAddress', 'offset'] as const).some((field) => one[field] !== region[field]),
    );
    if (rest.length !== this.#regions.length - 1) {
      return false;
    }
    this.#regions = rest;
    return true;
  }

  #replace(payload: Buffer, inodes: readonly bigint[]): boolean {
    const count = payload.readUInt32LE(0);
    if (count === 0 || count > TABLE_REGIONS_MAX || count !== inodes.length || payload.length !== 8 + count * 32) {
      return false;
    }
    const regions: FakeRegion[] = [];
    for (const [index, inode] of inodes.entries()) {
      const region = regionAt(payload, 8 + index * 32, inode);
      if (!isPossible(region, regions)) {
        return false;
      }
      regions.push(region);
    }
    this.#regions = regions;
    return true;
  }
}

function regionAt(payload: Buffer, at: number, inode: bigint | undefined): FakeRegion {
  const [gpa, size, userAddress, offset] = [0, 8, 16, 24].map((part) => payload.readBigUInt64LE(at + part));
  return { gpa, size, userAddress, offset, inode } as FakeRegion;
}

function isPossible({ gpa, size, userAddress, offset }: FakeRegion, others: readonly FakeRegion[]): boolean {
  const isAligned = [gpa, size, userAddress, offset].every((value) => value % 4096n === 0n);
  const ends = [gpa + size, userAddress + size, offset + size].every((end) => end < 1n << 64n);
  const isFree = others.every(
    (one) =>
      (gpa + size <= one.gpa || one.gpa + one.size <= gpa) &&
      (userAddress + size <= one.userAddress || one.userAddress + one.size <= userAddress),
  );
  return isAligned && size > 0n && ends && isFree;
}
