import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { Memfd } from '../../binding/index.js';
import { MemoryRange, type DmaError, type DmaMapRequest } from '../../streams/index.js';
import { KINDS, MAP_REQUEST, pinned, refusal, Workbench } from './support/workbench.js';

const HUGE_PAGES = '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages';
const PAGE = 2 << 20;
const TMPFS = '/mnt/used-up';

function punchHole(fd: number, offset: number, length: number): void {
  const file = `/proc/${process.pid}/fd/${fd}`;
  execFileSync('fallocate', ['--punch-hole', '--offset', String(offset), '--length', String(length), file]);
}

for (const kind of KINDS) {
  describe(`memory that cannot be had, ${kind === 'type1' ? kind : `iommufd by ${kind}`}`, () => {
    let bench: Workbench;

    beforeEach(() => {
      writeFileSync(HUGE_PAGES, '4');
      mkdirSync(TMPFS, { recursive: true });
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'small', TMPFS]);
      bench = new Workbench(kind);
    });

    afterEach(() => {
      bench[Symbol.dispose]();
      execFileSync('umount', [TMPFS]);
      writeFileSync(HUGE_PAGES, '0');
    });

    /** The kernel refuses, the target says why, and nothing of the range is left. */
    async function refuses(request: DmaMapRequest): Promise<DmaError> {
      const before = pinned();
      const error = await refusal(() => bench.way.target.mapDma(request));
      expect(error).to.include({ request: MAP_REQUEST[kind], region: 'ram' });
      expect(pinned(), 'nothing left').to.equal(before);
      return error;
    }

    it('because huge pages are used up: it says which, and how many more it takes', async () => {
      using huge = Memfd.create('huge', BigInt(2 * PAGE), { hugePages: '2M', reserve: true });
      const request = bench.request(MemoryRange.ofLength(0x40000000n, 2 * PAGE), { mappable: huge });
      punchHole(huge.fd, PAGE, PAGE);
      {
        // Those that are left, and the one that was punched out.
        using others = Memfd.create('others', BigInt(3 * PAGE), { hugePages: '2M' });
        expect(others.size).to.equal(BigInt(3 * PAGE));
        const error = await refuses(request);
        expect(error.code).to.equal(kind === 'file' ? 'ENOMEM' : 'EFAULT');
        expect(error.hint).to.match(/no huge pages of 2 MiB are free\..*The machine has 4, of which 0 are free/);
        expect(error.hint).to.contain(`echo 5 > ${HUGE_PAGES}`);
      }
      await bench.way.target.mapDma(request);
      await bench.way.target.unmapDma(request.range);
    });

    it('because its tmpfs is full: it says which, and how it is made larger', async () => {
      const sparse = bench.file(TMPFS, 0x4000).mappable;
      const request = bench.request(MemoryRange.ofLength(0x100000n, 0x4000n), { mappable: sparse });
      writeFileSync(`${TMPFS}/filler`, Buffer.alloc(1 << 20));
      const error = await refuses(request);
      expect(error.code).to.equal(kind === 'file' ? 'ENOSPC' : 'EFAULT');
      expect(error.hint).to.match(/the file system of \S+ is full\. It holds 1 MiB.*size=SIZE.*--shm-size/);
      rmSync(`${TMPFS}/filler`);
      await bench.way.target.mapDma(request);
      await bench.way.target.unmapDma(request.range);
    });
  });
}
