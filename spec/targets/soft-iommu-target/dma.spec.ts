import { expect } from 'chai';
import { closeSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { AddressSpace, Memfd } from '../../../binding/index.js';
import { DmaError, DmaFault } from '../../../streams/index.js';
import { SoftIommuTarget } from '../../../targets/index.js';
import { ALL_MODELS, requestOf, PAGE, range } from '../support/requests.js';
import { temporaryFolder } from '../../../lab/temporary-folder.js';

/** The fault that `work` throws; fails the test when it throws none. */
function faultOf(work: () => unknown): DmaFault {
  try {
    work();
  } catch (error) {
    expect(error).to.be.instanceOf(DmaFault);
    expect(error).to.include({ code: 'ERR_DMA_FAULT', name: 'DmaFault' });
    return error as DmaFault;
  }
  throw new Error('no fault');
}

function bytesOf(memfd: Memfd, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  readSync(memfd.fd, bytes, 0, length, offset);
  return bytes;
}

for (const model of ALL_MODELS) {
  describe(`SoftIommuTarget ${model}: DMA`, () => {
    let target: SoftIommuTarget;
    let memfd: Memfd;

    beforeEach(() => {
      target = new SoftIommuTarget({ model });
      memfd = Memfd.create('ram', 0x10000n);
    });

    afterEach(() => {
      memfd.close();
    });

    it('reaches exactly the mapped bytes of the file, from its offset', () => {
      target.mapDma(requestOf(0x100000, 0x102000, { mappable: memfd, fileOffset: 0x3000n }));
      const pattern = Buffer.from(Array.from({ length: 0x2000 }, (_, index) => (index * 7) % 251));
      target.write(0x100000n, pattern);
      expect(bytesOf(memfd, 0x3000, 0x2000).equals(pattern)).to.equal(true);
      expect(bytesOf(memfd, 0, 0x3000).every((byte) => byte === 0)).to.equal(true);
      expect(bytesOf(memfd, 0x5000, 0xb000).every((byte) => byte === 0)).to.equal(true);
      expect(target.read(0x100000n, 0x2000).equals(pattern)).to.equal(true);
      expect(target.read(0x100ffen, 4)).to.deep.equal(pattern.subarray(0xffe, 0x1002));
    });

    it('reads what the VMM wrote', () => {
      target.mapDma(requestOf(0x1000, 0x2000, { mappable: memfd }));
      writeSync(memfd.fd, Buffer.from('hello'), 0, 5, 0x123);
      expect(target.read(0x1123n, 5).toString()).to.equal('hello');
    });

    it('one byte beyond the end is a fault at that byte, and nothing was written', () => {
      target.mapDma(requestOf(0x1000, 0x2000, { mappable: memfd }));
      expect(target.read(0x1fffn, 1)).to.deep.equal(Buffer.alloc(1));
      expect(faultOf(() => target.read(0x1fffn, 2))).to.include({ iova: 0x2000n, access: 'read' });
      const fault = faultOf(() => target.write(0x1fffn, Buffer.from('ab')));
      expect(fault).to.include({ iova: 0x2000n, access: 'write' });
      expect(fault.message).to.contain('0x2000').and.contain(target.name);
      expect(bytesOf(memfd, 0, 0x10000).every((byte) => byte === 0)).to.equal(true);
    });

    it('one byte before the start is a fault at that byte', () => {
      target.mapDma(requestOf(0x1000, 0x2000, { mappable: memfd }));
      expect(faultOf(() => target.read(0xfffn, 2)).iova).to.equal(0xfffn);
      expect(faultOf(() => target.write(0xfffn, Buffer.alloc(2))).iova).to.equal(0xfffn);
    });

    it('where nothing is mapped is a fault at its first byte', () => {
      expect(faultOf(() => target.read(0x1234n, 1)).iova).to.equal(0x1234n);
      expect(faultOf(() => target.write((1n << 64n) - 1n, Buffer.alloc(1))).iova).to.equal((1n << 64n) - 1n);
    });

    it('crosses adjacent mappings, whatever is behind each', () => {
      using other = Memfd.create('other', 0x1000n);
      target.mapDma(requestOf(0x1000, 0x2000, { mappable: memfd, fileOffset: 0x4000n }));
      target.mapDma(requestOf(0x2000, 0x3000, { mappable: other }));
      target.mapDma(requestOf(0x3000, 0x4000, { mappable: memfd }));
      const data = Buffer.alloc(0x1004, 'abcd');
      target.write(0x1ffen, data);
      expect(bytesOf(memfd, 0x4ffe, 2).toString()).to.equal('ab');
      expect(bytesOf(other, 0, 2).toString()).to.equal('cd');
      expect(bytesOf(memfd, 0, 3).toString()).to.equal('cd\0');
      expect(target.read(0x1ffen, data.length).equals(data)).to.equal(true);
    });

    it('faults at a hole between two mappings, and writes neither', () => {
      target.mapDma(requestOf(0x1000, 0x2000, { mappable: memfd }));
      target.mapDma(requestOf(0x3000, 0x4000, { mappable: memfd, fileOffset: 0x1000n }));
      expect(faultOf(() => target.read(0x1800n, 0x2000)).iova).to.equal(0x2000n);
      expect(faultOf(() => target.write(0x1800n, Buffer.alloc(0x2000, 1))).iova).to.equal(0x2000n);
      expect(bytesOf(memfd, 0, 0x2000).every((byte) => byte === 0)).to.equal(true);
    });

    it('a write through a read-only map is a fault that names it; a read is not', () => {
      target.mapDma(requestOf(0x1000, 0x2000, { mappable: memfd, writable: false, region: 'rom' }));
      const fault = faultOf(() => target.write(0x1800n, Buffer.from('x')));
      expect(fault).to.include({ iova: 0x1800n, access: 'write' });
      expect(fault.message).to.contain('"rom"').and.contain('read-only');
      expect(target.read(0x1800n, 1)).to.deep.equal(Buffer.alloc(1));
    });

    it('a write that runs into a read-only map writes nothing', () => {
      target.mapDma(requestOf(0x1000, 0x2000, { mappable: memfd }));
      target.mapDma(requestOf(0x2000, 0x3000, { mappable: memfd, fileOffset: 0x1000n, writable: false }));
      expect(faultOf(() => target.write(0x1ff0n, Buffer.alloc(0x20, 1))).iova).to.equal(0x2000n);
      expect(bytesOf(memfd, 0, 0x2000).every((byte) => byte === 0)).to.equal(true);
    });

    it('after the unmap is a fault, and the bytes stay as they were', () => {
      target.mapDma(requestOf(0x1000, 0x2000, { mappable: memfd }));
      target.write(0x1000n, Buffer.from('before'));
      target.unmapDma(range(0x1000, 0x2000));
      faultOf(() => target.write(0x1000n, Buffer.from('behind')));
      faultOf(() => target.read(0x1000n, 1));
      expect(bytesOf(memfd, 0, 6).toString()).to.equal('before');
    });

    it('of no bytes reaches nothing, mapped or not', () => {
      expect(target.read(0x5000n, 0)).to.have.length(0);
      target.write(0x5000n, new Uint8Array(0));
    });

    for (const [what, iova, length, error] of [
      ['a negative address', -1n, 1, RangeError],
      ['an address beyond 2^64', 1n << 64n, 1, RangeError],
      ['an end beyond 2^64', (1n << 64n) - 1n, 2, RangeError],
      ['an address that is a text', '0x1000', 1, TypeError],
      ['a negative length', 0n, -1, RangeError],
      ['a length that is no integer', 0n, 0.5, RangeError],
      ['a length beyond 2^53', 0n, 1n << 53n, RangeError],
    ] as const) {
      it(`refuses to read at ${what}`, () => {
        expect(() => target.read(iova as never, length)).to.throw(error);
      });
    }

    it('refuses to write at what is no address, and what are no bytes', () => {
      expect(() => target.write(-1n, Buffer.alloc(1))).to.throw(RangeError, /2\^64/);
      expect(() => target.write('0x1000' as never, Buffer.alloc(1))).to.throw(TypeError, /bigint/);
      expect(() => target.write(0x1000n, 'text' as never)).to.throw(TypeError, /Uint8Array/);
      expect(() => target.write(0x1000n, [1, 2] as never)).to.throw(TypeError, /Uint8Array/);
    });

    it('of a length far beyond what is mapped faults before it takes memory', () => {
      target.mapDma(requestOf(0, 0x1000, { mappable: memfd }));
      expect(faultOf(() => target.read(0n, 2 ** 50)).iova).to.equal(0x1000n);
    });
  });
}

describe('SoftIommuTarget: DMA to a plain file', () => {
  let directory: string;
  let fd: number;
  let target: SoftIommuTarget;

  beforeEach(() => {
    directory = temporaryFolder('dma-streams-spec-');
    fd = openSync(join(directory, 'ram'), 'w+');
    ftruncateSync(fd, 0x4000);
    target = new SoftIommuTarget();
    target.mapDma(requestOf(0x10000, 0x14000, { mappable: { fd, label: 'ram file' }, region: 'dimm' }));
  });

  afterEach(() => {
    closeSync(fd);
    rmSync(directory, { recursive: true });
  });

  it('reaches its bytes', () => {
    target.write(0x13fffn, Buffer.from('z'));
    const bytes = Buffer.alloc(2);
    expect(readSync(fd, bytes, 0, 2, 0x3fff)).to.equal(1);
    expect(bytes.toString()).to.equal('z\0');
    expect(target.read(0x13ffen, 2).toString()).to.equal('\0z');
  });

  it('that was cut short after the map is an error, and a write does not make it longer', () => {
    ftruncateSync(fd, 0x1800);
    expect(target.read(0x117ffn, 1)).to.deep.equal(Buffer.alloc(1));
    for (const access of [
      () => target.read(0x117ffn, 2),
      () => target.read(0x13000n, 1),
      () => target.write(0x117ffn, Buffer.from('ab')),
      () => target.write(0x13000n, Buffer.from('a')),
    ]) {
      expect(access)
        .to.throw(DmaError, /"ram file"/)
        .that.includes({ code: 'EFAULT', errno: -14, target: 'soft', region: 'dimm' });
    }
    const bytes = Buffer.alloc(PAGE);
    expect(readSync(fd, bytes, 0, PAGE, 0x1000)).to.equal(0x800);
  });
});

describe('SoftIommuTarget: DMA far into a file', () => {
  /** Where doubles stop counting bytes, and Node with them. */
  const LIMIT = 1n << 53n;
  let memfd: Memfd;
  let target: SoftIommuTarget;

  beforeEach(() => {
    memfd = Memfd.create('sparse', LIMIT + 0x10000n);
    target = new SoftIommuTarget();
    target.mapDma(requestOf(0x10000, 0x14000, { region: 'far', mappable: memfd, fileOffset: LIMIT - 0x2000n }));
  });

  afterEach(() => {
    memfd.close();
  });

  it('reaches the bytes below 2^53', () => {
    target.write(0x11ff0n, Buffer.from('near'));
    expect(target.read(0x11ff0n, 4).toString()).to.equal('near');
  });

  it('reads beyond, but does not write to another place than it was told', () => {
    for (const iova of [0x11ffdn, 0x12000n, 0x13fffn]) {
      const data = Buffer.from('AAAA').subarray(0, iova === 0x13fffn ? 1 : 4);
      expect(() => target.write(iova, data))
        .to.throw(DmaError, /"sparse"/)
        .that.includes({ code: 'EOVERFLOW', errno: -75, target: 'soft', region: 'far' });
    }
    expect(target.read(0x10000n, 0x4000).equals(Buffer.alloc(0x4000))).to.equal(true);
    expect(bytesOf(memfd, 0, 4).equals(Buffer.alloc(4)), 'the start of the file').to.equal(true);
  });
});

describe('SoftIommuTarget: DMA to a file that is gone', () => {
  it('is an error that names the target and the region, as the system gives it', () => {
    const target = new SoftIommuTarget();
    const fd = openSync('/dev/zero', 'r');
    target.mapDma(requestOf(0x1000, 0x2000, { mappable: { fd, label: 'zero' }, region: 'dimm' }));
    expect(() => target.write(0x1000n, Buffer.from('a')))
      .to.throw(DmaError)
      .that.includes({ code: 'EBADF', errno: -9, syscall: 'write', target: 'soft', region: 'dimm' });
    closeSync(fd);
    expect(() => target.read(0x1000n, 1))
      .to.throw(DmaError)
      .that.includes({ code: 'EBADF', errno: -9, syscall: 'read', target: 'soft', region: 'dimm' });
  });

  it('of a closed memfd says that it is closed', () => {
    const target = new SoftIommuTarget();
    const memfd = Memfd.create('gone', 0x1000n);
    target.mapDma(requestOf(0x1000, 0x2000, { mappable: memfd }));
    memfd.close();
    for (const access of [() => target.read(0x1000n, 1), () => target.write(0x1000n, Buffer.from('a'))]) {
      expect(access)
        .to.throw(DmaError, /"gone"/)
        .with.property('code', 'ERR_CLOSED');
    }
  });
});

describe('SoftIommuTarget: DMA to private memory', () => {
  let space: AddressSpace;
  let target: SoftIommuTarget;

  beforeEach(() => {
    space = new AddressSpace({ size: 1n << 32n });
    target = new SoftIommuTarget();
  });

  afterEach(() => {
    space.close();
  });

  function mapPrivate(start: number, end: number, writable = true): void {
    const hostVa = space.ensureMapped({
      range: range(start, end),
      region: 'ram',
      type: 'ram',
      writable,
      backing: 'private',
    });
    target.mapDma(requestOf(start, end, { hostVa, writable }));
  }

  it('reaches the bytes at its host address', () => {
    mapPrivate(0x10000, 0x12000);
    target.write(0x10ffen, Buffer.from('abcd'));
    expect(space.read(0x10ffen, 4).toString()).to.equal('abcd');
    space.write(0x11000n, Buffer.from('XY'));
    expect(target.read(0x10ffen, 4).toString()).to.equal('abXY');
    expect(faultOf(() => target.read(0x11fffn, 2)).iova).to.equal(0x12000n);
  });

  it('crosses from a file to it', () => {
    using memfd = Memfd.create('ram', 0x1000n);
    target.mapDma(requestOf(0xf000, 0x10000, { mappable: memfd }));
    mapPrivate(0x10000, 0x11000);
    target.write(0xfffen, Buffer.from('abcd'));
    expect(bytesOf(memfd, 0xffe, 2).toString()).to.equal('ab');
    expect(space.read(0x10000n, 2).toString()).to.equal('cd');
  });

  it('is a fault when it is read-only', () => {
    mapPrivate(0x10000, 0x11000, false);
    expect(faultOf(() => target.write(0x10000n, Buffer.from('a'))).access).to.equal('write');
    expect(target.read(0x10000n, 1)).to.deep.equal(Buffer.alloc(1));
  });

  it('that was released, or of a closed address space, is an error', () => {
    mapPrivate(0x10000, 0x11000);
    mapPrivate(0x20000, 0x21000);
    space.release(range(0x10000, 0x11000));
    expect(() => target.read(0x10000n, 1))
      .to.throw(DmaError)
      .with.property('code', 'ERR_INVALID_HOST_VA');
    space.close();
    expect(() => target.write(0x20000n, Buffer.from('a'))).to.throw(DmaError);
  });

  it('at an address that no address space made is an error', () => {
    target.mapDma(requestOf(0x10000, 0x11000, { hostVa: { address: 0x7fff_0000_0000n } }));
    for (const access of [() => target.read(0x10000n, 1), () => target.write(0x10000n, Buffer.from('a'))]) {
      expect(access).to.throw(DmaError).with.property('code', 'ERR_INVALID_HOST_VA');
    }
  });
});

describe('SoftIommuTarget: DMA to nothing', () => {
  it('with neither a file nor a host address is an error that says what to give', () => {
    const target = new SoftIommuTarget();
    target.mapDma(requestOf(0x1000, 0x2000));
    for (const access of [() => target.read(0x1000n, 1), () => target.write(0x1000n, Buffer.from('a'))]) {
      expect(access)
        .to.throw(DmaError, /neither/)
        .that.includes({ code: 'EFAULT', region: 'ram' });
      expect(access).to.throw(DmaError).with.property('hint').that.contains('VA mapper');
    }
  });
});
