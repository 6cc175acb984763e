import { expect } from 'chai';
import { AddressSpace, Memfd } from '../../binding/index.js';
import type { IommufdTarget, VfioType1Target } from '../../targets/index.js';
import { checkTarget } from '../../testing/index.js';
import { FIRST, SECOND, ways, type Way } from './support/machine.js';

/** The interrupt window of x86, which no IOMMU maps. */
const REFUSED = '0xfee00000-0xfee01000';

/** The ways that are open, each with a device. Two targets are open at a time in the checks of concurrency. */
const open = new Map<VfioType1Target | IommufdTarget, { readonly way: Way; readonly device: string }>();

/** Makes a target with a device behind it, so that the kernel pins the memory and knows the addresses of the IOMMU. */
function openTarget(make: () => Way): VfioType1Target | IommufdTarget {
  const device = [FIRST, SECOND].find((address) => ![...open.values()].some((one) => one.device === address));
  if (device === undefined) {
    throw new Error('both devices are in use: a target was not closed');
  }
  const way = make();
  open.set(way.target, { way, device });
  way.openDevice(device);
  return way.target;
}

function closeTarget(target: VfioType1Target | IommufdTarget): void {
  open.get(target)?.way.close();
  open.delete(target);
}

for (const make of ways()) {
  const way = make();
  const { name } = way;
  way.close();

  describe(`${name} keeps the contract of DmaTarget, with real memory and a device`, () => {
    const checks = checkTarget(() => openTarget(make), {
      mappable: () => Memfd.create('memory of the checks', 64n << 12n),
      vaMapper: () => new AddressSpace({ size: 1n << 40n }),
      refused: REFUSED,
      close: closeTarget,
    });

    afterEach('every target is closed', () => {
      expect(open.size).to.equal(0);
    });

    it('has a check of each subject', () => {
      expect(checks.length).to.be.greaterThan(30);
    });

    for (const { name: title, run } of checks) {
      it(title, run);
    }
  });
}
