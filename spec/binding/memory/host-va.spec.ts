import { inspect } from 'node:util';
import { expect } from 'chai';
import { type MappedMemory, Memfd } from '../../../binding/index.js';
import { readHostVa, resolveHostVa, writeHostVa } from '../../../binding/memory/host-va.js';
import { MemoryRange } from '../../../streams/index.js';
import type { HostVa } from '../../../streams/index.js';
import { ram } from '../support/changes.js';
import { MAPPERS } from '../support/mappers.js';
import { dmaError } from '../support/thrown.js';

for (const mapper of MAPPERS) {
  describe(`host virtual addresses of ${mapper.name}`, () => {
    let space: MappedMemory;

    beforeEach(() => {
      space = mapper.make();
    });

    afterEach(() => {
      space.close();
    });

    it('are opaque and cannot be changed, and stand for a space and a range', () => {
      const hostVa = space.ensureMapped(ram(0x5000, 0x7000));
      const { address } = hostVa;
      expect(Object.getOwnPropertyNames(hostVa)).to.deep.equal([]);
      expect(() => Object.assign(hostVa, { address: 0n })).to.throw(TypeError);
      expect(hostVa.address).to.equal(address);
      expect(inspect(hostVa)).to.equal(`{ address: ${address}n }`);
      space.write(0x5000n, Buffer.from('through'));
      expect(resolveHostVa(hostVa).space.read(0x5000n, 7).toString()).to.equal('through');
      expect(resolveHostVa(hostVa).range.toString()).to.equal('0x5000-0x7000');
    });

    it('reach the memory of their mapping, and nothing beyond it', () => {
      const hostVa = space.ensureMapped(ram(0x5000, 0x7000));
      space.ensureMapped(ram(0x7000, 0x8000));
      writeHostVa(hostVa, 0xfffn, Buffer.from('private'));
      expect(space.read(0x5fffn, 7).toString()).to.equal('private');
      expect(readHostVa(hostVa, 0xfffn, 7).toString()).to.equal('private');
      expect(readHostVa(hostVa, 0x2000n, 0)).to.have.length(0);
      for (const [offset, length] of [
        [0x1fffn, 2],
        [0x2000n, 1],
        [(1n << 64n) - 1n, 1],
        [0n, 0x2001],
      ] as const) {
        expect(() => readHostVa(hostVa, offset, length)).to.throw(RangeError, '0x5000-0x7000');
        expect(() => writeHostVa(hostVa, offset, new Uint8Array(length))).to.throw(RangeError, '0x5000-0x7000');
      }
    });

    it('cannot be forged', () => {
      const real = space.ensureMapped(ram(0, 0x1000));
      for (const forged of [
        { address: real.address },
        { ...real },
        Object.create(real) as HostVa,
        real.address,
        null,
        undefined,
        'va',
      ]) {
        for (const use of [
          () => resolveHostVa(forged as HostVa),
          () => readHostVa(forged as HostVa, 0n, 1),
          () => writeHostVa(forged as HostVa, 0n, Buffer.alloc(1)),
        ]) {
          expect(dmaError(use).code).to.equal('ERR_INVALID_HOST_VA');
        }
      }
    });

    it('end with the release of their mapping, and with the space', () => {
      using memfd = Memfd.create('guest', 0x1000n);
      const released = space.ensureMapped(ram(0, 0x1000, memfd));
      space.release(MemoryRange.of(0, 0x1000));
      const again = space.ensureMapped(ram(0, 0x1000, memfd));
      expect(again).not.to.equal(released);
      expect(dmaError(() => readHostVa(released, 0n, 1)).code).to.equal('ERR_INVALID_HOST_VA');
      expect(readHostVa(again, 0n, 1)).to.have.length(1);
      space.close();
      expect(dmaError(() => readHostVa(again, 0n, 1)).code).to.equal('ERR_INVALID_HOST_VA');
    });
  });
}
