import { closeSync, ftruncateSync, openSync, truncateSync, unlinkSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { Memfd } from '../../../binding/index.js';
import { DmaMapError, MemoryRange, RegionManager } from '../../../streams/index.js';
import { rejectionOf } from '../../streams/support/phrases.js';
import { ram } from '../support/changes.js';
import { openDescriptors } from '../support/descriptors.js';
import { MAPPERS } from '../support/mappers.js';
import { dmaError } from '../support/thrown.js';

describe('memory that a neighbour cuts short', () => {
  for (const mapper of MAPPERS) {
    it(`is an error to read and to write, not the end of this process: ${mapper.name}`, () => {
      const path = `/dev/shm/dma-streams-spec-${process.pid}`;
      const fd = openSync(path, 'w+');
      ftruncateSync(fd, 0x10000);
      using file = Memfd.from(fd, 'shared with a neighbour');
      closeSync(fd);
      using space = mapper.make();
      space.ensureMapped(ram(0x1000, 0x11000, file));
      space.write(0x8000n, Buffer.from('before'));

      const neighbour = spawnSync(process.execPath, [
        '-e',
        `require('fs').truncateSync(${JSON.stringify(path)}, 0x2000)`,
      ]);
      unlinkSync(path);
      expect(neighbour.status).to.equal(0);

      const error = dmaError(() => space.read(0x8000n, 6));
      expect(error.code).to.equal('EFAULT');
      expect(error.message).to.contain('what backs it is gone');
      expect(error.hint).to.contain('F_SEAL_SHRINK');
      expect(dmaError(() => space.write(0x8000n, Buffer.from('after'))).code).to.equal('EFAULT');
      expect(dmaError(() => space.read(0x1000n, 0x10000)).code).to.equal('EFAULT');
      expect(space.read(0x1000n, 0x2000), 'what is still there').to.have.length(0x2000);
    });
  }

  it('cannot be so when it is sealed', () => {
    using memfd = Memfd.create('sealed', 0x10000n);
    const neighbour = spawnSync(process.execPath, [
      '-e',
      `require('fs').truncateSync('/proc/${process.pid}/fd/${memfd.fd}', 0)`,
    ]);
    expect(neighbour.stderr.toString()).to.contain('EPERM');
    expect(memfd.size).to.equal(0x10000n);
  });
});

describe('a file that may only be read', () => {
  for (const mapper of MAPPERS) {
    it(`fails a writable mapping of it, which leaves nothing; a read-only one works: ${mapper.name}`, async () => {
      const path = `/dev/shm/dma-streams-spec-${process.pid}-ro`;
      closeSync(openSync(path, 'w'));
      truncateSync(path, 0x10000);
      const readable = openSync(path, 'r');
      using file = Memfd.from(readable, 'read-only');
      closeSync(readable);
      unlinkSync(path);
      using space = mapper.make();
      const manager = new RegionManager({ vaMapper: space });
      const attachment = await manager.attach({
        name: 'T',
        needsVa: true,
        mapDma: () => undefined,
        unmapDma: () => undefined,
      });
      const region = await manager.addRegion({ name: 'rom', range: MemoryRange.of(0, 0x10000), type: 'ram' });
      await region.map({ writable: true });
      const rangeInRegion = MemoryRange.of(0, 0x10000);
      const backing = { mappable: file, fileOffset: 0n };
      const before = openDescriptors();

      const error = await rejectionOf(region.addMapping({ rangeInRegion, backing, writable: true }));
      expect(error).to.be.instanceOf(DmaMapError).and.include({ code: 'EACCES', region: 'rom' });
      expect(attachment.ledger()).to.deep.equal([]);
      expect(dmaError(() => space.read(0n, 1)).code).to.equal('EFAULT');
      expect(openDescriptors()).to.equal(before);

      await region.addMapping({ rangeInRegion, backing, writable: false });
      expect(space.read(0n, 1)).to.have.length(1);
      expect(dmaError(() => space.write(0n, Buffer.from('x'))).code).to.equal('EACCES');
      await manager.close();
    });
  }
});
