import { expect } from 'chai';
import { Memfd, RamBlocks } from '../../binding/index.js';
import { MemoryRange } from '../../streams/index.js';
import { Virtqueue } from '../../examples/vhost-user-disk/virtqueue.js';

const START = 0x1_0000n;
const SIZE = 8;

/** The other side: what the standard says a device does, over the bytes of guest memory. */
class Device {
  readonly #memory: RamBlocks;
  readonly #queue: Virtqueue;
  #next = 0;
  #used = 0;

  constructor(memory: RamBlocks, queue: Virtqueue) {
    this.#memory = memory;
    this.#queue = queue;
  }

  /** The heads that are available and have not been taken. */
  takeAvailable(): number[] {
    const { availableRing, size } = this.#queue;
    const heads: number[] = [];
    for (; this.#next !== this.#number(availableRing + 2n, 2); this.#next = (this.#next + 1) & 0xffff) {
      heads.push(this.#number(availableRing + 4n + 2n * BigInt(this.#next % size), 2));
    }
    return heads;
  }

  /** The descriptors of a chain, as address, length and flags. */
  chain(head: number): readonly (readonly [address: bigint, length: number, flags: number])[] {
    const at = this.#queue.descriptorTable + 16n * BigInt(head);
    const flags = this.#number(at + 12n, 2);
    const rest = (flags & 1) === 0 ? [] : this.chain(this.#number(at + 14n, 2));
    return [[this.#memory.read(at, 8).readBigUInt64LE(), this.#number(at + 8n, 4), flags], ...rest];
  }

  use(head: number, written: number): void {
    const { usedRing, size } = this.#queue;
    const element = Buffer.alloc(8);
    element.writeUInt32LE(head, 0);
    element.writeUInt32LE(written, 4);
    this.#memory.write(usedRing + 4n + 8n * BigInt(this.#used % size), element);
    this.#used = (this.#used + 1) & 0xffff;
    this.#write(usedRing + 2n, this.#used);
  }

  refuseNotifications(): void {
    this.#write(this.#queue.usedRing, 1);
  }

  #number(at: bigint, bytes: number): number {
    return this.#memory.read(at, bytes).readUIntLE(0, bytes);
  }

  #write(at: bigint, value: number): void {
    this.#memory.write(at, Buffer.from([value & 0xff, value >> 8]));
  }
}

describe('the virtqueue of examples/vhost-user-disk', () => {
  let memory: RamBlocks;
  let ram: Memfd;
  let queue: Virtqueue;
  let device: Device;

  beforeEach(() => {
    memory = new RamBlocks();
    ram = Memfd.create('ram', 0x10_0000n);
    memory.ensureMapped({
      range: MemoryRange.ofLength(0n, ram.size),
      region: 'ram',
      type: 'ram',
      writable: true,
      backing: { mappable: ram, fileOffset: 0n },
    });
    queue = new Virtqueue(memory, START, SIZE);
    device = new Device(memory, queue);
  });
  afterEach(() => {
    memory.close();
    ram.close();
  });

  it('makes a chain available as the standard lays it out', () => {
    const head = queue.add([
      { address: 0x5000n, length: 16 },
      { address: 0x6000n, length: 512, deviceWrites: true },
      { address: 2n ** 40n, length: 1, deviceWrites: true },
    ]);
    expect(device.takeAvailable()).to.deep.equal([head]);
    expect(device.chain(head)).to.deep.equal([
      [0x5000n, 16, 1],
      [0x6000n, 512, 3],
      [2n ** 40n, 1, 2],
    ]);
    expect(queue.freeDescriptors).to.equal(SIZE - 3);
  });

  it('takes chains in the order in which the device has used them, and frees their descriptors', () => {
    const [first, second] = [0x5000n, 0x6000n].map((address) => queue.add([{ address, length: 8 }]));
    expect(queue.take()).to.equal(undefined);
    device.use(second ?? 0, 7);
    device.use(first ?? 0, 9);
    expect(queue.take()).to.deep.equal({ head: second, written: 7 });
    expect(queue.take()).to.deep.equal({ head: first, written: 9 });
    expect(queue.take()).to.equal(undefined);
    expect(queue.freeDescriptors).to.equal(SIZE);
  });

  it('goes on when the indexes of the rings wrap around', () => {
    const wrong: number[] = [];
    for (let round = 0; round < 66_000; round++) {
      const head = queue.add([{ address: BigInt(round), length: 1 }]);
      const [taken] = device.takeAvailable();
      device.use(head, round);
      const used = queue.take();
      if (taken !== head || used?.head !== head || used.written !== round) {
        wrong.push(round);
      }
    }
    expect(wrong).to.deep.equal([]);
  });

  it('says whether the device wants to be notified', () => {
    expect(queue.wantsNotification).to.equal(true);
    device.refuseNotifications();
    expect(queue.wantsNotification).to.equal(false);
  });

  it('refuses a chain that does not fit, and changes nothing', () => {
    queue.add(Array.from({ length: SIZE - 1 }, () => ({ address: 0n, length: 1 })));
    device.takeAvailable();
    const segment = { address: 0n, length: 1 };
    expect(() => queue.add([segment, segment])).to.throw(RangeError, '2 segments, where 1 descriptors are free');
    expect(device.takeAvailable()).to.deep.equal([]);
    expect(queue.freeDescriptors).to.equal(1);
  });

  it('refuses what a device says it has used and was never given', () => {
    const head = queue.add([{ address: 0n, length: 1 }]);
    device.use(head + 1, 0);
    expect(() => queue.take()).to.throw(`the device has used descriptor ${head + 1}, which is not in use`);
    device.use(SIZE, 0);
    expect(() => queue.take()).to.throw(`the device has used descriptor ${SIZE}, which is not in use`);
  });

  it('refuses a size that is no power of two', () => {
    expect(() => new Virtqueue(memory, START, 100)).to.throw(RangeError, 'a virtqueue of 100 descriptors');
  });
});
