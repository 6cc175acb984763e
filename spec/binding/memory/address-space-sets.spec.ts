import { expect } from 'chai';
import { AddressSpace, Memfd } from '../../../binding/index.js';
import { native } from '../../../binding/native.js';
import { DmaError, MemoryRange, type HostVa } from '../../../streams/index.js';
import { runChild } from '../support/child.js';
import { ram } from '../support/changes.js';
import { transferred } from '../support/transferred.js';

const PAGE = 0x1000;

function codeOf(result: unknown): string {
  return result instanceof DmaError ? result.code : result instanceof Error ? result.name : 'ok';
}

describe('AddressSpace: sets', () => {
  let space: AddressSpace;
  let memfd: Memfd;

  beforeEach(() => {
    space = new AddressSpace({ size: 1n << 36n });
    memfd = Memfd.create('guest', 0x20000n);
  });

  afterEach(() => {
    space.close();
    memfd.close();
  });

  it('maps elsewhere while a buffer that was transferred may reach base + GPA', async () => {
    space.ensureMapped(ram(0, PAGE, memfd));
    const moved = await transferred(space.view(MemoryRange.of(0, PAGE)));
    space.release(MemoryRange.of(0, PAGE));
    const answers = space.ensureMappedBatch([ram(0, PAGE, memfd, { writable: false }), ram(PAGE, 2 * PAGE, memfd)]);
    expect(answers.map(codeOf)).to.deep.equal(['ok', 'ok']);
    const [displaced, inPlace] = answers as HostVa[];
    expect(displaced?.address).not.to.equal((inPlace?.address ?? 0n) - BigInt(PAGE));
    moved.fill(1);
    expect(space.read(0n, 2 * PAGE)).to.deep.equal(Buffer.alloc(2 * PAGE));
  });

  it('leave memory areas to the rest of the process', () => {
    using page = Memfd.create('page', 4096n);
    const limit = 57_000;
    const changes = Array.from({ length: limit }, (_, index) => ram(index * 2 * PAGE, (index * 2 + 1) * PAGE, page));
    const before = native().addressSpaceAreas();
    const codes = space.ensureMappedBatch(changes).map(codeOf);
    if (codes.at(-1) === 'ok') {
      return; // vm.max_map_count was raised on this machine: it would take too long to come near it
    }
    expect(new Set(codes)).to.deep.equal(new Set(['ok', 'ENOMEM']));
    expect(codes.indexOf('ENOMEM')).to.be.greaterThan(10_000);
    space.release(MemoryRange.of(0, limit * 2 * PAGE));
    expect(native().addressSpaceAreas()).to.equal(before);
  }).timeout(60_000);

  it('at the limit of memory areas: what stays and what goes is known, also where there can be no thread', function () {
    if (process.env['LD_PRELOAD']?.includes('asan') === true) {
      console.log('skipped: the sanitizers end a process that can have no more memory areas');
      this.skip();
    }
    const result = runChild(
      `
      const { Memfd } = await import(BINDING);
      const { native } = await import(new URL('native.js', BINDING));
      const limit = Number(readFileSync('/proc/sys/vm/max_map_count', 'utf8'));
      const memfd = Memfd.create('limit', 0x4000n);
      const space = native().addressSpaceReserve(1n << 40n);
      const source = memfd.fd * 2 + 1;
      const rows = new Float64Array(4 * limit);
      // Three neighbours, which are one area; and single pages, more than there can be.
      for (let at = 0; at < 3; at++) rows.set([at, at + 1, source, at * 4096], at * 4);
      for (let at = 3; at < limit; at++) rows.set([at * 2, at * 2 + 1, source, 0], at * 4);
      const results = new Int32Array(limit);
      // The second of the neighbours cannot go: it would split their area.
      const some = new Float64Array([1, 2, 6, 7, 8, 9]);
      const answers = new Int32Array(3);
      const later = new Int32Array(3);
      const all = new Float64Array([0, limit * 2]);
      const ended = new Int32Array(1);
      native().addressSpaceMapRows(space, rows, results, limit);
      native().addressSpaceReleaseRows(space, new Float64Array([1, 2]), answers, 1);
      const alone = answers[0];
      const promise = native().addressSpaceReleaseLater(space, some.subarray(0, 2), later, 1);
      native().addressSpaceReleaseRows(space, some, answers, 3);
      const isThere = (row) => native().addressSpaceOverlap(space, some[row * 2], some[row * 2 + 1]) !== undefined;
      // Whether each is there that failed, and no other.
      const known = [0, 1, 2].map((row) => isThere(row) === answers[row] < 0);
      native().addressSpaceReleaseRows(space, all, ended, 1);
      const full = results.includes(-12);
      const left = native().addressSpaceOverlap(space, 0, limit * 2) !== undefined;
      native().addressSpaceClose(space);
      for (let waited = 0; native().addressSpaceAreas() > 0 && waited < 1000; waited++) await sleep(1);
      console.log(full, alone, [...(await promise)].join(), answers[0], known.join(), left === ended[0] < 0, native().addressSpaceAreas());
      `,
      // The kernel lets the heap grow no more at the limit: it is grown before.
      {
        env: {
          MALLOC_TOP_PAD_: '67108864',
          MALLOC_TRIM_THRESHOLD_: '1073741824',
          MALLOC_MMAP_THRESHOLD_: '1073741824',
        },
      },
    );
    expect(result).to.include({ status: 0, stdout: 'true -12 -12 -12 true,true,true true 0' }, result.stderr);
  }).timeout(60_000);
});
