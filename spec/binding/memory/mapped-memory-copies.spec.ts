import { writeSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { type MappedMemory, Memfd } from '../../../binding/index.js';
import { ram } from '../support/changes.js';
import { MAPPERS } from '../support/mappers.js';
import { dmaError } from '../support/thrown.js';

for (const mapper of MAPPERS) {
  describe(`read and write: ${mapper.name}`, () => {
    let space: MappedMemory;
    let memfd: Memfd;

    beforeEach(() => {
      space = mapper.make();
      memfd = Memfd.create('mapped', 0x100000n);
    });

    afterEach(() => {
      space.close();
      memfd.close();
    });

    it('reach exactly the bytes of the file behind the range', () => {
      space.ensureMapped(ram(0x8000, 0xa000, memfd, { fileOffset: 0x3000n }));
      space.write(0x8fffn, Buffer.from('over the page'));
      expect(space.read(0x8fffn, 13).toString()).to.equal('over the page');
      const page = Buffer.alloc(0x2000);
      writeSync(memfd.fd, Buffer.from('from the file'), 0, 13, 0x3000);
      expect(space.read(0x8000n, 13).toString()).to.equal('from the file');
      expect(space.read(0x8000n, 0x2000)).to.have.length(page.length);
    });

    it('cross from one mapping to the next, and stop at a gap, which the error names', () => {
      space.ensureMapped(ram(0x1000, 0x2000, memfd));
      space.ensureMapped(ram(0x2000, 0x3000));
      space.write(0x1ff0n, Buffer.alloc(0x20, 0x5a));
      expect(space.read(0x1ff0n, 0x20)).to.deep.equal(Buffer.alloc(0x20, 0x5a));
      for (const [gpa, length, page] of [
        [0x2fffn, 2, '0x3000-0x4000'],
        [0xfffn, 1, '0x0-0x1000'],
        [0xfffn, 0x1000, '0x0-0x1000'],
        [0x1000n, 0x400000, '0x3000-0x4000'],
      ] as const) {
        const error = dmaError(() => space.read(gpa, length));
        expect(error.code).to.equal('EFAULT');
        expect(error.message).to.contain(`${page} is not mapped`);
        expect(error.hint).to.contain("hostAddresses: 'always'");
        expect(dmaError(() => space.write(gpa, Buffer.alloc(length))).message).to.contain(page);
      }
    });

    it('of nothing do nothing, mapped or not', () => {
      expect(space.read(0x1000n, 0)).to.have.length(0);
      space.write(0x1000n, Buffer.alloc(0));
    });

    it('write to a read-only mapping fails and changes nothing', () => {
      writeSync(memfd.fd, Buffer.from('rom'), 0, 3, 0);
      space.ensureMapped(ram(0x1000, 0x2000, memfd, { writable: false }));
      expect(space.read(0x1000n, 3).toString()).to.equal('rom');
      const error = dmaError(() => space.write(0x1000n, Buffer.from('ram')));
      expect(error).to.include({ code: 'EACCES' });
      expect(error.message).to.contain('0x1000-0x2000 is read-only');
      expect(space.read(0x1000n, 3).toString()).to.equal('rom');
    });

    it('refuse bad arguments, each by its name', () => {
      for (const gpa of ['0', undefined, null]) {
        expect(() => space.read(gpa as never, 1)).to.throw(TypeError, 'gpa');
        expect(() => space.write(gpa as never, Buffer.alloc(1))).to.throw(TypeError, 'gpa');
      }
      expect(() => space.read(-1n, 1)).to.throw(RangeError, 'gpa');
      expect(() => space.read(1n << 64n, 1)).to.throw(RangeError, 'gpa');
      for (const length of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
        expect(() => space.read(0n, length)).to.throw(RangeError, 'length');
      }
      expect(() => space.read(0n, '1' as never)).to.throw(TypeError, 'length');
      for (const data of ['text', [1], new ArrayBuffer(1), new Uint16Array(1), null]) {
        expect(() => space.write(0n, data as never)).to.throw(TypeError, 'data');
      }
    });

    it('agree with a plain array of bytes', () => {
      const size = 0x4000;
      space.ensureMapped(ram(0, 0x1000, memfd, { fileOffset: 0x5000n }));
      space.ensureMapped(ram(0x1000, 0x3000));
      space.ensureMapped(ram(0x3000, 0x4000, memfd));
      const model = Buffer.alloc(size);
      fc.assert(
        fc.property(fc.nat(size - 1), fc.uint8Array({ maxLength: 0x1800 }), (at, bytes) => {
          const data = bytes.subarray(0, size - at);
          space.write(BigInt(at), data);
          model.set(data, at);
          expect(space.read(0n, size).equals(model)).to.equal(true);
        }),
        { numRuns: 50 },
      );
    });
  });
}
