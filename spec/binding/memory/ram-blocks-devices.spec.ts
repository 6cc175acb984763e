import { closeSync, openSync } from 'node:fs';
import { expect } from 'chai';
import { RamBlocks } from '../../../binding/index.js';
import { MemoryRange, type Mappable } from '../../../streams/index.js';
import { ram } from '../support/changes.js';
import { areasOf, openDescriptors } from '../support/descriptors.js';

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
