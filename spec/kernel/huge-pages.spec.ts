import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { AddressSpace, DmaBatch, Memfd, VfioContainer, VfioGroup } from '../../binding/index.js';
import { MemoryRange } from '../../streams/index.js';
import { ram } from '../binding/support/changes.js';
import { dmaError } from '../binding/support/thrown.js';
import { copyByDma, enable, FIRST } from './support/edu.js';

const FOLDER = '/sys/kernel/mm/hugepages/hugepages-2048kB';
const PAGE = 0x200000;

function setPages(count: number): void {
  writeFileSync(`${FOLDER}/nr_hugepages`, String(count));
  expect(Number(readFileSync(`${FOLDER}/nr_hugepages`, 'utf8'))).to.equal(count);
}

describe('huge pages', () => {
  beforeEach(() => {
    setPages(4);
  });

  afterEach(() => {
    setPages(0);
  });

  it('back guest memory that is read, written, viewed and reached by a device', async () => {
    using memfd = Memfd.create('huge', BigInt(2 * PAGE), { hugePages: '2M' });
    using space = new AddressSpace({ size: 1n << 40n });
    const change = ram(0, 2 * PAGE, memfd);
    const hostVa = space.ensureMapped(change);
    space.write(BigInt(PAGE) - 3n, Buffer.from('across'));
    expect(space.read(BigInt(PAGE) - 3n, 6).toString()).to.equal('across');
    expect(Buffer.from(space.view(change.range).subarray(PAGE - 3, PAGE + 3)).toString()).to.equal('across');

    using container = VfioContainer.open();
    using group = VfioGroup.forDevice(FIRST);
    container.addGroup(group);
    using device = group.openDevice(FIRST);
    enable(device);
    const batch = new DmaBatch();
    batch.mapVa(change.range, hostVa, true);
    container.run(batch);
    expect(batch.errnoAt(0)).to.equal(0);
    await copyByDma(device, BigInt(PAGE) - 3n, 0x1000n, 6);
    expect(space.read(0x1000n, 6).toString()).to.equal('across');
  });

  it('are all reserved by create(), which says how many there are when they do not suffice', () => {
    using first = Memfd.create('first', BigInt(3 * PAGE), { hugePages: '2M' });
    expect(first.size).to.equal(BigInt(3 * PAGE));
    const error = dmaError(() => Memfd.create('second', BigInt(2 * PAGE), { hugePages: '2M' }));
    expect(error).to.include({ code: 'ENOMEM', syscall: 'mmap' });
    expect(error.hint).to.contain('It needs 2 pages. The machine has 4, of which 1 are free.');
    expect(error.hint).to.contain(`echo 5 > ${FOLDER}/nr_hugepages`);
  });

  it('are mapped whole: a part of one is refused, and nothing is left behind', () => {
    using memfd = Memfd.create('huge', BigInt(2 * PAGE), { hugePages: '2M' });
    using space = new AddressSpace({ size: 1n << 40n });
    for (const change of [
      ram(0, 0x1000, memfd),
      ram(0x1000, 0x1000 + PAGE, memfd),
      ram(0, PAGE, memfd, { fileOffset: 0x1000n }),
    ]) {
      const error = dmaError(() => space.ensureMapped(change));
      expect(error.code).to.equal('EINVAL');
      expect(error.hint).to.contain('huge pages');
    }
    expect(dmaError(() => space.read(0n, 1)).code).to.equal('EFAULT');
    space.ensureMapped(ram(0, PAGE, memfd));
    space.release(MemoryRange.of(0, PAGE));
  });
});
