import { fstatSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { AddressSpace, DmaBatch, Memfd, VfioContainer, VfioGroup } from '../../binding/index.js';
import { native } from '../../binding/native.js';
import { MemoryRange } from '../../streams/index.js';
import { ram } from '../binding/support/changes.js';
import { runChild } from '../binding/support/child.js';
import { dmaError } from '../binding/support/thrown.js';
import { copyByDma, enable, FIRST } from './support/edu.js';

const FOLDER = '/sys/kernel/mm/hugepages/hugepages-2048kB';
const PAGE = 0x200000;
/** With pages of the default size, 2 MiB. */
const MFD_HUGETLB = 4;

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

  it('back guest memory that is read, written and reached by a device', async () => {
    using memfd = Memfd.create('huge', BigInt(2 * PAGE), { hugePages: '2M' });
    using space = new AddressSpace({ size: 1n << 40n });
    const change = ram(0, 2 * PAGE, memfd);
    const hostVa = space.ensureMapped(change);
    space.write(BigInt(PAGE) - 3n, Buffer.from('across'));
    expect(space.read(BigInt(PAGE) - 3n, 6).toString()).to.equal('across');

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

  it('have no views, for they can be punched out in spite of the seals; read and write then say what is short', () => {
    const result = runChild(`
      const { spawnSync } = await import('node:child_process');
      const { AddressSpace, Memfd } = await import(BINDING);
      const { MemoryRange } = await import(STREAMS);
      const attempt = (work) => {
        try { work(); return 'done'; } catch (error) { return [error.code, error.message, error.hint].join(' | '); }
      };
      const memfd = Memfd.create('huge', ${2 * PAGE}n, { hugePages: '2M' });
      const space = new AddressSpace({ size: 1n << 30n });
      const range = MemoryRange.of(0, ${2 * PAGE});
      space.ensureMapped({ range, region: 'r', type: 'ram', writable: true, backing: { mappable: memfd, fileOffset: 0n } });
      space.write(${PAGE}n, Buffer.from('second'));
      console.log(attempt(() => space.view(MemoryRange.of(0, 0x1000))));
      const { status } = spawnSync('fallocate', ['--punch-hole', '--offset', '${PAGE}', '--length', '${PAGE}', '/proc/' + process.pid + '/fd/' + memfd.fd]);
      // Those that are left, and the one that was punched out.
      const other = Memfd.create('other', ${3 * PAGE}n, { hugePages: '2M' });
      console.log(status, attempt(() => space.read(${PAGE}n, 1)));
      console.log(attempt(() => space.write(${PAGE}n, Buffer.from('x'))));
      other.close();
      console.log(space.read(${PAGE}n, 1)[0]);
    `);
    expect(result).to.include({ status: 0, signal: null }, result.stderr);
    const [view, read, written, again] = result.stdout.split('\n');
    expect(view).to.match(/^EOPNOTSUPP \|.*use read\(\) and write\(\)/);
    expect(read).to.match(/^0 EFAULT \|.*no huge pages of 2 MiB are free \|.*The machine has 4, of which 0 are free/);
    expect(written).to.match(/^EFAULT \|.*no huge pages of 2 MiB are free/);
    expect(again).to.equal('0');
  });

  it('that were not reserved, and are used up: the mapping is refused, rather than a touch of it', () => {
    const file = native().memfdCreate('not reserved', MFD_HUGETLB);
    if (typeof file === 'number') {
      throw new Error(`memfd_create: ${file}`);
    }
    expect(native().fileTruncate(file, BigInt(2 * PAGE))).to.equal(0);
    using memfd = Memfd.from(native().fileFd(file), 'not reserved');
    native().fileClose(file);
    using others = Memfd.create('others', BigInt(3 * PAGE), { hugePages: '2M' });
    using space = new AddressSpace({ size: 1n << 40n });
    const error = dmaError(() => space.ensureMapped(ram(0, 2 * PAGE, memfd)));
    expect(error.code).to.equal('ENOMEM');
    expect(error.hint).to.contain('HugePages_Free');
    others.close();
    space.ensureMapped(ram(0, 2 * PAGE, memfd));
    space.write(0n, Buffer.from('x'));
  });

  it('are not only set aside but allocated by create() with reserve', () => {
    using memfd = Memfd.create('huge', BigInt(2 * PAGE), { hugePages: '2M', reserve: true });
    expect(fstatSync(memfd.fd).blocks * 512).to.equal(2 * PAGE);
    expect(Number(readFileSync(`${FOLDER}/free_hugepages`, 'utf8'))).to.equal(2);
    const error = dmaError(() => Memfd.create('more', BigInt(3 * PAGE), { hugePages: '2M', reserve: true }));
    expect(error).to.include({ code: 'ENOMEM', syscall: 'mmap' });
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
      expect(error.message).to.contain('huge pages of 2 MiB, of which only whole ones can be mapped');
      expect(error.hint).to.match(/address, length and file offset .* multiples of 0x200000.*IommufdTarget/);
    }
    expect(dmaError(() => space.read(0n, 1)).code).to.equal('EFAULT');
    space.ensureMapped(ram(0, PAGE, memfd));
    space.release(MemoryRange.of(0, PAGE));
  });
});
