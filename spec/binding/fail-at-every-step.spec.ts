import { writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { AddressSpace, type MappedMemory, Memfd } from '../../binding/index.js';
import { readHostVa } from '../../binding/memory/host-va.js';
import { DmaError, type DmaMapRequest } from '../../streams/index.js';
import { checkLastingFault, checkOneFault, forEveryCall } from '../streams/support/fault-checks.js';
import { OPERATIONS } from '../streams/support/fault-operations.js';
import type { World } from '../streams/support/fault-scene.js';
import { FaultPlan, FaultyTarget } from '../streams/support/faults.js';
import { FaultyNative } from '../support/faulty-native.js';
import { WatchedSpace } from '../support/watched-space.js';
import { memfdAreas, openDescriptors } from './support/descriptors.js';
import { ram } from './support/changes.js';
import { MAPPERS } from './support/mappers.js';

/** A target that looks at the memory that it is given: the page of the file that the map names must be there. */
class LookingTarget extends FaultyTarget {
  override mapDma(request: DmaMapRequest): void | Promise<void> {
    const { range, hostVa, mappable, fileOffset } = request;
    if (hostVa !== undefined) {
      const found = readHostVa(hostVa, 0n, 8).readBigUInt64LE();
      if (found !== (mappable === undefined ? 0n : fileOffset)) {
        this.violations.push(`map ${range.toString()} came with a VA at which there is 0x${found.toString(16)}`);
      }
    }
    return super.mapDma(request);
  }
}

for (const mapper of MAPPERS) {
  describe(`failing at every step, with real memory: ${mapper.name}`, function () {
    this.timeout(120_000);
    let memfd: Memfd;
    let spaces: WatchedSpace[];
    let injected: FaultyNative | undefined;
    let failed: Set<string>;
    let descriptors: number;
    let reserved: number;

    const world: World = {
      get file() {
        return memfd;
      },
      vaMapper(plan, batches) {
        injected?.[Symbol.dispose]();
        spaces.pop()?.space.close();
        const watched = new WatchedSpace(mapper.make(), batches !== undefined);
        spaces.push(watched);
        injected = new FaultyNative(plan, { failed });
        return watched;
      },
      target: (...args) => new LookingTarget(...args),
    };

    beforeEach(() => {
      descriptors = openDescriptors();
      reserved = memfdAreas('dma-streams').length;
      memfd = Memfd.create('every-step', 0x100000n);
      for (let offset = 0; offset < 0x100000; offset += 0x1000) {
        const page = Buffer.alloc(8);
        page.writeBigUInt64LE(BigInt(offset));
        writeSync(memfd.fd, page, 0, 8, offset);
      }
      spaces = [];
      failed = new Set();
    });

    afterEach(() => {
      injected?.[Symbol.dispose]();
      injected = undefined;
      spaces.pop()?.space.close();
      memfd.close();
      expect(openDescriptors()).to.equal(descriptors);
      expect(memfdAreas('every-step')).to.deep.equal([]);
      expect(memfdAreas('dma-streams')).to.have.length(reserved);
    });

    for (const [name, operation] of Object.entries(OPERATIONS)) {
      for (const targets of [1, 2, 3]) {
        for (const [reply, batches] of [
          ['sync', undefined],
          ['async', undefined],
          ['sync', 'sync'],
        ] as const) {
          const how = batches === undefined ? '' : ', addresses in batches';
          it(`${name}: call 0, 1, 2 … of a target or of native code fails, with ${targets} ${reply} targets${how}`, async () => {
            const setting = { targets, reply, va: 'all', ...(batches === undefined ? {} : { batches }) } as const;
            await forEveryCall(setting, operation, false, operation.mends ? checkLastingFault : checkOneFault, world);
            await forEveryCall(setting, operation, true, checkLastingFault, world);
          });
        }
      }
    }

    it('the functions that make and end addresses are among those that fail', async () => {
      const ten = OPERATIONS['transaction of ten mixed changes'];
      if (ten === undefined) {
        throw new Error('there is no such operation');
      }
      await forEveryCall({ targets: 1, reply: 'sync', va: 'all' }, ten, false, checkOneFault, world);
      expect(failed).to.include.keys('addressSpaceMap', 'addressSpaceRelease');
      await forEveryCall({ targets: 1, reply: 'sync', va: 'all', batches: 'sync' }, ten, false, checkOneFault, world);
      expect(failed).to.include.keys('addressSpaceMapRows', 'addressSpaceReleaseRows');
    });
  });
}

/** What makes or uses a native object: each native call in it fails in turn. */
const uses: Readonly<Record<string, (given: { memfd: Memfd; space: MappedMemory }) => unknown>> = {
  'Memfd.create': () => Memfd.create('step', 0x10000n),
  'Memfd.from': ({ memfd }) => Memfd.from(memfd.fd, 'step'),
  'new AddressSpace': () => new AddressSpace({ size: 1n << 40n }),
  ensureMapped: ({ memfd, space }) => {
    space.ensureMapped(ram(0x4000, 0x8000, memfd));
    space.release(ram(0x4000, 0x8000).range);
  },
  read: ({ space }) => space.read(0n, 0x1000),
  write: ({ space }) => {
    space.write(0n, Buffer.from('x'));
  },
  view: ({ space }) => space.view(ram(0, 0x1000).range),
  'Memfd.size': ({ memfd }) => {
    using copy = Memfd.from(memfd.fd, 'copy');
    expect(copy.size).to.equal(0x10000n);
  },
};

describe('failing at every native call', () => {
  for (const mapper of MAPPERS) {
    for (const [name, use] of Object.entries(uses)) {
      it(`of ${name}: an error, and no descriptor or memory left behind: ${mapper.name}`, async () => {
        for (let number = 0; ; number++) {
          const descriptors = openDescriptors();
          const reserved = memfdAreas('dma-streams').length;
          using memfd = Memfd.create('given', 0x10000n);
          using space = mapper.make();
          space.ensureMapped(ram(0, 0x1000, memfd));
          const plan = new FaultPlan();
          let made: unknown;
          let error: unknown;
          const injected = new FaultyNative(plan);
          plan.arm(number, false);
          try {
            made = use({ memfd, space });
          } catch (thrown) {
            error = thrown;
          } finally {
            injected[Symbol.dispose]();
          }
          if (made !== undefined && made !== null && typeof made === 'object' && Symbol.dispose in made) {
            (made as Disposable)[Symbol.dispose]();
          }
          expect(space.read(0n, 1)).to.have.length(1);
          space.close();
          memfd.close();
          await turn(); // Views are known to be empty by then, and what they held on to is let go.
          expect(openDescriptors()).to.equal(descriptors);
          expect(memfdAreas('step')).to.deep.equal([]);
          expect(memfdAreas('dma-streams')).to.have.length(reserved);
          if (!plan.struck) {
            expect(error).to.equal(undefined);
            expect(number).to.be.above(0);
            return;
          }
          if (error !== undefined) {
            expect(error).to.be.instanceOf(DmaError).and.include({ code: 'ENOMEM' });
          } else {
            // What a file is that was taken over is looked at for a better message alone: if that fails, the kernel says it later.
            expect(name).to.be.oneOf(['Memfd.from', 'Memfd.size']);
          }
        }
      });
    }
  }
});
