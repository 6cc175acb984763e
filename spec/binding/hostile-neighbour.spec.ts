import { closeSync, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { AddressSpace, Memfd } from '../../binding/index.js';
import { ram } from './support/changes.js';
import { dmaError } from './support/thrown.js';

describe('memory that a neighbour cuts short', () => {
  it('is an error to read and to write, not the end of this process', () => {
    const path = `/dev/shm/dma-streams-spec-${process.pid}`;
    const fd = openSync(path, 'w+');
    ftruncateSync(fd, 0x10000);
    using file = Memfd.from(fd, 'shared with a neighbour');
    closeSync(fd);
    using space = new AddressSpace({ size: 1n << 30n });
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
