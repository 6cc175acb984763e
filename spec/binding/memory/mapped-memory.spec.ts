import { closeSync, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { expect } from 'chai';
import { readHostVa } from '../../../binding/memory/host-va.js';
import { type MappedMemory, Memfd } from '../../../binding/index.js';
import { type DmaError, MemoryRange } from '../../../streams/index.js';
import { FaultPlan } from '../../streams/support/faults.js';
import { FaultyNative } from '../../support/faulty-native.js';
import { ram } from '../support/changes.js';
import { memfdAreas, openDescriptors } from '../support/descriptors.js';
import { MAPPERS } from '../support/mappers.js';
import { dmaError } from '../support/thrown.js';

for (const mapper of MAPPERS) {
  describe(`Mapped memory: ${mapper.name}`, () => {
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

    it('close() can be repeated, and leaves no descriptor and no mapping; afterwards everything is refused', () => {
      const before = openDescriptors();
      const other = mapper.make();
      const hostVa = other.ensureMapped(ram(0, 0x1000, memfd));
      other.ensureMapped(ram(0x1000, 0x2000));
      other.close();
      other.close();
      other[Symbol.dispose]();
      expect(memfdAreas('mapped')).to.have.length(0);
      expect(openDescriptors()).to.equal(before);
      const range = MemoryRange.of(0, 0x1000);
      for (const use of [
        () => other.ensureMapped(ram(0, 0x1000)),
        () => other.ensureMappedBatch([]),
        () => {
          other.release(range);
        },
        () => other.releaseBatch([range]),
        () => other.read(0n, 1),
        () => {
          other.write(0n, Buffer.alloc(1));
        },
        () => other.view(range),
        () => other.mappedRanges(),
      ]) {
        expect(dmaError(use).code).to.equal('ERR_CLOSED');
      }
      expect(dmaError(() => readHostVa(hostVa, 0n, 1)).code).to.equal('ERR_INVALID_HOST_VA');
    });

    describe('ensureMapped', () => {
      it('gives the same object for the same mapping, and maps nothing again', () => {
        const first = space.ensureMapped(ram(0, 0x2000, memfd, { fileOffset: 0x1000n }));
        expect(space.ensureMapped(ram(0, 0x2000, memfd, { fileOffset: 0x1000n }))).to.equal(first);
        expect(memfdAreas('mapped')).to.have.length(1);
        const own = space.ensureMapped(ram(0x10000, 0x11000));
        space.write(0x10000n, Buffer.from('kept'));
        expect(space.ensureMapped(ram(0x10000, 0x11000))).to.equal(own);
        expect(space.read(0x10000n, 4).toString()).to.equal('kept');
      });

      it('refuses a different mapping over one that is held, and names that one', () => {
        space.ensureMapped(ram(0x2000, 0x4000, memfd));
        using other = Memfd.create('other', 0x100000n);
        for (const change of [
          ram(0x2000, 0x4000, other),
          ram(0x2000, 0x4000, memfd, { fileOffset: 0x1000n }),
          ram(0x2000, 0x4000, memfd, { writable: false }),
          ram(0x2000, 0x4000),
          ram(0x2000, 0x3000, memfd),
          ram(0x3000, 0x5000, memfd),
          ram(0x1000, 0x3000, memfd),
          ram(0x0, 0x10000, memfd),
        ]) {
          const error = dmaError(() => space.ensureMapped(change));
          expect(error).to.include({ code: 'EEXIST', errno: -17, syscall: 'mmap', region: 'ram' });
          expect(error.range).to.equal(change.range);
          expect(error.message).to.contain('0x2000-0x4000');
        }
        space.ensureMapped(ram(0x1000, 0x2000, memfd));
        space.ensureMapped(ram(0x4000, 0x5000, memfd));
      });

      it('refuses a mapping that reaches beyond its file, and leaves nothing mapped', () => {
        for (const [end, fileOffset] of [
          [0x101000, 0n],
          [0x1000, 0x100000n],
          [0x2000, 0xff000n],
          [0x1000, 1n << 62n],
        ] as const) {
          const error = dmaError(() => space.ensureMapped(ram(0, end, memfd, { fileOffset })));
          expect(error.code).to.equal('EFAULT');
          expect(error.message).to.contain('"mapped"').and.to.contain('0x100000 bytes long');
          expect(error.hint).to.be.a('string');
        }
        expect(dmaError(() => space.read(0n, 1)).code).to.equal('EFAULT');
        expect(memfdAreas('mapped')).to.have.length(0);
      });

      it('refuses a closed memfd, a descriptor that is not open for writing, and one that cannot be mapped', () => {
        const closed = Memfd.create('closed', 0x1000n);
        closed.close();
        expect(dmaError(() => space.ensureMapped(ram(0, 0x1000, closed))).code).to.equal('ERR_CLOSED');

        const path = `/dev/shm/dma-streams-spec-${process.pid}`;
        const writable = openSync(path, 'w+');
        const readable = openSync(path, 'r');
        unlinkSync(path);
        ftruncateSync(writable, 0x1000);
        using file = Memfd.from(readable, 'read-only file');
        const error = dmaError(() => space.ensureMapped(ram(0, 0x1000, file)));
        expect(error).to.include({ code: 'EACCES', errno: -13 });
        expect(error.hint).to.contain('writable: false');
        space.ensureMapped(ram(0, 0x1000, file, { writable: false }));
        closeSync(readable);
        closeSync(writable);

        const device = openSync('/dev/null', 'r+');
        using unmappable = Memfd.from(device, 'null');
        closeSync(device);
        expect(dmaError(() => space.ensureMapped(ram(0x1000, 0x2000, unmappable))).code).to.equal('ENODEV');
        expect(dmaError(() => space.read(0x1000n, 1)).code).to.equal('EFAULT');
      });

      it('refuses bad arguments, each by its name', () => {
        const good = ram(0, 0x1000, memfd);
        for (const [bad, name] of [
          [{ ...good, range: { start: 0n, end: 0x1000n } }, 'range'],
          [{ ...good, range: undefined }, 'range'],
          [{ ...good, range: Object.create(MemoryRange.prototype) as MemoryRange }, 'range'],
          [{ ...good, writable: 1 }, 'writable'],
          [{ ...good, backing: null }, 'backing'],
          [{ ...good, backing: 'public' }, 'backing'],
          [{ ...good, backing: { mappable: null, fileOffset: 0n } }, 'backing'],
          [{ ...good, backing: { mappable: { fd: -1, label: 'x' }, fileOffset: 0n } }, 'fd'],
          [{ ...good, backing: { mappable: { fd: '3', label: 'x' }, fileOffset: 0n } }, 'fd'],
          [{ ...good, backing: { mappable: memfd, fileOffset: 0 } }, 'fileOffset'],
          [{ ...good, region: 7 }, 'region'],
          [undefined, 'change'],
          [null, 'change'],
        ] as const) {
          expect(() => space.ensureMapped(bad as never), name).to.throw(TypeError, name);
        }
        expect(() => space.ensureMapped(ram(0, 0x1000, memfd, { fileOffset: -1n }))).to.throw(RangeError, 'fileOffset');
        expect(dmaError(() => space.ensureMapped(ram(0, 0x1000, memfd, { fileOffset: 1n }))).code).to.equal('EINVAL');
        expect(memfdAreas('mapped')).to.have.length(0);
      });
    });

    describe('release', () => {
      it('takes exactly the mappings inside away; the same mapping gets a new address', () => {
        const first = space.ensureMapped(ram(0x1000, 0x2000, memfd));
        space.ensureMapped(ram(0x3000, 0x4000, memfd));
        space.ensureMapped(ram(0x5000, 0x6000, memfd));
        space.release(MemoryRange.of(0, 0x5000));
        expect(dmaError(() => space.read(0x1000n, 1)).code).to.equal('EFAULT');
        expect(dmaError(() => space.read(0x3000n, 1)).code).to.equal('EFAULT');
        expect(space.read(0x5000n, 1)).to.have.length(1);
        space.release(MemoryRange.of(0x5000, 0x6000));
        expect(space.ensureMapped(ram(0x1000, 0x2000, memfd))).not.to.equal(first);
        expect(dmaError(() => readHostVa(first, 0n, 1)).code).to.equal('ERR_INVALID_HOST_VA');
      });

      it('never cuts a mapping', () => {
        space.ensureMapped(ram(0x1000, 0x2000, memfd));
        space.ensureMapped(ram(0x3000, 0x5000, memfd));
        for (const range of [
          MemoryRange.of(0x3000, 0x4000),
          MemoryRange.of(0x1000, 0x4000),
          MemoryRange.of(0x4000, 0x9000),
        ]) {
          const error = dmaError(() => space.release(range));
          expect(error.code).to.equal('EINVAL');
          expect(error.message).to.contain('cuts a mapping');
        }
        expect(space.read(0x1000n, 1)).to.have.length(1);
        expect(space.read(0x3000n, 0x2000)).to.have.length(0x2000);
      });

      it('over nothing does nothing', () => {
        space.release(MemoryRange.of(0, 0x100000));
        expect(() => space.release('0x0-0x1000' as never)).to.throw(TypeError, 'range');
      });

      it('ends private memory: the same range starts again with zeros', () => {
        space.ensureMapped(ram(0, 0x1000));
        space.write(0n, Buffer.from('old'));
        space.release(MemoryRange.of(0, 0x1000));
        space.ensureMapped(ram(0, 0x1000));
        expect(space.read(0n, 3)).to.deep.equal(Buffer.alloc(3));
      });
    });

    describe('a release that the kernel refuses', () => {
      function releaseInVain(range: MemoryRange): DmaError {
        const plan = new FaultPlan();
        const injected = new FaultyNative(plan, { only: ['addressSpaceRelease'] });
        plan.arm(0, false);
        try {
          return dmaError(() => space.release(range));
        } finally {
          injected[Symbol.dispose]();
        }
      }

      it('says so, and leaves nothing of the old memory to what comes there next', () => {
        const range = MemoryRange.of(0, 0x1000);
        const old = space.ensureMapped(ram(0, 0x1000));
        space.write(0n, Buffer.from('secret'));
        expect(releaseInVain(range)).to.include({ code: 'ENOMEM' });
        expect(dmaError(() => readHostVa(old, 0n, 6)).code).to.equal('ERR_INVALID_HOST_VA');
        space.ensureMapped(ram(0, 0x1000));
        expect(space.read(0n, 6)).to.deep.equal(Buffer.alloc(6));
      });

      it('is tried again for another mapping there, and by releasing again', () => {
        space.ensureMapped(ram(0x1000, 0x4000));
        space.ensureMapped(ram(0x8000, 0x9000, memfd));
        releaseInVain(MemoryRange.of(0, 0x10000));
        space.ensureMapped(ram(0x2000, 0x3000, memfd));
        space.release(MemoryRange.of(0x8000, 0x9000));
        expect(dmaError(() => space.read(0x8000n, 1)).code).to.equal('EFAULT');
        expect(dmaError(() => space.read(0x1000n, 1)).code).to.equal('EFAULT');
        expect(space.read(0x2000n, 1)).to.have.length(1);
      });

      it('of a range that cuts a mapping disowns nothing', () => {
        const kept = space.ensureMapped(ram(0x1000, 0x4000));
        space.write(0x1000n, Buffer.from('kept'));
        dmaError(() => space.release(MemoryRange.of(0x1000, 0x2000)));
        expect(space.ensureMapped(ram(0x1000, 0x4000))).to.equal(kept);
        expect(space.read(0x1000n, 4).toString()).to.equal('kept');
      });
    });

    it('holds 10,000 scattered mappings', () => {
      for (let page = 0; page < 20_000; page += 2) {
        space.ensureMapped(ram(page * 0x1000, (page + 1) * 0x1000, memfd));
      }
      space.write(19_998n * 0x1000n, Buffer.from('last'));
      expect(space.read(0n, 4).toString()).to.equal('last');
      space.release(MemoryRange.of(0, 20_000 * 0x1000));
      expect(memfdAreas('mapped')).to.have.length(0);
    });
  });
}
