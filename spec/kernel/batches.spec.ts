import { execFileSync } from 'node:child_process';
import { openSync, closeSync, constants, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { Memfd } from '../../binding/index.js';
import { MemoryRange, type BatchStop, type DmaError } from '../../streams/index.js';
import { copyByDma } from './support/edu.js';
import { page, Pages } from './support/pages.js';
import { SECOND, ways, iommufd, type1, type Way } from './support/machine.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';

function stopOf(answer: unknown): BatchStop & { readonly error: DmaError } {
  expect(answer).to.have.all.keys('done', 'error');
  return answer as BatchStop & { readonly error: DmaError };
}

for (const make of ways()) {
  const { name, close } = make();
  close();

  describe(`${name}: sets`, () => {
    let way: Way;
    let pages: Pages;

    beforeEach(() => {
      way = make();
      pages = new Pages();
    });

    afterEach(() => {
      pages[Symbol.dispose]();
      way.close();
    });

    for (const [size, how] of [
      [100, 'at once'],
      [1000, 'on another thread'],
    ] as const) {
      it(`of ${size} rows are mapped ${how}, are reached from first to last, and unmapped`, async () => {
        const device = way.openDevice();
        const set = Array.from({ length: size }, (_, index) => pages.request(page(2 * index)));
        const mapped = way.target.mapDmaBatch(set);
        expect(mapped instanceof Promise).to.equal(how !== 'at once');
        expect(await mapped).to.equal(undefined);

        const [first, last] = [page(0), page(2 * (size - 1))];
        pages.space.write(first.start, Buffer.from('from the first to the last'));
        await copyByDma(device, first.start, last.start, 26);
        expect(pages.text(last, 26)).to.equal('from the first to the last');

        expect(await way.target.unmapDmaBatch(set.map(({ range }) => range))).to.equal(undefined);
        pages.space.write(first.start, Buffer.from('NOT ANY MORE'));
        await copyByDma(device, first.start, last.start, 12);
        expect(pages.text(last, 26)).to.equal('from the first to the last');
      });

      it(`of ${size} rows stop where one fails ${how}: what is before it is mapped, it and the rest are not`, async () => {
        const device = way.openDevice();
        const inTheWay = pages.request(page(2 * (size - 2)));
        await way.target.mapDma(inTheWay);
        const set = Array.from({ length: size }, (_, index) => pages.request(page(2 * index)));
        const stop = stopOf(await way.target.mapDmaBatch(set));
        expect(stop.done).to.equal(size - 2);
        expect(stop.error).to.include({ code: 'EEXIST', target: way.target.name, region: 'ram' });
        expect(stop.error.range?.equals(inTheWay.range)).to.equal(true);

        // The library goes on behind it: were the last row mapped already, this would fail.
        expect(await way.target.mapDmaBatch(set.slice(size - 1))).to.equal(undefined);
        pages.space.write(page(0).start, Buffer.from('served past it'));
        await copyByDma(device, page(0).start, page(2 * (size - 1)).start, 14);
        expect(pages.text(page(2 * (size - 1)), 14)).to.equal('served past it');
      });
    }

    it('of unmaps stop where one would cut a mapping, and leave the rest', async () => {
      way.openDevice();
      await way.target.mapDmaBatch([pages.request(page(0)), pages.request(page(4, 4)), pages.request(page(12))]);
      const stop = stopOf(await way.target.unmapDmaBatch([page(0), page(4, 2), page(12)]));
      expect(stop.done).to.equal(1);
      expect(stop.error.range?.equals(page(4, 2))).to.equal(true);
      // The first is gone: this would fail over it.
      await way.target.mapDma(pages.request(page(0)));
      expect(stopOf(await way.target.mapDmaBatch([pages.request(page(12))])).error.code).to.equal('EEXIST');
      expect(await way.target.unmapDmaBatch([page(0), page(4, 4), page(12), page(20)])).to.equal(undefined);
    });

    it('pass the limit of what can be reached as soon as a device has joined', function () {
      if (way.ioas === undefined) {
        // A container says what it can reach only once it has a group.
        way.openDevice();
      }
      const set = [pages.request(page(0)), pages.request(page(2), { range: MemoryRange.ofLength(0xfee00000n, 4096n) })];
      if (way.ioas !== undefined) {
        way.target.checkMaps(set);
        way.openDevice();
      }
      expect(() => {
        way.target.checkMaps(set);
      }).to.throw(/0xfee00000/);
    });
  });
}

describe('the BAR of another device in a set', () => {
  it('stops iommufd there, and nowhere else', async () => {
    using way = iommufd('va');
    // The mapped BAR keeps its device open.
    using pages = new Pages();
    const bar = way.openDevice(SECOND);
    way.openDevice();
    const range = MemoryRange.ofLength(0xe0000000n, bar.region(0).size);
    const backing = { mappable: bar, fileOffset: bar.region(0).offset };
    const what = { range, region: 'bar', type: 'device', writable: true } as const;
    const request = { ...what, ...backing, hostVa: pages.space.ensureMapped({ ...what, backing }) };

    const stop = stopOf(await way.target.mapDmaBatch([pages.request(page(0)), request, pages.request(page(2))]));
    expect(stop.done).to.equal(1);
    expect(stop.error).to.include({ code: 'EFAULT', region: 'bar' });
    expect(await way.target.mapDmaBatch([pages.request(page(2))])).to.equal(undefined);
  });
});

describe('large maps of several targets', () => {
  it('wait neither for each other nor for a thread of the pool', async () => {
    using pages = new Pages();
    const range = MemoryRange.ofLength(1n << 32n, 64n << 20n);
    using memfd = Memfd.create('large', range.length);
    const what = { range, region: 'large', type: 'ram', writable: true } as const;
    const backing = { mappable: memfd, fileOffset: 0n };
    const request = { ...what, ...backing, hostVa: pages.space.ensureMapped({ ...what, backing }) };
    using container = type1();
    container.openDevice();
    using ioas = iommufd('va');
    ioas.openDevice(SECOND);

    // Each thread of libuv's pool waits for somebody to write into the pipe.
    const folder = temporaryFolder('pipe-');
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const waiting = Array.from({ length: Number(process.env['UV_THREADPOOL_SIZE'] ?? 4) }, () => open(pipe, 'r'));

    const events: string[] = [];
    const served = [container, ioas].map(async ({ name, target }) => {
      events.push(`${name} begins`);
      await target.mapDma(request);
      events.push(`${name} ends`);
    });
    await Promise.all(served);
    expect(events.slice(0, 2)).to.deep.equal(['type1 begins', 'iommufd by va begins']);

    const writer = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
    await Promise.all((await Promise.all(waiting)).map((reader) => reader.close()));
    closeSync(writer);
    rmSync(folder, { recursive: true });
  });
});
