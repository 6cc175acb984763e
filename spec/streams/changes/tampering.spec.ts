import { expect } from 'chai';
import { map } from 'rxjs';
import { MemoryRange, toTarget, type ChangeSet, type MapChange } from '../../../streams/index.js';
import { addRegion, mapping, range, viewOf } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

/** Writes into everything that it is shown; what refuses that, refuses it. */
function tamper(set: ChangeSet): void {
  const quietly = (write: () => void): void => {
    try {
      write();
    } catch (error) {
      expect(error).to.be.instanceOf(TypeError);
    }
  };
  for (const change of [...set.maps] as { -readonly [Key in keyof MapChange]: MapChange[Key] }[]) {
    quietly(() => (change.range = MemoryRange.of(0x9000, 0xa000)));
    quietly(() => (change.writable = false));
    quietly(() => Object.assign(change.backing as object, { fileOffset: 0x77000n }));
  }
  quietly(() => ((set.maps as MapChange[]).length = 0));
}

describe('RegionManager: a subscriber that writes to published objects', () => {
  for (const when of ['in the snapshot', 'in a later change set'] as const) {
    it(`does not change the state of the manager, or what others receive (${when})`, async () => {
      const stage = new Stage();
      const target = stage.target();
      const region = await addRegion(stage.manager, 0x0, 0x10000);
      if (when === 'in a later change set') {
        stage.manager.changes().subscribe(tamper);
      }
      await region.addMapping(mapping(0x0, 0x1000));
      await region.addMapping(mapping(0x2000, 0x3000));
      stage.manager.changes().subscribe(tamper);
      expect(viewOf(stage.manager)).to.deep.equal(['0x0-0x1000 rw', '0x2000-0x3000 rw']);
      await stage.manager.attach(target);
      await region.removeMappings(range(0x2000, 0x3000));
      expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw', 'map 0x2000-0x3000 rw', 'unmap 0x2000-0x3000']);
    });
  }

  it('as an operator in a branch, changes only that branch', async () => {
    const stage = new Stage();
    const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000)] });
    await stage.manager.attach((changes$) =>
      changes$.pipe(
        map((set) => {
          tamper(set);
          return set;
        }),
        toTarget(stage.target({ name: 'tampered' })),
      ),
    );
    const target = stage.target();
    await stage.manager.attach(target);
    expect(target.calls).to.deep.equal(['map 0x0-0x1000 rw']);
    expect(viewOf(stage.manager)).to.deep.equal(['0x0-0x1000 rw']);
    await region.remove();
  });
});
