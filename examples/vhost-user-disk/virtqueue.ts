/**
 * The driver's side of a split virtqueue (virtio 1.2, section 2.7) in guest memory: the descriptor table, the available ring, which the
 * driver writes, and the used ring, which the device writes. Without indirect descriptors and event indexes.
 *
 * Both sides run at the same time, so order matters: a chain is complete before the index of the available ring says so, and the index of
 * the used ring is read before what it announces. The indexes are accessed by `Atomics`, which is a full memory barrier.
 */
import { MemoryRange } from 'dma-streams';
import type { GuestMemory } from 'dma-streams/binding';

// Flags of a descriptor and of the used ring.
const NEXT = 1;
const DEVICE_WRITES = 2;
const NO_NOTIFY = 1;

const PAGE = 4096;
const DESCRIPTOR_BYTES = 16;
const USED_ELEMENT_BYTES = 8;
/** Both rings begin with two numbers of 16 bits: flags, and the index of the next element. */
const FLAGS = 0;
const INDEX = 1;
const HEADER = 2;

/** One buffer of a chain, in guest memory. A device reads it unless `deviceWrites`. */
export interface Segment {
  /** Guest physical address. */
  readonly address: bigint;
  /** In bytes. */
  readonly length: number;
  readonly deviceWrites?: boolean;
}

/** A chain that the device has finished with. */
export interface UsedChain {
  /** What `add` returned for it. */
  readonly head: number;
  /** How many bytes the device says it has written. */
  readonly written: number;
}

export class Virtqueue {
  /** Number of descriptors: a power of two. */
  readonly size: number;
  /** Guest physical addresses of the three parts. */
  readonly descriptorTable: bigint;
  readonly availableRing: bigint;
  readonly usedRing: bigint;
  readonly #descriptors: DataView;
  readonly #available: Uint16Array;
  readonly #used: Uint16Array;
  readonly #usedElements: DataView;
  /** Free descriptors, the next one last. */
  readonly #free: number[];
  #availableIndex = 0;
  #usedIndex = 0;

  /**
   * Lays the queue out in memory that is zero, and mapped as long as the queue is used.
   *
   * @param start guest physical address, a multiple of 4096; {@link Virtqueue.bytes} from there on belong to the queue
   */
  constructor(memory: GuestMemory, start: bigint, size = 128) {
    const { available, used, total } = layout(size);
    this.size = size;
    this.descriptorTable = start;
    this.availableRing = start + BigInt(available);
    this.usedRing = start + BigInt(used);
    const { buffer, byteOffset } = memory.view(MemoryRange.ofLength(start, BigInt(total)));
    this.#descriptors = new DataView(buffer, byteOffset, size * DESCRIPTOR_BYTES);
    this.#available = new Uint16Array(buffer, byteOffset + available, HEADER + size);
    this.#used = new Uint16Array(buffer, byteOffset + used, HEADER);
    this.#usedElements = new DataView(buffer, byteOffset + used + 2 * HEADER, size * USED_ELEMENT_BYTES);
    this.#free = Array.from({ length: size }, (_, index) => size - 1 - index);
  }

  /** How much guest memory a queue takes: a multiple of 4096. */
  static bytes(size = 128): bigint {
    return BigInt(layout(size).total);
  }

  /** How many more segments `add` takes now. */
  get freeDescriptors(): number {
    return this.#free.length;
  }

  /**
   * Makes a chain available to the device. Segments that the device reads come before those that it writes.
   *
   * @returns the head of the chain, by which the device names it when it is used
   * @throws RangeError if there are not enough free descriptors; nothing has changed then
   */
  add(segments: readonly Segment[]): number {
    if (segments.length === 0 || segments.length > this.#free.length) {
      throw new RangeError(`a chain of ${segments.length} segments, where ${this.#free.length} descriptors are free`);
    }
    const indexes = segments.map(() => this.#free.pop() ?? 0);
    segments.forEach(({ address, length, deviceWrites = false }, position) => {
      const at = (indexes[position] ?? 0) * DESCRIPTOR_BYTES;
      const next = indexes[position + 1];
      this.#descriptors.setBigUint64(at, address, true);
      this.#descriptors.setUint32(at + 8, length, true);
      this.#descriptors.setUint16(at + 12, (deviceWrites ? DEVICE_WRITES : 0) | (next === undefined ? 0 : NEXT), true);
      this.#descriptors.setUint16(at + 14, next ?? 0, true);
    });
    const head = indexes[0] ?? 0;
    this.#available[HEADER + (this.#availableIndex % this.size)] = head;
    this.#availableIndex = (this.#availableIndex + 1) & 0xffff;
    Atomics.store(this.#available, INDEX, this.#availableIndex);
    return head;
  }

  /** Whether the device wants to be notified of what `add` has made available. */
  get wantsNotification(): boolean {
    return (Atomics.load(this.#used, FLAGS) & NO_NOTIFY) === 0;
  }

  /** Takes the next used chain, and frees its descriptors. `undefined` if there is none yet. */
  take(): UsedChain | undefined {
    if (Atomics.load(this.#used, INDEX) === this.#usedIndex) {
      return undefined;
    }
    const at = (this.#usedIndex % this.size) * USED_ELEMENT_BYTES;
    const head = this.#usedElements.getUint32(at, true);
    const written = this.#usedElements.getUint32(at + 4, true);
    this.#usedIndex = (this.#usedIndex + 1) & 0xffff;
    this.#freeChain(head);
    return { head, written };
  }

  #freeChain(head: number): void {
    let index = head;
    for (let hasNext = true; hasNext;) {
      if (index >= this.size || this.#free.includes(index)) {
        throw new Error(`the device has used descriptor ${index}, which is not in use`);
      }
      this.#free.push(index);
      const at = index * DESCRIPTOR_BYTES;
      hasNext = (this.#descriptors.getUint16(at + 12, true) & NEXT) !== 0;
      index = this.#descriptors.getUint16(at + 14, true);
    }
  }
}

/** Offsets of the rings behind the descriptor table, in bytes. */
function layout(size: number): { readonly available: number; readonly used: number; readonly total: number } {
  if (!Number.isInteger(Math.log2(size)) || size < 1 || size > 32_768) {
    throw new RangeError(`a virtqueue of ${size} descriptors: the size is a power of two, up to 32768`);
  }
  const available = size * DESCRIPTOR_BYTES;
  const used = Math.ceil((available + 2 * (HEADER + size)) / 4) * 4;
  const end = used + 2 * HEADER + size * USED_ELEMENT_BYTES;
  return { available, used, total: Math.ceil(end / PAGE) * PAGE };
}
