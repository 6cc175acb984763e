import { expect } from 'chai';
import type { RecordingTarget } from '../../../testing/index.js';
import { addRegion, mapping, range } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

describe('RegionManager: the unmaps of a target', () => {
  let stage: Stage;
  let superset: RecordingTarget;
  let exact: RecordingTarget;

  beforeEach(async () => {
    stage = new Stage();
    superset = stage.target({ name: 'superset' });
    exact = stage.target({ name: 'exact', unmapShape: 'exact' });
    await stage.manager.attach(superset);
    await stage.manager.attach(exact);
  });

  afterEach(() => {
    // Also: no unmap cut a map, and no unmap of the exact target was anything but one map.
    stage.expectContractsKept();
  });

  function takeCalls(): { superset: string[]; exact: string[] } {
    return { superset: superset.takeCalls(), exact: exact.takeCalls() };
  }

  const mappings = [mapping(0x0, 0x1000), mapping(0x4000, 0x6000), mapping(0xf000, 0x10000)];
  const oneByOne = ['unmap 0x0-0x1000', 'unmap 0x4000-0x6000', 'unmap 0xf000-0x10000'];

  it('are one call over the range of a hidden region, or one for each map when the target is exact', async () => {
    const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings });
    takeCalls();
    await region.unmap();
    expect(takeCalls()).to.deep.equal({ superset: ['unmap 0x0-0x10000'], exact: oneByOne });
  });

  it('are one call for each mapping that is removed from a region', async () => {
    const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings });
    takeCalls();
    await region.removeMappings(range(0x0, 0x10000));
    expect(takeCalls()).to.deep.equal({ superset: oneByOne, exact: oneByOne });
  });

  it('are one call for each map when another mapping inside the range of the hidden region stays', async () => {
    const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings });
    takeCalls();
    await stage.manager.transaction((edit) => {
      edit.unmap(region);
      const heir = edit.addRegion({ name: 'heir', range: range(0x0, 0x20000), type: 'ram', priority: 1 });
      edit.addMapping(heir, mapping(0x4000, 0x6000));
      edit.map(heir, { writable: true });
    });
    const others = ['unmap 0x0-0x1000', 'unmap 0xf000-0x10000'];
    expect(takeCalls()).to.deep.equal({ superset: others, exact: others });
  });

  it('are one call over the range of a region that is covered', async () => {
    await addRegion(stage.manager, 0x0, 0x10000, { mappings });
    takeCalls();
    await addRegion(stage.manager, 0x0, 0x20000, { priority: 1 });
    expect(takeCalls()).to.deep.equal({ superset: ['unmap 0x0-0x10000'], exact: oneByOne });
  });

  it('are no call for a mapping that was added in the transaction that hides it', async () => {
    const region = await addRegion(stage.manager, 0x0, 0x10000);
    await stage.manager.transaction((edit) => {
      edit.addMapping(region, mapping(0x0, 0x1000));
      edit.unmap(region);
    });
    expect(takeCalls()).to.deep.equal({ superset: [], exact: [] });
  });

  it('are one call over the region also when mappings are removed in the transaction that hides it', async () => {
    const region = await addRegion(stage.manager, 0x0, 0x10000, { mappings });
    takeCalls();
    await stage.manager.transaction((edit) => {
      edit.removeMappings(region, range(0x4000, 0x6000));
      edit.addMapping(region, mapping(0x8000, 0x9000));
      edit.removeRegion(region);
    });
    expect(takeCalls()).to.deep.equal({ superset: ['unmap 0x0-0x10000'], exact: oneByOne });
  });

  it('are listed in the change set with the mappings that they cover', async () => {
    const region = await addRegion(stage.manager, 0x0, 0x10000, { name: 'low', mappings });
    const unmaps: unknown[] = [];
    stage.manager.changes().subscribe((set) => unmaps.push(...set.unmaps));
    await region.unmap();
    expect(unmaps).to.deep.equal([
      {
        range: range(0x0, 0x10000),
        region: 'low',
        type: 'ram',
        covers: [range(0x0, 0x1000), range(0x4000, 0x6000), range(0xf000, 0x10000)],
      },
    ]);
  });
});
