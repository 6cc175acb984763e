import { closeSync, openSync } from 'node:fs';
import { expect } from 'chai';
import { RamBlocks } from '../../../binding/index.js';
import { MemoryRange, type MapChange, type Mappable } from '../../../streams/index.js';
import { ram } from '../support/changes.js';
import { areasOf, openDescriptors } from '../support/descriptors.js';
import { dmaError } from '../support/thrown.js';

const PAGE = 0x1000;

/** Each shared mapping of /dev/zero is new memory: what shows it twice is one block. */
function zero(): Mappable & Disposable {
  const fd = openSync('/dev/zero', 'r+');
  return { fd, label: 'zero', [Symbol.dispose]: () => closeSync(fd) };
}
const zeros = (): readonly string[] => areasOf('/dev/zero (deleted)').concat(areasOf('/dev/zero'));

describe('RamBlocks of a device', () => {
  let blocks: RamBlocks;

  beforeEach(() => {
    blocks = new RamBlocks();
  });

  afterEach(() => {
    blocks.close();
  });

  it('are known by the object, not by the inode, and as long as what is asked for', () => {
    using one = zero();
    using other = zero();
    blocks.ensureMapped(ram(0, 2 * PAGE, one));
    blocks.ensureMapped(ram(4 * PAGE, 6 * PAGE, one));
    blocks.ensureMapped(ram(8 * PAGE, 10 * PAGE, other));
    blocks.write(0n, Buffer.from('one'));
    expect(blocks.read(BigInt(4 * PAGE), 3).toString()).to.equal('one');
    expect(blocks.read(BigInt(8 * PAGE), 3)).to.deep.equal(Buffer.alloc(3));
    expect(zeros()).to.have.length(2);
    blocks.ensureMapped(ram(12 * PAGE, 13 * PAGE, one, { fileOffset: 0x1000n }));
    expect(zeros(), 'a part of a block').to.have.length(2);
    blocks.ensureMapped(ram(16 * PAGE, 17 * PAGE, one, { fileOffset: 0x2000n }));
    expect(zeros(), 'beyond it').to.have.length(3);
  });

  it('whose descriptor has another device now: no new mapping shows the first one', () => {
    const device = { fd: openSync('/dev/zero', 'r+'), label: 'device' };
    blocks.ensureMapped(ram(0, PAGE, device));
    blocks.write(0n, Buffer.from('first'));
    closeSync(device.fd);
    expect(openSync('/dev/null', 'r+'), 'the number is used again').to.equal(device.fd);
    expect(dmaError(() => blocks.ensureMapped(ram(PAGE, 2 * PAGE, device))).code).to.equal('ENODEV');
    expect(blocks.read(0n, 5).toString()).to.equal('first');
    closeSync(device.fd);
  });

  it('reach to the end of all files, and not beyond', () => {
    using device = zero();
    const end = 2n ** 63n;
    const change = (length: bigint, fileOffset: bigint): MapChange => ({
      ...ram(0, PAGE, device, { fileOffset }),
      range: MemoryRange.ofLength(0n, length),
    });
    for (const [length, fileOffset] of [
      [0x2000n, end - 0x1000n],
      [2n ** 64n - 0x1000n, 0x1000n],
      [2n ** 64n - 0x1000n, end - 0x1000n],
    ] as const) {
      const error = dmaError(() => blocks.ensureMapped(change(length, fileOffset)));
      expect(error).to.include({ code: 'EOVERFLOW' });
      expect(error.message).to.contain('beyond 2^63 bytes');
    }
    blocks.ensureMapped(change(0x1000n, end - 0x1000n));
    expect(zeros()).to.have.length(1);
  });

  it('outlive the descriptor', () => {
    const descriptors = openDescriptors();
    {
      using device = zero();
      blocks.ensureMapped(ram(0, PAGE, device));
    }
    blocks.write(0n, Buffer.from('kept'));
    expect(blocks.read(0n, 4).toString()).to.equal('kept');
    blocks.release(MemoryRange.of(0, PAGE));
    expect(openDescriptors(), 'nothing keeps it open').to.equal(descriptors);
    expect(zeros()).to.have.length(0);
  });
});
