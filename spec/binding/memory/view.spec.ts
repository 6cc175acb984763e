import { closeSync, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { expect } from 'chai';
import { AddressSpace, type MappedMemory, Memfd } from '../../../binding/index.js';
import { MemoryRange } from '../../../streams/index.js';
import { ram } from '../support/changes.js';
import { runChild } from '../support/child.js';
import { MAPPERS } from '../support/mappers.js';
import { dmaError } from '../support/thrown.js';
import { transferred } from '../support/transferred.js';

for (const mapper of MAPPERS) {
  describe(`${mapper.name}.view`, () => {
    let space: MappedMemory;
    let memfd: Memfd;

    beforeEach(() => {
      space = mapper.make();
      memfd = Memfd.create('guest', 0x100000n);
    });

    afterEach(() => {
      space.close();
      memfd.close();
    });

    it('is live in both directions, over several mappings', () => {
      space.ensureMapped(ram(0x1000, 0x2000, memfd));
      space.ensureMapped(ram(0x2000, 0x3000, memfd, { fileOffset: 0x1000n }));
      const view = space.view(MemoryRange.of(0x1000, 0x3000));
      expect(view.byteLength).to.equal(0x2000);
      view.set(Buffer.from('seam'), 0xffe);
      expect(space.read(0x1ffen, 4).toString()).to.equal('seam');
      space.write(0x1000n, Buffer.from([7]));
      expect(view[0]).to.equal(7);
    });

    it('becomes empty when any mapping in it is released; other views stay', () => {
      space.ensureMapped(ram(0x1000, 0x2000, memfd));
      space.ensureMapped(ram(0x2000, 0x3000, memfd, { fileOffset: 0x1000n }));
      const both = space.view(MemoryRange.of(0x1000, 0x3000));
      const part = both.subarray(0x1000);
      const other = space.view(MemoryRange.of(0x2000, 0x3000));
      space.release(MemoryRange.of(0x1000, 0x2000));
      expect([both.byteLength, both.length, part.byteLength, both.buffer.byteLength]).to.deep.equal([0, 0, 0, 0]);
      expect(both[0]).to.equal(undefined);
      expect(other.byteLength).to.equal(0x1000);
      expect(other[0]).to.equal(0);
    });

    it('becomes empty when the space is closed', () => {
      space.ensureMapped(ram(0, 0x1000, memfd));
      const view = space.view(MemoryRange.of(0, 0x1000));
      space.close();
      expect(view.byteLength).to.equal(0);
      view[0] = 1;
      expect(() => view.fill(2)).to.throw(TypeError, 'detached');
    });

    it('does not come back with the next mapping of the range', () => {
      space.ensureMapped(ram(0, 0x1000, memfd));
      const old = space.view(MemoryRange.of(0, 0x1000));
      space.release(MemoryRange.of(0, 0x1000));
      space.ensureMapped(ram(0, 0x1000, memfd));
      expect(old.byteLength).to.equal(0);
      expect(space.view(MemoryRange.of(0, 0x1000)).byteLength).to.equal(0x1000);
    });

    it('is refused where nothing is mapped, and names the page', () => {
      space.ensureMapped(ram(0x1000, 0x2000, memfd));
      const error = dmaError(() => space.view(MemoryRange.of(0x1000, 0x3000)));
      expect(error.code).to.equal('EFAULT');
      expect(error.message).to.contain('0x2000-0x3000 is not mapped');
      expect(error.hint).to.contain("hostAddresses: 'always'");
    });

    it('is refused of read-only memory, where a store would end the process', () => {
      space.ensureMapped(ram(0x1000, 0x2000, memfd, { writable: false }));
      const error = dmaError(() => space.view(MemoryRange.of(0x1000, 0x2000)));
      expect(error.code).to.equal('EACCES');
      expect(error.hint).to.contain('read()');
    });

    it('is refused of a file that may shrink, where a load could end the process', () => {
      const path = `/dev/shm/dma-streams-spec-${process.pid}`;
      const fd = openSync(path, 'w+');
      unlinkSync(path);
      ftruncateSync(fd, 0x1000);
      using file = Memfd.from(fd, 'unsealed');
      closeSync(fd);
      space.ensureMapped(ram(0, 0x1000, file));
      const error = dmaError(() => space.view(MemoryRange.of(0, 0x1000)));
      expect(error.code).to.equal('EOPNOTSUPP');
      expect(error.hint).to.contain('read() and write()');
      using sealed = Memfd.from(memfd.fd, 'sealed elsewhere');
      space.ensureMapped(ram(0x1000, 0x2000, sealed));
      expect(space.view(MemoryRange.of(0x1000, 0x2000)).byteLength).to.equal(0x1000);
    });

    it('reaches at most 4 GiB', () => {
      using large = Memfd.create('large', 1n << 34n);
      space.ensureMapped(ram(0, 2 ** 34, large));
      expect(space.view(MemoryRange.of(0, 2 ** 32)).byteLength).to.equal(2 ** 32);
      expect(dmaError(() => space.view(MemoryRange.of(0, 2 ** 32 + 4096))).code).to.equal('E2BIG');
    });

    describe('whose buffer was transferred', () => {
      it('survives the space itself', async () => {
        space.ensureMapped(ram(0, 0x1000, memfd));
        const moved = await transferred(space.view(MemoryRange.of(0, 0x1000)));
        space.close();
        moved.fill(1);
        expect(moved[5]).to.equal(1);
      });
    });

    it('keeps its memory alive when the space is collected first, and gives it back afterwards', () => {
      const result = runChild(
        `
      const { Memfd } = await import(BINDING);
      const { MemoryRange } = await import(STREAMS);
      const reservations = () => memfdAreas('dma-streams').length;
      const memfd = Memfd.create('guest', 0x1000n);
      const make = async () => ${mapper.source};
      async function viewOnly() {
        const space = await make();
        const range = MemoryRange.of(0, 0x1000);
        space.ensureMapped({ range, region: 'r', type: 'ram', writable: true, backing: { mappable: memfd, fileOffset: 0n } });
        return space.view(range);
      }
      let view = await viewOnly();
      for (let round = 0; round < 5; round++) { gc(); await sleep(5); }
      view.fill(9);
      const guest = () => memfdAreas('guest').length;
      const kept = guest();
      view = undefined;
      for (let round = 0; round < 20 && guest() > 0; round++) { gc(); await sleep(10); }
      console.log(kept, guest(), reservations());
      `,
        { flags: ['--expose-gc'] },
      );
      expect(result).to.include({ status: 0, stdout: '1 0 0' }, result.stderr);
    });
  });
}

describe('AddressSpace.view of a buffer that was transferred', () => {
  let space: AddressSpace;
  let memfd: Memfd;

  beforeEach(() => {
    space = new AddressSpace({ size: 1n << 36n });
    memfd = Memfd.create('guest', 0x100000n);
  });

  afterEach(() => {
    space.close();
    memfd.close();
  });

  it('reads zeros after the release, instead of ending the process', async () => {
    space.ensureMapped(ram(0, 0x1000, memfd));
    space.write(0n, Buffer.from('guest'));
    const moved = await transferred(space.view(MemoryRange.of(0, 0x1000)));
    expect(Buffer.from(moved.subarray(0, 5)).toString()).to.equal('guest');
    space.release(MemoryRange.of(0, 0x1000));
    expect(moved[0]).to.equal(0);
    moved[0] = 1;
  });

  it('keeps its addresses: what is mapped next lies elsewhere, and what the buffer is told does not reach it', async () => {
    space.ensureMapped(ram(0, 0x1000, memfd));
    const moved = await transferred(space.view(MemoryRange.of(0, 0x1000)));
    space.release(MemoryRange.of(0, 0x1000));
    for (const change of [ram(0, 0x1000, memfd, { writable: false }), ram(0, 0x1000, memfd), ram(0, 0x1000)]) {
      space.ensureMapped(change);
      moved.fill(1);
      expect(space.read(0n, 0x1000)).to.deep.equal(Buffer.alloc(0x1000));
      space.release(change.range);
    }
  });
});
