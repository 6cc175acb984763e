import { expect } from 'chai';
import { runChild } from '../support/child.js';

/** What the programs share: `counted()` is our count of memory areas, `real()` the kernel's for the addresses that the space has reserved. */
const COMMON = `
  const { AddressSpace, Memfd } = await import(BINDING);
  const { MemoryRange } = await import(STREAMS);
  const { native } = await import(new URL('native.js', BINDING));
  const { openSync, closeSync, ftruncateSync, unlinkSync } = await import('node:fs');
  const counted = () => native().addressSpaceAreas();
  const areas = () => readFileSync('/proc/self/maps', 'utf8').trimEnd().split('\\n').map((line) => line.split(/[- ]/, 2).map((end) => BigInt('0x' + end)));
  const space = new AddressSpace({ size: 1n << 40n });
  const [first, last] = areas().find(([start, end]) => end - start >= 1n << 40n);
  const real = () => areas().filter(([start, end]) => start >= first && end <= last).length;
  const PAGES = 2000;
  const map = (page, backing, writable = true) =>
    space.ensureMapped({ range: MemoryRange.ofPages(page, page + 1), region: 'r', type: 'ram', writable, backing });
  const [before, realBefore] = [counted(), real()];
  const growth = () => [counted() - before, real() - realBefore];
`;

describe('The count of memory areas', () => {
  for (const [what, program, least, most] of [
    [
      'of neighbours in one file is one, one by one and in a set',
      `const file = Memfd.create('one', BigInt(PAGES) * 8192n);
       for (let page = 0; page < PAGES; page++) map(page, { mappable: file, fileOffset: BigInt(page) * 4096n });
       space.ensureMappedBatch(Array.from({ length: PAGES }, (_, page) => ({ range: MemoryRange.ofPages(PAGES + page, PAGES + page + 1), region: 'r',
         type: 'ram', writable: true, backing: { mappable: file, fileOffset: BigInt(PAGES + page) * 4096n } })));`,
      1,
      4,
    ],
    [
      'is that of each page, where offsets do not adjoin',
      `const file = Memfd.create('same page', 4096n);
       for (let page = 0; page < PAGES; page++) map(page, { mappable: file, fileOffset: 0n });`,
      2000,
      2004,
    ],
    [
      'is that of each page, where access alternates',
      `const file = Memfd.create('alternating', BigInt(PAGES) * 4096n);
       for (let page = 0; page < PAGES; page++) map(page, { mappable: file, fileOffset: BigInt(page) * 4096n }, page % 2 === 0);`,
      2000,
      2004,
    ],
    [
      'is that of each page of a file that was opened anew for it',
      `const path = '/dev/shm/reopened-' + process.pid;
       const fd = openSync(path, 'w+');
       ftruncateSync(fd, PAGES * 4096);
       for (let page = 0; page < PAGES; page++) {
         const again = openSync(path, 'r+');
         const file = Memfd.from(again, 'again');
         closeSync(again);
         map(page, { mappable: file, fileOffset: BigInt(page) * 4096n });
         file.close();
       }
       unlinkSync(path);`,
      2000,
      2004,
    ],
    [
      'of private memory is never below that of the kernel, in whatever order it is touched',
      `for (const first of [0, 1]) {
         for (let page = first; page < PAGES; page += 2) {
           map(page, 'private');
           space.write(BigInt(page) * 4096n, Buffer.from([1]));
         }
       }`,
      1000,
      2004,
    ],
    [
      'is what it was once all is released, and every second one before',
      `const file = Memfd.create('one', BigInt(PAGES) * 4096n);
       for (let page = 0; page < PAGES; page++) map(page, { mappable: file, fileOffset: BigInt(page) * 4096n });
       for (let page = 1; page < PAGES; page += 2) space.release(MemoryRange.ofPages(page, page + 1));
       const half = growth();
       if (half[0] < half[1] - 4 || half[0] < PAGES - 4) throw new Error('too few: ' + half);
       space.release(MemoryRange.ofPages(0, PAGES));`,
      0,
      0,
    ],
    [
      'has those of the zeros that released views leave behind',
      `const file = Memfd.create('one', BigInt(PAGES) * 4096n);
       const kept = [];
       for (let page = 0; page < PAGES; page++) {
         map(page, { mappable: file, fileOffset: BigInt(page) * 4096n });
         kept.push(space.view(MemoryRange.ofPages(page, page + 1)));
       }
       for (let page = 0; page < PAGES; page += 2) space.release(MemoryRange.ofPages(page, page + 1));
       globalThis.kept = kept;`,
      1990,
      2004,
    ],
  ] as const) {
    it(what, () => {
      const result = runChild(`${COMMON}${program}\nconsole.log(growth().join(' '));`);
      expect(result).to.include({ status: 0, signal: null }, result.stderr);
      const [counted = NaN, real = NaN] = result.stdout.split(' ').map(Number);
      expect(counted).to.be.within(least, most);
      expect(counted, 'not below the kernel’s').to.be.at.least(real - 4);
    }).timeout(60_000);
  }
});
