import { readSync, writeSync } from 'node:fs';
import { Memfd } from '../../binding/index.js';
import { MemoryRange, RegionManager } from '../../streams/index.js';
import { SoftIommuTarget } from '../../targets/index.js';
import { timedNow } from '../support/clock.js';
import type { Figure, Host, Measured, Question, Round, Samples } from '../support/question.js';
import { FigureMaker } from '../support/statistics.js';

const LENGTHS = [64, 4096, 65_536];
const TRANSFERS = 2000;
const SIZE = 1 << 20;
/** Other mappings of the IOMMU. */
const OTHERS = 1000;

export const softDma: Question = {
  name: 'soft-dma',
  title: 'DMA of a device through SoftIommuTarget',
  about:
    `Transfers into and out of a mapping of 1 MiB, among ${OTHERS.toLocaleString('en')} mappings of the software IOMMU. Baselines: the ` +
    'plain pread and pwrite of the memfd that each transfer uses.',

  hosts(quick: boolean): Host[] {
    return [{ name: 'soft-dma', parameters: {}, rounds: quick ? 3 : 15, warmUps: quick ? 1 : 4 }];
  },

  async setUp(): Promise<Measured> {
    const memfd = Memfd.create('bench', BigInt(SIZE));
    const target = await setUpTarget(memfd);
    const cases: Record<string, Round> = {};
    for (const length of LENGTHS) {
      const data = Buffer.alloc(length, 7);
      const offset = (index: number): number => (index * length) % (SIZE - length + 1);
      const every = (id: string, work: (at: number) => void): void => {
        cases[id] = () => {
          const taken = timedNow(() => {
            for (let index = 0; index < TRANSFERS; index++) {
              work(offset(index));
            }
          });
          return { [id]: taken / TRANSFERS };
        };
      };
      every(`soft-dma/read/${length}`, (at) => target.read(BigInt(at), length));
      every(`soft-dma/write/${length}`, (at) => target.write(BigInt(at), data));
      every(`soft-dma/pread/${length}`, (at) => readSync(memfd.fd, Buffer.allocUnsafe(length), 0, length, at));
      every(`soft-dma/pwrite/${length}`, (at) => writeSync(memfd.fd, data, 0, length, at));
    }
    return { cases };
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    return LENGTHS.flatMap((length) => {
      const of = `${length.toLocaleString('en')} bytes`;
      return [
        ...make.figure(`soft-dma/read/${length}`, `a device reads ${of}`, 'ns', {
          beside: { 'bare call': `soft-dma/pread/${length}` },
        }),
        ...make.figure(`soft-dma/write/${length}`, `a device writes ${of}`, 'ns', {
          beside: { 'bare call': `soft-dma/pwrite/${length}` },
        }),
        ...make.figure(`soft-dma/pread/${length}`, `pread of ${of}`, 'ns', { baseline: true }),
        ...make.figure(`soft-dma/pwrite/${length}`, `pwrite of ${of}`, 'ns', { baseline: true }),
      ];
    });
  },
};

async function setUpTarget(memfd: Memfd): Promise<SoftIommuTarget> {
  const manager = new RegionManager();
  const target = new SoftIommuTarget({ model: 'iommufd' });
  await manager.attach(target);
  const range = MemoryRange.ofLength(0n, 1n << 30n);
  const region = await manager.addRegion({ name: 'ram', range, type: 'ram' });
  await region.map({ writable: true });
  await manager.transaction((edit) => {
    const backing = { mappable: memfd, fileOffset: 0n };
    edit.addMapping(region, { rangeInRegion: MemoryRange.ofLength(0, SIZE), backing, writable: true });
    for (let index = 1; index < OTHERS; index++) {
      edit.addMapping(region, {
        rangeInRegion: MemoryRange.ofPages(512 + index * 2, 513 + index * 2),
        backing,
        writable: true,
      });
    }
  });
  return target;
}
