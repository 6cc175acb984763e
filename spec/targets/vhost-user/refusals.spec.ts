import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Memfd } from '../../../binding/index.js';
import { native } from '../../../binding/native.js';
import { DmaMapError, RegionManager, type DmaMapRequest, type Mappable } from '../../../streams/index.js';
import type { VhostUserTargetOptions } from '../../../targets/index.js';
import { eachWithBench, failure, held, pagesAt, TABLE, type VhostUserBench } from './support/bench.js';
import { temporaryFolder } from '../../../lab/temporary-folder.js';

const F_SEAL_WRITE = 0x0008;
const F_SEAL_FUTURE_WRITE = 0x0010;

interface Row {
  readonly code: string;
  readonly text: string;
  readonly request: (bench: VhostUserBench) => DmaMapRequest;
  readonly options?: VhostUserTargetOptions;
  /** Whether `checkMaps` lets it pass, because the library skips it when it fails. Default: both refuse it. */
  readonly isSoft?: boolean;
}

/** What is refused, by its name. */
const ROWS: Readonly<Record<string, Row>> = {
  'a pipe': { code: 'EINVAL', text: 'not in a regular file', request: (bench) => withFile(bench, pipe(bench)) },
  'a device': {
    code: 'EINVAL',
    text: 'not in a regular file',
    request: (bench) => withFile(bench, opened(bench, '/dev/zero', 'r+')),
  },
  'a file that is open for reading only': {
    code: 'EACCES',
    text: 'O_RDWR',
    request: (bench) => withFile(bench, onDisk(bench, constants.O_RDONLY)),
  },
  'a file that is open for writing only': {
    code: 'EACCES',
    text: 'O_RDWR',
    request: (bench) => withFile(bench, onDisk(bench, constants.O_WRONLY)),
  },
  'a memfd sealed against writing': {
    code: 'EPERM',
    text: 'F_SEAL_WRITE',
    request: (bench) => withFile(bench, sealed(bench, F_SEAL_WRITE)),
  },
  'a memfd sealed against future writing': {
    code: 'EPERM',
    text: 'F_SEAL_FUTURE_WRITE',
    request: (bench) => withFile(bench, sealed(bench, F_SEAL_FUTURE_WRITE)),
  },
  'more than the file has': {
    code: 'ERR_BEYOND_FILE',
    text: 'ends at 8192',
    request: (bench) => ({ ...bench.request(0, 2), fileOffset: 4096n }),
  },
  'a part of a page more than the file has': {
    code: 'ERR_BEYOND_FILE',
    text: 'ends at 4097',
    request: (bench) => withFile(bench, onDisk(bench, constants.O_RDWR, 4097), 2),
  },
  'an offset within a page': {
    code: 'EINVAL',
    text: 'file offset 2048',
    request: (bench) => ({ ...bench.request(0, 1, { mappable: bench.memfd() }), fileOffset: 2048n }),
  },
  'a negative offset': {
    code: 'EINVAL',
    text: 'file offset -4096',
    request: (bench) => ({ ...bench.request(0, 1, { mappable: bench.memfd() }), fileOffset: -4096n }),
  },
  'addresses whose token would wrap at 2^64': {
    code: 'EINVAL',
    text: 'too high',
    request: (bench) => bench.request(2 ** 52 - 2 ** 32, 1),
  },
  'addresses that end at 2^64': {
    code: 'EINVAL',
    text: 'too high',
    request: (bench) => bench.request(2 ** 52 - 1, 1),
  },
  'a Memfd that is closed': {
    code: 'ERR_CLOSED',
    text: 'is closed',
    request: (bench) => {
      const request = bench.request(0);
      (request.mappable as Memfd).close();
      return request;
    },
  },
  'a descriptor that is not open': {
    code: 'EBADF',
    text: 'cannot examine file descriptor',
    request: (bench) => withFile(bench, { fd: 1_000_000, label: 'nothing' }),
  },
  'private memory': {
    code: 'ERR_NO_FD',
    text: 'private memory has none',
    request: (bench) => {
      const { range, region, type, writable } = bench.request(0);
      return { range, region, type, writable, fileOffset: 0n };
    },
  },
  'what overlaps a map': { code: 'EEXIST', text: 'overlaps', request: (bench) => bench.request(1001, 2) },
  'read-only memory, by option': {
    code: 'EOPNOTSUPP',
    text: 'no read-only memory',
    options: { readOnly: 'refuse' },
    request: (bench) => bench.request(0, 1, { writable: false }),
  },
  'memory of a device': {
    code: 'EOPNOTSUPP',
    text: "device: 'share'",
    isSoft: true,
    request: (bench) => bench.request(0, 1, { type: 'device' }),
  },
  'memory of a device that is no regular file': {
    code: 'EINVAL',
    text: 'not in a regular file',
    isSoft: true,
    options: { device: 'share' },
    request: (bench) => ({ ...withFile(bench, opened(bench, '/dev/zero', 'r+')), type: 'device' }),
  },
};

