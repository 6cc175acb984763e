import { AddressSpace, Memfd } from '../../binding/index.js';
import { native } from '../../binding/native.js';
import { MemoryRange, RegionManager, type MapChange } from '../../streams/index.js';
import { timed, timedNow } from '../support/clock.js';
import { idleTarget } from '../support/idle-target.js';
import { buildNative, NativeProgram } from '../support/native-program.js';
import type { Figure, Host, Measured, Question, Round, Samples } from '../support/question.js';
import { FigureMaker } from '../support/statistics.js';

/** Held at the same time. Each is a memory area of the process, of which Linux allows 65,530 by default. */
const MAPPINGS = 2048;
const SET = 64;

export const va: Question = {
  name: 'va',
  title: 'host virtual addresses',
  about:
    `${MAPPINGS.toLocaleString('en')} pages of a memfd are mapped at fixed addresses in an address space, then released: by ensureMapped and ` +
    'release, by the addon functions that these call, by a C++ loop of mmap, and as part of a command, at a target that needs the addresses.',

  hosts(quick: boolean): Host[] {
    return [{ name: 'va', parameters: {}, rounds: quick ? 3 : 21, warmUps: quick ? 1 : 5 }];
  },

  async setUp(): Promise<Measured> {
    const memfd = Memfd.create('bench', BigInt(MAPPINGS) * 8192n);
    const cases: Record<string, Round> = {
      space: throughSpace(memfd),
      addon: throughAddon(memfd),
      pipeline: await throughPipeline(memfd),
    };
    try {
      const program = new NativeProgram(buildNative('map_loop'));
      cases['C++'] = async () => {
        const [mapped = NaN, released = NaN] = await program.ask(`memory ${MAPPINGS}`);
        return { 'va/loop/map': mapped, 'va/loop/release': released };
      };
      return { cases };
    } catch (error) {
      return { cases, warnings: [error instanceof Error ? error.message : String(error)] };
    }
  },

  figures(samples: Samples): Figure[] {
    const make = new FigureMaker(samples);
    const beside = (what: string): Readonly<Record<string, string>> => ({
      'addon call': `va/addon/${what}`,
      'C++ mmap': `va/loop/${what}`,
    });
    const baseline = { baseline: true };
    return [
      ...make.figure('va/space/map', 'AddressSpace.ensureMapped', 'ns', { beside: beside('map') }),
      ...make.figure('va/space/release', 'AddressSpace.release', 'ns', { beside: beside('release') }),
      ...make.figure('va/pipeline/map', `a mapping added, in sets of ${SET}, its address made`, 'ns', {
        beside: beside('map'),
      }),
      ...make.figure('va/pipeline/release', `a mapping removed, in sets of ${SET}, its address released`, 'ns', {
        beside: beside('release'),
      }),
      ...make.figure('va/addon/map', "the addon's own function, map", 'ns', baseline),
      ...make.figure('va/addon/release', "the addon's own function, release", 'ns', baseline),
      ...make.figure('va/loop/map', 'a C++ loop of mmap, map', 'ns', baseline),
      ...make.figure('va/loop/release', 'a C++ loop of mmap, release', 'ns', baseline),
    ];
  },
};

/** Every second page, so that the kernel does not merge them. */
const ranges = Array.from({ length: MAPPINGS }, (_, index) => MemoryRange.ofPages(index * 2, index * 2 + 1));

function throughSpace(memfd: Memfd): Round {
  const space = new AddressSpace({ size: 1n << 32n });
  return () => {
    const mapped = timedNow(() => {
      for (const range of ranges) {
        const backing = { mappable: memfd, fileOffset: range.start };
        const change: MapChange = { range, region: 'ram', type: 'ram', writable: true, backing };
        space.ensureMapped(change);
      }
    });
    const released = timedNow(() => {
      for (const range of ranges) {
        space.release(range);
      }
    });
    return { 'va/space/map': mapped / MAPPINGS, 'va/space/release': released / MAPPINGS };
  };
}

function throughAddon(memfd: Memfd): Round {
  const space = native().addressSpaceReserve(1n << 32n);
  if (typeof space === 'number') {
    throw new Error(`no address space: ${space}`);
  }
  const check = (result: number): void => {
    if (result < 0) {
      throw new Error(`the addon answers ${result}`);
    }
  };
  return () => {
    const mapped = timedNow(() => {
      for (const { startPage, endPage, start } of ranges) {
        check(native().addressSpaceMap(space, startPage, endPage, memfd.fd, start, true, 'dma-streams ram', 1));
      }
    });
    const released = timedNow(() => {
      for (const { startPage, endPage } of ranges) {
        check(native().addressSpaceRelease(space, startPage, endPage));
      }
    });
    return { 'va/addon/map': mapped / MAPPINGS, 'va/addon/release': released / MAPPINGS };
  };
}

async function throughPipeline(memfd: Memfd): Promise<Round> {
  const manager = new RegionManager({ vaMapper: new AddressSpace({ size: 1n << 32n }) });
  const range = MemoryRange.ofLength(0n, 1n << 32n);
  const region = await manager.addRegion({ name: 'ram', range, type: 'ram' });
  await region.map({ writable: true });
  await manager.attach(idleTarget('idle', { needsVa: true }));
  const inSets = async (work: (set: readonly MemoryRange[]) => Promise<unknown>): Promise<number> =>
    timed(async () => {
      for (let start = 0; start < MAPPINGS; start += SET) {
        await work(ranges.slice(start, start + SET));
      }
    });
  return async () => {
    const mapped = await inSets((set) =>
      manager.transaction((edit) => {
        for (const rangeInRegion of set) {
          const backing = { mappable: memfd, fileOffset: rangeInRegion.start };
          edit.addMapping(region, { rangeInRegion, backing, writable: true });
        }
      }),
    );
    const released = await inSets((set) =>
      manager.transaction((edit) => {
        for (const rangeInRegion of set) {
          edit.removeMappings(region, rangeInRegion);
        }
      }),
    );
    return { 'va/pipeline/map': mapped / MAPPINGS, 'va/pipeline/release': released / MAPPINGS };
  };
}
