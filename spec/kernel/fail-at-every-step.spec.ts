import { expect } from 'chai';
import { AddressSpace, Memfd, type Ioas } from '../../binding/index.js';
import { IommufdTarget, VfioType1Target } from '../../targets/index.js';
import { checkLastingFault, checkOneFault, forEveryCall } from '../streams/support/fault-checks.js';
import { OPERATIONS } from '../streams/support/fault-operations.js';
import type { World } from '../streams/support/fault-scene.js';
import { FaultyTarget } from '../streams/support/faults.js';
import { texts } from '../streams/support/phrases.js';
import { FaultyNative } from '../support/faulty-native.js';
import { WatchedSpace } from '../support/watched-space.js';
import { pinnedKilobytes, unmapInKernel } from './support/accounts.js';
import { FIRST, iommufd, mapsFiles, SECOND, type1, type Way } from './support/machine.js';

/** Emulated devices are slow, and what the others do is played on fakes: those of which the kernel sees most. */
const PLAYED = ['map', 'attach', 'detach', 'transaction of ten mixed changes', 'close'];

for (const by of ['type1', 'va', ...(mapsFiles() ? (['file'] as const) : [])] as const) {
  const make = (): Way => (by === 'type1' ? type1() : iommufd(by));

  describe(`failing at every step, with ${by === 'type1' ? by : `iommufd by ${by}`}`, function () {
    this.timeout(300_000);
    let memfd: Memfd;
    let space: AddressSpace;
    let ways: readonly Way[];
    let injected: FaultyNative | undefined;
    let failed: Set<string>;
    const behind = new Map<FaultyTarget, VfioType1Target | IommufdTarget>();

    const world: World = {
      get file() {
        return memfd;
      },
      vaMapper(plan) {
        injected?.[Symbol.dispose]();
        behind.clear();
        injected = new FaultyNative(plan, { failed });
        return new WatchedSpace(space);
      },
      target(plan, va, options) {
        // One for each way: two targets cannot map the same addresses in one container.
        const way = ways[behind.size];
        if (way === undefined) {
          throw new Error('there are two devices');
        }
        const name = options.name ?? '';
        const target =
          way.container === undefined
            ? new IommufdTarget(way.ioas as Ioas, { name, by: by === 'file' ? by : 'va' })
            : new VfioType1Target(way.container, { name });
        // Whole sets are not checked beforehand: the kernel is to refuse them, in the middle.
        const inner = {
          name: target.name,
          mapDma: target.mapDma.bind(target),
          unmapDma: target.unmapDma.bind(target),
        };
        const faulty = new FaultyTarget(plan, va, { ...options, needsVa: true, inner });
        behind.set(faulty, target);
        return faulty;
      },
      check(target) {
        const inner = behind.get(target);
        if (inner !== undefined && 'mappedCount' in inner) {
          // It does not know how many, when the kernel could not be asked at first.
          const count = inner.mappedCount() ?? target.held().length;
          expect(count, 'entries of the container').to.equal(target.held().length);
        } else {
          expect(texts(inner?.mappedRanges() ?? [])).to.deep.equal(texts(target.held()));
        }
      },
    };

    before(() => {
      memfd = Memfd.create('every-step', 0x100000n);
      space = new AddressSpace({ size: 1n << 32n });
      ways = [make(), make()];
      ways[0]?.openDevice(FIRST);
      ways[1]?.openDevice(SECOND);
      failed = new Set();
    });

    afterEach(() => {
      injected?.[Symbol.dispose]();
      for (const way of ways) {
        expect(unmapInKernel(way, []), 'what the kernel has left').to.deep.equal([0n]);
      }
      expect(pinnedKilobytes()).to.deep.equal([0, 0]);
    });

    after(() => {
      ways.forEach((way) => {
        way.close();
      });
      space.close();
      memfd.close();
      expect(
        [...failed].some((one) => one.endsWith('Runner')),
        'calls of the IOMMU were made to fail',
      ).to.equal(true);
    });

    for (const name of PLAYED) {
      const operation = OPERATIONS[name];
      if (operation === undefined) {
        throw new Error(`there is no operation "${name}"`);
      }
      it(`${name}: call 0, 1, 2 … fails: all is as before, or as after, in the kernel too`, async () => {
        await forEveryCall({ targets: 1, reply: 'sync', va: 'all' }, operation, false, checkOneFault, world);
      });
    }

    it('every call from 0, 1, 2 … on fails: heal() mends it, in the kernel too', async () => {
      const operation = OPERATIONS['transaction of ten mixed changes'];
      if (operation !== undefined) {
        await forEveryCall({ targets: 1, reply: 'sync', va: 'all' }, operation, true, checkLastingFault, world);
      }
    });
  });
}
