import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { Iommufd, Memfd, VfioDevice } from '../../../binding/index.js';
import { DmaError, MemoryRange, type DmaMapRequest } from '../../../streams/index.js';
import { dmaError } from '../../binding/support/thrown.js';
import { SECOND } from '../support/edu.js';
import { KINDS, MAP_REQUEST, pinned, refusal, Workbench } from '../support/workbench.js';

const TOP = 1n << 64n;
const HUGE_PAGES = '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages';
const range = (start: bigint | number, end: bigint | number): MemoryRange => MemoryRange.of(start, end);

for (const kind of KINDS) {
  describe(`the errno table, ${kind === 'type1' ? kind : `iommufd by ${kind}`}: maps`, () => {
    let bench: Workbench;
    beforeEach(() => {
      bench = new Workbench(kind);
    });
    afterEach(() => {
      bench[Symbol.dispose]();
    });

    /** The kernel refuses; the target's error says all of it, and nothing of the range is mapped or pinned. */
    async function refuses(request: DmaMapRequest, code: string, errno: number, hint: RegExp): Promise<void> {
      const before = pinned();
      const error = await refusal(() => bench.way.target.mapDma(request));
      const { syscall, request: ioctl, target, region } = error;
      expect({ code: error.code, errno: error.errno, syscall, ioctl, target, region }).to.deep.equal({
        code,
        errno,
        syscall: 'ioctl',
        ioctl: request.type === 'device' && kind === 'file' ? MAP_REQUEST.va : MAP_REQUEST[kind],
        target: kind === 'type1' ? 'vfio' : 'iommufd',
        region: 'ram',
      });
      expect(error.range).to.equal(request.range);
      expect(error.hint).to.match(hint);
      expect(error.message).to.contain(request.range.toString());
      expect(pinned(), 'nothing left').to.equal(before);
    }

    async function takes(request: DmaMapRequest): Promise<void> {
      await bench.way.target.mapDma(request);
      const [answer] = bench.kernel((batch) => {
        batch.unmap(request.range);
      });
      expect(answer).to.deep.equal({ errno: 0, unmapped: request.range.length });
    }

    for (const [geometry, start, end] of [
      ['the same', 0x100000, 0x104000],
      ['from the left', 0xff000, 0x101000],
      ['from the right', 0x103000, 0x105000],
      ['inside', 0x101000, 0x102000],
      ['around', 0xff000, 0x105000],
    ] as const) {
      it(`an overlap, ${geometry}: EEXIST`, async () => {
        await bench.way.target.mapDma(bench.request(range(0x100000, 0x104000)));
        const hint =
          kind === 'type1' ? /mapped there already: unmap it first/ : /0x100000-0x104000 is mapped there: unmap/;
        await refuses(bench.request(range(start, end)), 'EEXIST', -17, hint);
      });
    }

    it('an address, a length or an offset that is not page aligned, and nothing at all: EINVAL, and a MemoryRange cannot be so', () => {
      expect(() => range(0x1001, 0x2000)).to.throw(RangeError);
      expect(() => range(0x1000, 0x1800)).to.throw(RangeError);
      expect(() => range(0x1000, 0x1000)).to.throw(RangeError);
      const request = bench.request(range(0x1000, 0x2000));
      for (const [field, value] of [
        [1, 0x1001],
        [2, 0x801],
        [2, 0],
        [3, 1],
      ] as const) {
        const errno = bench.kernelMap(request, (rows) => {
          rows[field] = value;
        });
        expect(errno, `field ${field} is ${value}`).to.equal(-22);
      }
    });

    it('around the end of the addresses: EOVERFLOW, of type1 before Linux 7 EINVAL, and a MemoryRange cannot go there', () => {
      expect(() => range(TOP - 0x1000n, TOP + 0x1000n)).to.throw(RangeError);
      const errno = bench.kernelMap(bench.request(range(TOP - 0x2000n, TOP)), (rows) => {
        rows[1] = Number(TOP - 0x1000n);
      });
      const isOld = readFileSync('/proc/sys/kernel/osrelease', 'utf8').startsWith('6.');
      expect(errno).to.equal(kind === 'type1' && isOld ? -22 : -75);
    });

    const beyond: readonly (readonly [string, (end: bigint) => MemoryRange, RegExp])[] = [
      [
        'the last page of all',
        () => range(TOP - 0x1000n, TOP),
        /above the aperture.*put the memory below 0x8000000000/,
      ],
      ['above the aperture', (end) => range(end, end + 0x1000n), /above the aperture.*0xfef00000-0x8000000000/],
      ['across its end', (end) => range(end - 0x1000n, end + 0x1000n), /above the aperture/],
      ['inside the reserved window', () => range(0xfee00000, 0xfee01000), /reserved window.*leave a hole.*interrupts/],
      ['into the reserved window', () => range(0xfedff000, 0xfee01000), /reserved window.*0x0-0xfee00000/],
    ];
    for (const [what, where, hint] of beyond) {
      it(`${what}: EINVAL of the kernel, and of the preflight before it`, async () => {
        const { way } = bench;
        const last = (way.container?.info.iovaRanges ?? way.ioas?.iovaRanges)?.at(-1)?.last ?? 0n;
        const request = bench.request(where(last + 1n));
        expect(bench.kernelMap(request), 'the kernel itself').to.equal(-22);
        await refuses(request, 'EINVAL', -22, hint);
        const early = dmaError(() => {
          way.target.checkMaps([bench.request(range(0x100000, 0x101000)), request]);
        });
        expect(early).to.include({ code: 'EINVAL', syscall: 'ioctl', request: MAP_REQUEST[kind], region: 'ram' });
        expect(early.range).to.equal(request.range);
        expect(early.message).to.match(/cannot be mapped: it reaches/);
        expect(`${early.message}; ${early.hint ?? ''}`).to.match(hint);
      });
    }

    it('a file that was cut short after its address was made: EFAULT, by file EINVAL; nothing of what is there stays', async () => {
      const file = bench.file('/dev/shm', 0x4000);
      const request = bench.request(range(0x100000, 0x104000), { mappable: file.mappable });
      file.truncate(0x2000);
      await (kind === 'file'
        ? refuses(request, 'EINVAL', -22, /is the file as long as the mapping, and on memory/)
        : refuses(request, 'EFAULT', -14, /not backed.*is the file as long as the mapping/));
      file.truncate(0x4000);
      await takes(request);
    });

    it('a mapping beyond the end of a memfd: by file EINVAL; by address the address space refuses it', async () => {
      const beyondEnd = { fileOffset: bench.memfd.size - 0x1000n };
      expect(dmaError(() => bench.request(range(0x100000, 0x102000), beyondEnd))).to.include({ code: 'EFAULT' });
      if (kind === 'file') {
        const request = { ...bench.request(range(0x100000, 0x102000)), ...beyondEnd };
        await refuses(request, 'EINVAL', -22, /as long as the mapping/);
      }
    });

    it('memory that the host holds read-only, for writing: EFAULT; for reading it works', async () => {
      const request = bench.request(range(0x100000, 0x101000), { held: false });
      if (kind === 'file') {
        // The kernel looks at the file alone: how the host has it mapped does not matter, nor how it was opened.
        await takes(request);
      } else {
        await refuses(request, 'EFAULT', -14, /not for writing/);
        await takes({ ...request, writable: false });
      }
    });

    it('a file on a disk: EFAULT for writing, works for reading; by file EINVAL', async function () {
      const folder = process.env['DMA_STREAMS_DISK'];
      if (folder === undefined) {
        console.warn(
          '      NOT RUN: DMA_STREAMS_DISK names no folder on a file system that writes back (test:kernel does)',
        );
        this.skip();
      }
      const { mappable } = bench.file(folder, 0x4000);
      const request = bench.request(range(0x100000, 0x104000), { mappable });
      if (kind === 'file') {
        await refuses(request, 'EINVAL', -22, /A file on a disk can be mapped by address alone, and read-only/);
      } else {
        await refuses(request, 'EFAULT', -14, /on memory \(memfd, tmpfs, huge pages\) rather than on a disk/);
        await takes({ ...request, writable: false });
      }
    });

    it('the BAR of another device: type1 maps it, iommufd says EFAULT', async () => {
      using iommufd = Iommufd.open();
      using bar = VfioDevice.openCdev(SECOND, iommufd);
      const { offset, size } = bar.region(0);
      const request = bench.request(MemoryRange.ofLength(0xe0000000n, size), {
        mappable: bar,
        fileOffset: offset,
        type: 'device',
      });
      await (kind === 'type1' ? takes(request) : refuses(request, 'EFAULT', -14, /cannot map the BAR.*VFIO type1 can/));
    });

    it('a memfd, a file on tmpfs, huge pages and one small page of one: all work', async () => {
      await takes(bench.request(range(0x100000, 0x104000)));
      await takes(bench.request(range(0x100000, 0x104000), { mappable: bench.file('/dev/shm', 0x4000).mappable }));
      writeFileSync(HUGE_PAGES, '1');
      try {
        using huge = Memfd.create('huge', 2n << 20n, { hugePages: '2M' });
        const whole = bench.request(MemoryRange.ofLength(0x40000000n, 2n << 20n), { mappable: huge });
        await takes(whole);
        await takes({ ...whole, range: range(0x100000, 0x101000) });
      } finally {
        writeFileSync(HUGE_PAGES, '0');
      }
    });

    it('the same page twice is counted twice', async () => {
      const request = bench.request(range(0x100000, 0x101000));
      await bench.way.target.mapDma(request);
      await bench.way.target.mapDma({ ...request, range: range(0x200000, 0x201000) });
      expect(pinned()).to.equal(0x2000);
    });

    it('more mappings than a container takes: ENOSPC with the 65,536th; an IOAS takes 70,000', async () => {
      const request = bench.request(range(0x100000, 0x101000));
      const many = (first: number, count: number): number[] =>
        bench
          .kernel((batch) => {
            for (let index = first; index < first + count; index++) {
              const at = MemoryRange.ofPages(0x200000 + 2 * index, 0x200001 + 2 * index);
              if (kind === 'file') {
                batch.mapFile(at, bench.memfd.fd, 0n, true);
              } else if (request.hostVa !== undefined) {
                batch.mapVa(at, request.hostVa, true);
              }
            }
          })
          .map(({ errno }) => errno);
      if (kind === 'type1') {
        expect(many(0, 65_536).findIndex((errno) => errno < 0)).to.equal(65_535);
        await refuses(
          request,
          'ENOSPC',
          -28,
          /^0 entries are left and 1 needed: map fewer, larger ranges, give mappings a larger granule, or raise dma_entry_limit/,
        );
        const early = dmaError(() => {
          bench.way.target.checkMaps([request, bench.request(range(0x300000, 0x301000))]);
        });
        expect(early).to.include({ code: 'ENOSPC', request: 'VFIO_IOMMU_MAP_DMA' });
        expect(early.message).to.contain('number 1 of a set, and 0 entries are left');
      } else {
        expect(many(0, 70_000).every((errno) => errno === 0)).to.equal(true);
        await bench.way.target.mapDma(request);
      }
    });

    it('private memory works by address; without one it is refused before the kernel is asked', async () => {
      const source = { range: range(0x1000, 0x2000), region: 'ram', type: 'ram', writable: true } as const;
      const hostVa = bench.space.ensureMapped({ ...source, backing: 'private' });
      const request = { ...source, range: range(0x100000, 0x101000), fileOffset: 0n };
      await takes({ ...request, hostVa });
      const error = await refusal(() => bench.way.target.mapDma(request));
      expect(error).to.be.instanceOf(DmaError).and.to.include({ code: 'ERR_NO_VA', errno: 0, region: 'ram' });
      expect(error).not.to.have.property('request');
    });
  });
}
