import { expect } from 'chai';
import { runChild } from '../support/child.js';
import { type Mapper, MAPPERS } from '../support/mappers.js';
import { skipUnlessMounting, SMALL_TMPFS, THROUGH_SMALL_TMPFS } from '../support/small-tmpfs.js';

/** What the programs share: a file at guest address 0, and what an error says. */
const prelude = (mapper: Mapper): string => `
  const { openSync, closeSync, ftruncateSync, truncateSync, writeSync } = await import('node:fs');
  const { Memfd } = await import(BINDING);
  const { MemoryRange } = await import(STREAMS);
  const space = ${mapper.source};
  const map = (memfd, length, writable = true) =>
    space.ensureMapped({ range: MemoryRange.of(0, length), region: 'r', type: 'ram', writable, backing: { mappable: memfd, fileOffset: 0n } });
  const attempt = (work) => {
    try { work(); return 'done'; } catch (error) { return [error.code, error.message, error.hint].join(' | '); }
  };
`;

for (const mapper of MAPPERS) {
  describe(`memory whose pages cannot be had: ${mapper.name}`, () => {
    it('in a file on a full file system: read and write say so, and end nothing', function () {
      skipUnlessMounting(this);
      const result = runChild(
        `${prelude(mapper)}
      const fd = openSync('${SMALL_TMPFS}/ram', 'w+');
      ftruncateSync(fd, 4 << 20);
      const file = Memfd.from(fd, 'ram');
      map(file, 4 << 20);
      console.log(attempt(() => space.write(0n, Buffer.alloc(4 << 20, 1))));
      console.log(attempt(() => space.write(3n << 20n, Buffer.from('x'))));
      console.log(attempt(() => space.read(3n << 20n, 1)));
      console.log(attempt(() => space.view(MemoryRange.of(0, 0x1000))).split(' |')[0]);
      console.log(space.read(0n, 1)[0]);
      truncateSync('${SMALL_TMPFS}/ram', 1 << 20);
      console.log(attempt(() => space.write(3n << 20n, Buffer.from('x'))));`,
        { through: THROUGH_SMALL_TMPFS },
      );
      expect(result).to.include({ status: 0, signal: null }, result.stderr);
      const [filled, written, read, view, kept, cut] = result.stdout.split('\n');
      for (const said of [filled, written, read]) {
        expect(said).to.match(
          /^EFAULT \| EFAULT: cannot (read|write) .* the file system of \/mnt\/ram is full \| It holds 1 MiB/,
        );
        expect(said).to.contain('--shm-size');
      }
      expect(view).to.equal('EOPNOTSUPP');
      expect(kept).to.equal('1');
      expect(cut, 'a file that is too short is not blamed on the file system').to.contain('what backs it is gone');
    });

    it('in a ROM of it, which is only read', function () {
      skipUnlessMounting(this);
      const result = runChild(
        `${prelude(mapper)}
      const fd = openSync('${SMALL_TMPFS}/rom', 'w+');
      ftruncateSync(fd, 4 << 20);
      writeSync(fd, Buffer.alloc(1 << 20, 1));
      map(Memfd.from(fd, 'rom'), 4 << 20, false);
      console.log(attempt(() => space.read(0n, 4 << 20)).split(' |')[0]);`,
        { through: THROUGH_SMALL_TMPFS },
      );
      expect(result).to.include({ status: 0, signal: null, stdout: 'EFAULT' }, result.stderr);
    });
  });
}

for (const mapper of MAPPERS) {
  describe(`a memfd_secret: ${mapper.name}`, () => {
    /** Runs the rest with one of 64 KiB as descriptor 3. */
    const THROUGH_SECRET = [
      'python3',
      '-c',
      `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.syscall(447, 0)
if fd < 0: sys.exit('memfd_secret: ' + os.strerror(ctypes.get_errno()))
os.ftruncate(fd, 65536)
os.dup2(fd, 3) if fd != 3 else os.set_inheritable(3, True)
os.execvp(sys.argv[1], sys.argv[1:])
`,
    ] as const;

    it('is read, written and viewed: the kernel neither copies it nor lets it lose a page', function () {
      const result = runChild(
        `${prelude(mapper)}
      map(Memfd.from(3, 'secret'), 0x10000);
      space.write(0xffen, Buffer.from('secret'));
      console.log(space.read(0xffen, 6).toString());
      console.log(Buffer.from(space.view(MemoryRange.of(0, 0x2000)).subarray(0xffe, 0x1004)).toString());
      console.log(attempt(() => ftruncateSync(3, 0)).split(' |')[0]);`,
        { through: THROUGH_SECRET },
      );
      if (result.stderr.startsWith('memfd_secret:')) {
        console.warn(`      NOT RUN: ${result.stderr.trim()}`);
        this.skip();
      }
      expect(result).to.include({ status: 0, stdout: 'secret\nsecret\nEINVAL' }, result.stderr);
    });
  });
}
