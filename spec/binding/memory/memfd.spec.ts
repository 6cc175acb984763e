import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, readlinkSync, unlinkSync } from 'node:fs';
import { expect } from 'chai';
import { Memfd } from '../../../binding/index.js';
import { dmaError } from '../support/thrown.js';
import { openDescriptors } from '../support/descriptors.js';

const FD_CLOEXEC_FLAG = 0o2000000;

function flagsOf(fd: number): number {
  const line = /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'));
  return Number.parseInt(line?.[1] ?? '', 8);
}

describe('Memfd', () => {
  describe('create', () => {
    it('makes a file of zeros that has the label as its name and is closed on exec', () => {
      using memfd = Memfd.create('spec ram', 0x10000n);
      expect(memfd.size).to.equal(0x10000n);
      expect(memfd.label).to.equal('spec ram');
      expect(fstatSync(memfd.fd).size).to.equal(0x10000);
      expect(readlinkSync(`/proc/self/fd/${memfd.fd}`)).to.equal('/memfd:spec ram (deleted)');
      expect(flagsOf(memfd.fd) & FD_CLOEXEC_FLAG).to.equal(FD_CLOEXEC_FLAG);
    });

    it('seals it against shrinking and growing', () => {
      using memfd = Memfd.create('ram', 0x2000n);
      expect(() => ftruncateSync(memfd.fd, 0x1000)).to.throw('EPERM');
      expect(() => ftruncateSync(memfd.fd, 0x3000)).to.throw('EPERM');
      expect(fstatSync(memfd.fd).size).to.equal(0x2000);
    });

    it('takes up no memory before it is touched', () => {
      using memfd = Memfd.create('large', 1n << 40n);
      expect(memfd.size).to.equal(1n << 40n);
      expect(fstatSync(memfd.fd).blocks).to.equal(0);
    });

    it('accepts any text as a label', () => {
      for (const label of ['', 'a\0b', 'ü'.repeat(300), '\ud800', '/../x']) {
        using memfd = Memfd.create(label, 0x1000n);
        expect(memfd.label).to.equal(label);
      }
    });

    it('refuses sizes that are not positive multiples of the page size', () => {
      for (const size of [0, 0n, -0x1000n, 1n, 0x1001n, 1n << 63n, 1n << 64n]) {
        expect(() => Memfd.create('ram', size), String(size)).to.throw(RangeError, /size/);
      }
      for (const size of ['0x1000', undefined, null, {}]) {
        expect(() => Memfd.create('ram', size as never), String(size)).to.throw(TypeError, /size/);
      }
      for (const wrong of [null, 5, 'text']) {
        expect(() => Memfd.create('ram', 0x1000n, wrong as never)).to.throw(TypeError, 'the options of ');
      }
    });

    it('refuses a label that is not a string, and unknown huge pages', () => {
      expect(() => Memfd.create(Symbol('x') as never, 0x1000n)).to.throw(TypeError, /label/);
      expect(() => Memfd.create('ram', 0x1000n, { hugePages: '4K' as never })).to.throw(TypeError, /hugePages/);
      expect(() => Memfd.create('ram', 0x1000n, { hugePages: 'toString' as never })).to.throw(TypeError, /hugePages/);
    });

    it('says what a kernel without enough huge pages lacks, and leaves nothing behind', () => {
      const before = openDescriptors();
      const error = dmaError(() => Memfd.create('huge', 1n << 46n, { hugePages: '2M' }));
      expect(error.code).to.be.oneOf(['ENOMEM', 'ENODEV', 'EINVAL']);
      expect(error.hint).to.match(/hugepages/);
      expect(openDescriptors()).to.equal(before);
    });

    it('wants whole huge pages', () => {
      expect(() => Memfd.create('huge', 0x1000n, { hugePages: '2M' })).to.throw(RangeError, '0x200000');
      expect(() => Memfd.create('huge', 0x200000n, { hugePages: '1G' })).to.throw(RangeError, '0x40000000');
    });
  });

  describe('from', () => {
    it('duplicates the descriptor: either can be closed without the other', () => {
      const path = `/dev/shm/dma-streams-spec-${process.pid}`;
      const fd = openSync(path, 'w+');
      unlinkSync(path);
      ftruncateSync(fd, 0x3000);
      using memfd = Memfd.from(fd, 'shared');
      expect(memfd.fd).not.to.equal(fd);
      expect(flagsOf(memfd.fd) & FD_CLOEXEC_FLAG).to.equal(FD_CLOEXEC_FLAG);
      closeSync(fd);
      expect(memfd.size).to.equal(0x3000n);
    });

    it('tells the size as it is now', () => {
      const path = `/dev/shm/dma-streams-spec-${process.pid}`;
      const fd = openSync(path, 'w+');
      unlinkSync(path);
      using memfd = Memfd.from(fd, 'growing');
      expect(memfd.size).to.equal(0n);
      ftruncateSync(fd, 0x5000);
      expect(memfd.size).to.equal(0x5000n);
      closeSync(fd);
    });

    it('refuses what is not open or cannot be mapped, and leaves nothing behind', () => {
      const before = openDescriptors();
      expect(dmaError(() => Memfd.from(1_000_000, 'gone'))).to.include({ code: 'EBADF', errno: -9 });
      const folder = openSync('/', 'r');
      expect(dmaError(() => Memfd.from(folder, 'folder')).message).to.contain('a directory');
      closeSync(folder);
      expect(openDescriptors()).to.equal(before);
      for (const fd of [-1, 1.5, NaN, Infinity, 2 ** 31, '3', 3n, undefined]) {
        expect(() => Memfd.from(fd as never, 'x'), String(fd)).to.throw(TypeError, /fd/);
      }
    });
  });

  it('closes once, however often it is asked, and then refuses', () => {
    const before = openDescriptors();
    const memfd = Memfd.create('ram', 0x1000n);
    const { fd } = memfd;
    memfd.close();
    // The number is in use again: a second close must not hit it.
    using other = Memfd.create('other', 0x1000n);
    expect(other.fd).to.equal(fd);
    memfd.close();
    memfd[Symbol.dispose]();
    expect(fstatSync(other.fd).size).to.equal(0x1000);
    expect(dmaError(() => memfd.fd)).to.include({ code: 'ERR_CLOSED' });
    expect(dmaError(() => memfd.size).message).to.contain('"ram"');
    other.close();
    expect(openDescriptors()).to.equal(before);
  });

  it('cannot be built around a handle of the caller', () => {
    const Constructor = Memfd as unknown as new (...args: unknown[]) => Memfd;
    expect(() => new Constructor()).to.throw(TypeError);
    expect(() => new Constructor(Symbol('Memfd'), {}, 'x', 1n)).to.throw(TypeError);
  });
});
