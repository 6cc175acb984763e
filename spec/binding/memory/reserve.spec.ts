import { closeSync, fstatSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { Memfd } from '../../../binding/index.js';
import { rejectionOf } from '../../streams/support/phrases.js';
import { runChild } from '../support/child.js';
import { openDescriptors } from '../support/descriptors.js';
import { MemoryCgroup } from '../support/memory-cgroup.js';
import { skipUnlessMounting, SMALL_TMPFS, THROUGH_SMALL_TMPFS } from '../support/small-tmpfs.js';
import { dmaError } from '../support/thrown.js';

const MIB = 1 << 20;

function allocated(fd: number): number {
  return fstatSync(fd).blocks * 512;
}

/** A file that has no name, of so many bytes. */
function shmFile(length: number, flags = 'w+'): number {
  const path = `/dev/shm/dma-streams-spec-${process.pid}`;
  const fd = openSync(path, 'w+');
  ftruncateSync(fd, length);
  const other = flags === 'w+' ? fd : openSync(path, flags);
  unlinkSync(path);
  if (other !== fd) {
    closeSync(fd);
  }
  return other;
}

describe('Memfd.create with reserve', () => {
  it('has all pages at once, and is sealed as ever', () => {
    using memfd = Memfd.create('ram', BigInt(40 * MIB), { reserve: true });
    expect(allocated(memfd.fd)).to.equal(40 * MIB);
    expect(() => ftruncateSync(memfd.fd, 0x1000)).to.throw('EPERM');
    using lazy = Memfd.create('ram', BigInt(40 * MIB), { reserve: false });
    expect(allocated(lazy.fd)).to.equal(0);
  });

  it('refuses what is neither true nor false', () => {
    for (const reserve of [1, 'yes', null, {}]) {
      expect(() => Memfd.create('ram', 0x1000n, { reserve: reserve as never })).to.throw(TypeError, /reserve is/);
    }
  });

  it('of more than the machine has is ENOMEM, rather than the end of a process, and leaves nothing behind', () => {
    const before = openDescriptors();
    const error = dmaError(() => Memfd.create('ram', 1n << 50n, { reserve: true }));
    expect(error.code).to.equal('ENOMEM');
    expect(error.message).to.match(
      /cannot create memfd "ram" of 1 PiB: it needs 1 PiB of memory, and the m.* has \d+ /,
    );
    expect(error.hint).to.match(/free -m|Raise the limit/);
    expect(openDescriptors()).to.equal(before);
  });

  it('of more than the memory cgroup allows is ENOMEM, too', function () {
    // Far more than the child uses for itself, with the sanitizers, too: a child that reaches the limit by itself is killed.
    const created = MemoryCgroup.create(BigInt(1024 * MIB));
    if (typeof created === 'string') {
      console.warn(`      NOT RUN: no memory cgroup can be made here (root can): ${created}`);
      this.skip();
    }
    using cgroup = created;
    const result = runChild(
      `
      const { Memfd } = await import(BINDING);
      const first = Memfd.create('first', 256n << 20n, { reserve: true });
      const tell = (error) => console.log(error.code, '|', error.message, '|', error.hint);
      try { Memfd.create('second', 768n << 20n, { reserve: true }); } catch (error) { tell(error); }
      await Memfd.create('third', 768n << 20n).reserve().catch(tell);
      `,
      { through: cgroup.through },
    );
    expect(result).to.include({ status: 0, signal: null }, result.stderr);
    const lines = result.stdout.split('\n');
    expect(lines).to.have.length(2);
    for (const line of lines) {
      expect(line).to.match(/^ENOMEM .*needs 768 MiB of memory, and the memory cgroup has \d+ MiB left .*MemoryMax=/);
    }
  });
});

describe('Memfd.reserve', () => {
  it('allocates what is missing and keeps what is there, while the event loop goes on', async () => {
    using memfd = Memfd.create('ram', BigInt(512 * MIB));
    writeSync(memfd.fd, Buffer.from('kept'), 0, 4, 300 * MIB);
    let turns = 0;
    let reserved = false;
    const reserving = memfd.reserve().then(() => {
      reserved = true;
    });
    while (!reserved) {
      await turn();
      turns += 1;
    }
    await reserving;
    expect(turns).to.be.greaterThan(10);
    expect(allocated(memfd.fd)).to.equal(512 * MIB);
    const kept = Buffer.alloc(4);
    readSync(memfd.fd, kept, 0, 4, 300 * MIB);
    expect(kept.toString()).to.equal('kept');
    await memfd.reserve();
  });

  it('serves other files, too; of one that is empty, nothing', async () => {
    const fd = shmFile(3 * MIB + 5);
    using file = Memfd.from(fd, 'shared');
    closeSync(fd);
    await file.reserve();
    expect(allocated(file.fd)).to.be.at.least(3 * MIB + 5);
    expect(file.size).to.equal(BigInt(3 * MIB + 5));
    const empty = shmFile(0);
    using none = Memfd.from(empty, 'empty');
    closeSync(empty);
    await none.reserve();
    expect(none.size).to.equal(0n);
  });

  it('says what a full file system is short of', function () {
    skipUnlessMounting(this);
    const result = runChild(
      `
      const { openSync, ftruncateSync } = await import('node:fs');
      const { Memfd } = await import(BINDING);
      const fd = openSync('${SMALL_TMPFS}/ram', 'w+');
      ftruncateSync(fd, ${4 * MIB});
      await Memfd.from(fd, 'ram').reserve().catch(({ code, message, hint }) => console.log(code, '|', message, '|', hint));
      `,
      { through: THROUGH_SMALL_TMPFS },
    );
    expect(result).to.include({ status: 0, signal: null }, result.stderr);
    expect(result.stdout).to.match(
      /^ENOSPC \| ENOSPC: cannot reserve the pages of "ram": the file system of \/mnt\/ram has 1 MiB left, fallocate \| .*--shm-size/,
    );
  });

  it('is refused of a file that is not open for writing, and of a closed one', async () => {
    const fd = shmFile(MIB, 'r');
    using file = Memfd.from(fd, 'read-only');
    closeSync(fd);
    const error = await rejectionOf(file.reserve());
    expect(error).to.include({ code: 'EBADF', hint: 'Open the file for reading and writing.' });
    const closed = Memfd.create('closed', 0x1000n);
    closed.close();
    expect(await rejectionOf(closed.reserve())).to.include({ code: 'ERR_CLOSED' });
  });

  it('ends early when the file is closed meanwhile', async () => {
    const descriptors = openDescriptors();
    const memfd = Memfd.create('ram', 1n << 30n);
    const reserving = rejectionOf(memfd.reserve());
    memfd.close();
    expect(await reserving).to.include({ code: 'ERR_CLOSED' });
    expect(openDescriptors()).to.equal(descriptors);
  });
});