describe('VhostUserTarget refuses before anything is sent', () => {
  const bench = eachWithBench();

  for (const [what, { code, text, request, options = {}, isSoft = false }] of Object.entries(ROWS)) {
    for (const [mode, backEndOptions] of Object.entries({ slots: {}, 'a table': TABLE })) {
      it(`${what} (${mode})`, async () => {
        const { backEnd, target } = await bench.attached(backEndOptions, options);
        await target.mapDma(bench.request(1002, 2));
        backEnd.takeRequests();
        const refused = request(bench);
        const error = await failure(target.mapDma(refused));
        expect(error).to.include({ code, target: 'disk', region: 'ram', range: refused.range });
        expect(`${error.message} ${String(error.hint)}`).to.contain(text);
        expect(error.hint).to.not.equal(undefined);
        if (isSoft) {
          target.checkMaps([refused]);
        } else {
          const early = await failure(() => target.checkMaps([bench.request(500), refused, bench.request(504)]));
          expect(early).to.include({ code, range: refused.range });
          expect(early.message).to.equal(error.message);
        }
        // The back end is asked something else, and has got nothing else.
        await target.unmapDma(pagesAt(0));
        expect(backEnd.takeRequests()).to.deep.equal([]);
        const stop = await target.mapDmaBatch([bench.request(504), refused, bench.request(506)]);
        expect(stop).to.include({ done: 1 });
        expect(target.mappedRanges().map(String)).to.deep.equal(['0x1f8000-0x1f9000', '0x3ea000-0x3ec000']);
        expect(held(backEnd)).to.deep.equal(['0x1f8000-0x1f9000', '0x3ea000-0x3ec000']);
      });
    }
  }

  for (const [mode, options, most] of [
    ['slots', { slots: 12 }, 12],
    ['a table', TABLE, 8],
  ] as const) {
    it(`one region more than the back end takes (${mode})`, async () => {
      const { backEnd, target } = await bench.attached(options);
      expect(target.maxMaps).to.equal(most);
      const manager = new RegionManager();
      const attachment = await manager.attach(target);
      await bench.plug(manager, 1000);
      const ram = await manager.addRegion({ name: 'ram', range: pagesAt(0, 100), type: 'ram' });
      await ram.map({ writable: true });
      const fill = (count: number): Promise<void> =>
        manager.transaction((edit) => {
          for (let index = 0; index < count; index++) {
            const backing = { mappable: bench.memfd(1), fileOffset: 0n };
            edit.addMapping(ram, { rangeInRegion: pagesAt(2 * index), backing, writable: true });
          }
        });
      backEnd.takeRequests();
      const error = await failure(fill(most));
      expect(error).to.be.instanceOf(DmaMapError);
      expect(error).to.include({ code: 'ENOSPC' });
      expect(error.range?.startPage).to.equal(2 * (most - 1));
      expect(error.message).to.contain(`takes ${most} regions`);
      expect(backEnd.takeRequests()).to.deep.equal([]);
      await fill(most - 1);
      expect(backEnd.regions).to.have.length(most);
      expect(await failure(target.mapDma(bench.request(2000)))).to.include({ code: 'ENOSPC' });
      expect(await attachment.verify()).to.deep.equal([]);
      await ram.unmap();
      expect(held(backEnd)).to.deep.equal(['0x3e8000-0x3e9000']);
    });
  }

  it('maps that overlap within a batch', async () => {
    const { backEnd, target } = await bench.attached();
    const stop = await target.mapDmaBatch([bench.request(0, 2), bench.request(1)]);
    expect(stop?.done).to.equal(1);
    expect(stop?.error).to.include({ code: 'EEXIST' });
    expect(held(backEnd)).to.deep.equal(['0x0-0x2000']);
  });

  it('to unmap a part of a map', async () => {
    const { backEnd, target } = await bench.attached();
    await target.mapDma(bench.request(0, 4));
    await target.mapDma(bench.request(8));
    expect(await failure(target.unmapDma(pagesAt(0, 2)))).to.include({ code: 'EINVAL' });
    const stop = await target.unmapDmaBatch([pagesAt(8), pagesAt(1), pagesAt(0, 4)]);
    expect(stop?.done).to.equal(1);
    expect(stop?.error).to.include({ code: 'EINVAL' });
    expect(held(backEnd)).to.deep.equal(['0x0-0x4000']);
  });

  it('a request that is malformed', async () => {
    const { backEnd, target } = await bench.attached();
    const wrong = [
      undefined,
      null,
      5,
      {},
      { ...bench.request(0), writable: 1 },
      { ...bench.request(0), range: '0x0-0x1000' },
    ];
    for (const request of wrong) {
      const error: unknown = await target.mapDma(request as DmaMapRequest).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(TypeError);
      expect((error as TypeError).message)
        .to.match(/request/)
        .and.not.to.contain('Cannot read');
    }
    expect(backEnd.takeRequests()).to.deep.equal([]);
  });
});

function withFile(bench: VhostUserBench, mappable: Mappable, pages = 1): DmaMapRequest {
  return bench.request(0, pages, { mappable });
}

function opened(bench: VhostUserBench, path: string, flags: string | number): Mappable {
  const fd = openSync(path, flags);
  bench.closeLater({
    close() {
      closeSync(fd);
    },
  });
  return { fd, label: path };
}

function pipe(bench: VhostUserBench): Mappable {
  const path = join(folderOf(bench), 'fifo');
  execFileSync('mkfifo', [path]);
  return opened(bench, path, constants.O_RDWR);
}

function onDisk(bench: VhostUserBench, flags: number, size = 0x10000): Mappable {
  const path = join(folderOf(bench), 'file');
  writeFileSync(path, '');
  truncateSync(path, size);
  return opened(bench, path, flags);
}

function folderOf(bench: VhostUserBench): string {
  const folder = temporaryFolder('refusals-');
  bench.closeLater({
    close() {
      rmSync(folder, { recursive: true });
    },
  });
  return folder;
}

function sealed(bench: VhostUserBench, seals: number): Mappable {
  const file = native().memfdCreate('sealed', 2);
  if (typeof file === 'number') {
    throw new Error(`memfd_create: ${file}`);
  }
  native().fileTruncate(file, 0x10000n);
  expect(native().fileSeal(file, seals)).to.equal(0);
  bench.closeLater({
    close() {
      native().fileClose(file);
    },
  });
  return { fd: native().fileFd(file), label: 'sealed' };
}
