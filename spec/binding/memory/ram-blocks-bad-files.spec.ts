import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { expect } from 'chai';
import { Memfd, RamBlocks } from '../../../binding/index.js';
import { native } from '../../../binding/native.js';
import { MemoryRange } from '../../../streams/index.js';
import { ram } from '../support/changes.js';
import { areasOf, memfdAreas } from '../support/descriptors.js';
import { dmaError } from '../support/thrown.js';

const PAGE = 0x1000;

/** Another process changes the file: its command, followed by the path of the file. */
function elsewhere(fd: number, command: string, ...options: readonly string[]): void {
  const { status, stderr } = spawnSync(command, [...options, `/proc/${process.pid}/fd/${fd}`], { encoding: 'utf8' });
  expect(status, stderr).to.equal(0);
}

/** Seals a memfd. @returns 0, or the errno, negative */
function seal(memfd: Memfd, seals: number): number {
  const file = native().fileDuplicate(memfd.fd);
  if (typeof file === 'number') {
    throw new Error(`fcntl: ${file}`);
  }
  const result = native().fileSeal(file, seals);
  native().fileClose(file);
  return result;
}

const F_SEAL_WRITE = 0x8;
const F_SEAL_FUTURE_WRITE = 0x10;

describe('RamBlocks of a file', () => {
  let blocks: RamBlocks;
  let memfd: Memfd;

  beforeEach(() => {
    blocks = new RamBlocks();
    memfd = Memfd.create('bad file', 0x10_0000n);
  });

  afterEach(() => {
    blocks.close();
    memfd.close();
  });

  it('sealed against writing are mapped read-only, and refuse a writable mapping', () => {
    for (const seals of [F_SEAL_WRITE, F_SEAL_FUTURE_WRITE]) {
      expect(seal(memfd, seals)).to.equal(0);
      expect(dmaError(() => blocks.ensureMapped(ram(0, PAGE, memfd))).code).to.equal('EPERM');
      blocks.ensureMapped(ram(0, PAGE, memfd, { writable: false }));
      expect(blocks.read(0n, 1)[0]).to.equal(0);
      expect(memfdAreas('bad file')[0]).to.contain('r--s');
      blocks.close();
      blocks = new RamBlocks();
      memfd.close();
      memfd = Memfd.create('bad file', 0x10000n);
    }
  });

  it('that is sealed against later writing stay writable, also for a new mapping; another RamBlocks gets no writable one', () => {
    blocks.ensureMapped(ram(0, PAGE, memfd, { writable: false }));
    expect(seal(memfd, F_SEAL_WRITE), 'EBUSY: it is mapped, and could be written').to.equal(-16);
    expect(seal(memfd, F_SEAL_FUTURE_WRITE)).to.equal(0);
    blocks.ensureMapped(ram(PAGE, 2 * PAGE, memfd));
    blocks.write(BigInt(PAGE), Buffer.from('written'));
    expect(blocks.read(0n, 7).toString()).to.equal('written');
    expect(memfdAreas('bad file')).to.have.length(1);
    using other = new RamBlocks();
    expect(dmaError(() => other.ensureMapped(ram(0, PAGE, memfd))).code).to.equal('EPERM');
    other.ensureMapped(ram(0, PAGE, memfd, { writable: false }));
    expect(other.read(0n, 7).toString()).to.equal('written');
  });

  it('whose descriptor has another file now: what is mapped stays, and a new mapping shows the other file', () => {
    using other = Memfd.create('other', 0x1000n);
    writeSync(other.fd, 'other', 0);
    const file = { fd: openSync(`/proc/self/fd/${memfd.fd}`, 'r+'), label: 'first' };
    blocks.ensureMapped(ram(0, PAGE, file));
    blocks.write(0n, Buffer.from('first'));
    closeSync(file.fd);
    expect(dmaError(() => blocks.ensureMapped(ram(PAGE, 2 * PAGE, file))).code).to.equal('EBADF');
    expect(openSync(`/proc/self/fd/${other.fd}`, 'r+'), 'the number is used again').to.equal(file.fd);
    blocks.ensureMapped(ram(PAGE, 2 * PAGE, file));
    expect(blocks.read(0n, 5).toString()).to.equal('first');
    expect(blocks.read(BigInt(PAGE), 5).toString()).to.equal('other');
    closeSync(file.fd);
  });

  it('that is closed are refused to new mappings, and kept for those that there are', () => {
    const first = blocks.ensureMapped(ram(0, PAGE, memfd));
    const view = blocks.view(MemoryRange.of(0, PAGE));
    memfd.close();
    const [again, more] = blocks.ensureMappedBatch([ram(0, PAGE, memfd), ram(PAGE, 2 * PAGE, memfd)]);
    expect(again).to.equal(first);
    expect(more).to.include({ code: 'ERR_CLOSED' });
    view.set(Buffer.from('kept'));
    expect(blocks.read(0n, 4).toString()).to.equal('kept');
  });

  it('punched by another process show zeros, in views, too, and can be written again', () => {
    blocks.ensureMapped(ram(0, 4 * PAGE, memfd));
    blocks.write(0n, Buffer.alloc(4 * PAGE, 7));
    const view = blocks.view(MemoryRange.of(0, 4 * PAGE));
    elsewhere(memfd.fd, 'fallocate', '--punch-hole', '--offset', '4096', '--length', '8192');
    expect([0, PAGE, 3 * PAGE - 1, 3 * PAGE].map((at) => view[at])).to.deep.equal([7, 0, 0, 7]);
    expect(blocks.read(0n, 4 * PAGE).filter((byte) => byte === 7)).to.have.length(2 * PAGE);
    blocks.write(BigInt(PAGE), Buffer.from('again'));
    expect(Buffer.from(view.subarray(PAGE, PAGE + 5)).toString()).to.equal('again');
  });

  it('that grows are several: none moves, and what crosses the end of one is in another', () => {
    const path = `/dev/shm/dma-streams-grows-${process.pid}`;
    const fd = openSync(path, 'w+');
    unlinkSync(path);
    const gone = `${path} (deleted)`;
    const file = { fd, label: 'grows' };
    ftruncateSync(fd, 4 * PAGE);
    const first = blocks.ensureMapped(ram(0, 4 * PAGE, file));
    expect(dmaError(() => blocks.ensureMapped(ram(4 * PAGE, 5 * PAGE, file, { fileOffset: 0x4000n }))).code).to.equal(
      'EFAULT',
    );
    elsewhere(fd, 'truncate', '--size', String(8 * PAGE));
    blocks.ensureMapped(ram(4 * PAGE, 5 * PAGE, file, { fileOffset: 0x4000n }));
    blocks.ensureMapped(ram(5 * PAGE, 8 * PAGE, file, { fileOffset: 0x5000n }));
    expect(areasOf(gone)).to.have.length(2);
    blocks.ensureMapped(ram(10 * PAGE, 12 * PAGE, file, { fileOffset: 0x3000n }));
    expect(areasOf(gone)).to.have.length(3);
    expect(blocks.ensureMapped(ram(0, 4 * PAGE, file))).to.equal(first);
    writeSync(fd, Buffer.from('34'), 0, 1, 3 * PAGE);
    blocks.write(BigInt(4 * PAGE), Buffer.from('4'));
    expect(blocks.read(BigInt(10 * PAGE), 1).toString()).to.equal('3');
    expect(blocks.read(BigInt(11 * PAGE), 1).toString()).to.equal('4');
    blocks.write(BigInt(4 * PAGE - 1), Buffer.from('across'));
    expect(blocks.read(BigInt(4 * PAGE - 1), 6).toString(), 'read and write cross').to.equal('across');
    closeSync(fd);
  });

  it('cut by another process are an error to read, and no mapping reaches beyond the end', () => {
    const path = `/dev/shm/dma-streams-cut-${process.pid}`;
    const fd = openSync(path, 'w+');
    unlinkSync(path);
    const file = { fd, label: 'cut' };
    ftruncateSync(fd, 8 * PAGE);
    blocks.ensureMapped(ram(0, 8 * PAGE, file));
    blocks.write(0n, Buffer.alloc(8 * PAGE, 7));
    expect(dmaError(() => blocks.view(MemoryRange.of(0, PAGE))).code).to.equal('EOPNOTSUPP');
    elsewhere(fd, 'truncate', '--size', String(2 * PAGE));
    const error = dmaError(() => blocks.read(0n, 8 * PAGE));
    expect(error).to.include({ code: 'EFAULT' });
    expect(error.message).to.contain('what backs it is gone');
    expect(dmaError(() => blocks.write(BigInt(2 * PAGE), Buffer.from('x'))).code).to.equal('EFAULT');
    expect(blocks.read(0n, 2 * PAGE)[2 * PAGE - 1]).to.equal(7);
    expect(dmaError(() => blocks.ensureMapped(ram(16 * PAGE, 24 * PAGE, file))).code).to.equal('EFAULT');
    elsewhere(fd, 'truncate', '--size', String(8 * PAGE));
    expect(blocks.read(BigInt(2 * PAGE), 1)[0], 'it grew again').to.equal(0);
    closeSync(fd);
  });

  it('of 8 TiB without contents can be used at both ends', () => {
    const path = `/dev/shm/dma-streams-sparse-${process.pid}`;
    const fd = openSync(path, 'w+');
    unlinkSync(path);
    ftruncateSync(fd, 2 ** 43);
    const file = { fd, label: 'sparse' };
    const fileOffset = (1n << 43n) - 0x1000n;
    blocks.ensureMapped(ram(0, PAGE, file));
    blocks.ensureMapped(ram(PAGE, 2 * PAGE, file, { fileOffset }));
    blocks.write(BigInt(PAGE - 2), Buffer.from('both ends'));
    expect(blocks.read(BigInt(PAGE - 2), 9).toString()).to.equal('both ends');
    expect(areasOf(`${path} (deleted)`)).to.have.length(1);
    closeSync(fd);
  });
});
