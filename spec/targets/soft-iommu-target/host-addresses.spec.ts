import { ftruncateSync, openSync, closeSync, unlinkSync } from 'node:fs';
import { expect } from 'chai';
import { AddressSpace, Memfd, type RamBlocks } from '../../../binding/index.js';
import { DmaError, DmaFault, RegionManager, type Mappable } from '../../../streams/index.js';
import { SoftIommuTarget } from '../../../targets/index.js';
import { ram } from '../../binding/support/changes.js';
import { MAPPERS } from '../../binding/support/mappers.js';
import { rejectionOf } from '../../streams/support/phrases.js';
import { ALL_MODELS, range, requestOf, type RequestOptions } from '../support/requests.js';

describe('SoftIommuTarget: host addresses', () => {
  it('are needed by the model of VFIO type1, and by no other', () => {
    expect(new SoftIommuTarget().needsVa).to.equal(true);
    expect(ALL_MODELS.map((model) => new SoftIommuTarget({ model }).needsVa)).to.deep.equal([true, false, false]);
  });

  it('are missing where the manager has no VA mapper: the model of type1 is not attached, the others are', async () => {
    for (const model of ALL_MODELS) {
      await using manager = new RegionManager();
      const attaching = manager.attach(new SoftIommuTarget({ model }));
      if (model === 'type1v2') {
        expect(await rejectionOf(attaching)).to.include({ code: 'ERR_NO_VA_MAPPER' });
        expect(manager.attachments).to.deep.equal([]);
      } else {
        await attaching;
      }
    }
  });
});

for (const mapper of MAPPERS) {
  describe(`SoftIommuTarget type1v2: DMA to the host addresses of ${mapper.name}`, () => {
    let target: SoftIommuTarget;
    let memory: AddressSpace | RamBlocks;
    let memfd: Memfd;

    beforeEach(() => {
      target = new SoftIommuTarget();
      memory = mapper.make();
      memfd = Memfd.create('ram', 0x10000n);
    });

    afterEach(() => {
      memory.close();
      memfd.close();
    });

    /** Maps the same in the host, and at the target. */
    function map(start: number, end: number, mappable?: Mappable, options: RequestOptions = {}): void {
      const hostVa = memory.ensureMapped(ram(start, end, mappable, options));
      target.mapDma(requestOf(start, end, { ...options, ...(mappable && { mappable }), hostVa }));
    }

    it('reaches the bytes that the VMM sees, across mappings of a file, of another part of it, and of private memory', () => {
      map(0x1000, 0x2000, memfd, { fileOffset: 0x5000n });
      map(0x2000, 0x3000, memfd, { fileOffset: 0x2000n });
      map(0x3000, 0x4000);
      const data = Buffer.alloc(0x1004, 'abcd');
      target.write(0x1ffen, data);
      expect(memory.read(0x1ffen, data.length).equals(data)).to.equal(true);
      memory.write(0x2ffen, Buffer.from('WXYZ'));
      expect(target.read(0x2ffen, 4).toString()).to.equal('WXYZ');
    });

    it('is not stopped by the end of the descriptor', () => {
      map(0x1000, 0x2000, memfd);
      memfd.close();
      target.write(0x1800n, Buffer.from('still'));
      expect(memory.read(0x1800n, 5).toString()).to.equal('still');
      expect(target.read(0x1800n, 5).toString()).to.equal('still');
    });

    it('to a read-only section of a file shows what is written at another address, and faults when it writes', () => {
      map(0x1000, 0x2000, memfd);
      map(0x8000, 0x9000, memfd, { writable: false });
      target.write(0x1000n, Buffer.from('firmware'));
      expect(target.read(0x8000n, 8).toString()).to.equal('firmware');
      expect(() => target.write(0x8000n, Buffer.from('x'))).to.throw(DmaFault);
      expect(memory.read(0x1000n, 8).toString()).to.equal('firmware');
    });

    it('beyond 2^53 of a file is written, too', () => {
      using far = Memfd.create('far', (1n << 53n) + 0x4000n);
      map(0x1000, 0x3000, far, { fileOffset: (1n << 53n) - 0x1000n });
      target.write(0x1ffen, Buffer.from('over'));
      expect(memory.read(0x1ffen, 4).toString()).to.equal('over');
    });

    it('to a file that was cut is an error that names target and region', () => {
      const path = `/dev/shm/dma-streams-soft-${process.pid}`;
      const fd = openSync(path, 'w+');
      unlinkSync(path);
      ftruncateSync(fd, 0x4000);
      map(0x1000, 0x5000, { fd, label: 'cut' }, { region: 'dimm' });
      ftruncateSync(fd, 0x1000);
      for (const access of [() => target.read(0x3000n, 1), () => target.write(0x3000n, Buffer.from('x'))]) {
        expect(access)
          .to.throw(DmaError, /what backs it is gone/)
          .that.includes({ code: 'EFAULT', target: 'soft', region: 'dimm' });
      }
      expect(target.read(0x1000n, 0x1000)).to.deep.equal(Buffer.alloc(0x1000));
      closeSync(fd);
    });

    it('that were released is an error, not another place', () => {
      map(0x1000, 0x2000, memfd);
      memory.release(range(0x1000, 0x2000));
      memory.ensureMapped(ram(0x1000, 0x2000));
      for (const access of [() => target.read(0x1000n, 1), () => target.write(0x1000n, Buffer.from('x'))]) {
        expect(access).to.throw(DmaError).that.includes({ code: 'ERR_INVALID_HOST_VA', target: 'soft' });
      }
      expect(memory.read(0x1000n, 1)[0]).to.equal(0);
    });
  });
}
