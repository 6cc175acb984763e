import { expect } from 'chai';
import { RegionManager, RegionOverlapError } from '../../streams/index.js';
import { parseFlatViews } from '../../sources/flat-view.js';
import { expectFlatView, FollowedManager } from './judge.js';
import { addByBytes } from './judged-manager.js';
import { MACHINES, MOMENTS, recorded } from './machines.js';
import { addressSpacesOf, memoryOf } from './recording.js';
import { parseRegionTrees } from '../../sources/region-tree.js';

/**
 * QEMU prints the regions of a machine (`info mtree`) and what it makes of them (`info mtree -f`). A manager is given the regions, and must make the
 * same of them. Two facts are not in the former, and are taken from the latter: whether an alias is read-only, and whether a region of the kind `i/o`
 * has bytes of its own or is a container.
 */
describe('the memory maps of QEMU, as recorded', () => {
  for (const { name, firmwareChangesMap } of MACHINES) {
    const [before, after] = [recorded(name, 'before'), recorded(name, 'after')];
    for (const moment of MOMENTS) {
      for (const space of addressSpacesOf(recorded(name, moment))) {
        it(`${name}, ${moment} firmware: '${space.name}' is the flat view of QEMU, to the byte`, async () => {
          await expectFlatView(space);
        });
      }
    }

    it(`${name}: targets hold the memory of the flat view, and are called for differences alone`, async () => {
      expect(before.flat !== after.flat).to.equal(firmwareChangesMap);
      await using followed = new FollowedManager();
      await followed.attach();
      await followed.becomeAtOnce(memoryOf(before));
      await followed.becomeAtOnce(memoryOf(after));
      await followed.becomeAtOnce(memoryOf(before));
    });

    it(`${name}: targets hold the memory of the flat view after commands for single regions`, async () => {
      await using followed = new FollowedManager();
      await followed.attach();
      await followed.becomeOneByOne(memoryOf(before));
      await followed.becomeOneByOne(memoryOf(after));
      await followed.becomeOneByOne(memoryOf(before));
    });

    it(`${name}: the regions are refused where the higher one has to contain the lower one`, async () => {
      await using manager = new RegionManager();
      const opaque = memoryOf(after).regions.filter(({ isContainer }) => !isContainer);
      const add = manager.transaction((edit) => addByBytes(edit, opaque));
      const error: unknown = await add.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(RegionOverlapError);
    });
  }

  it('are of the size of a real machine', () => {
    const sizes = MACHINES.flatMap(({ name }) => MOMENTS.map((moment) => memoryOf(recorded(name, moment))));
    for (const { regions, sections } of sizes) {
      expect(regions.length).to.be.at.least(15);
      expect(sections.length).to.be.at.least(10);
    }
  });
});

describe('the text of info mtree', () => {
  it('is refused with the number of a line that is not understood', () => {
    expect(() => parseFlatViews('FlatView #0\n  nonsense\n')).to.throw("line 2 of 'info mtree -f'");
    expect(() => parseRegionTrees('address-space: memory\n  nonsense\n')).to.throw("line 2 of 'info mtree'");
  });
});
