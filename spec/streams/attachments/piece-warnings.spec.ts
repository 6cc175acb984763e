import { expect } from 'chai';
import { fanOut, RegionManager, toTarget, type DmaError, type DmaTarget } from '../../../streams/index.js';
import { RecordingTarget } from '../../../testing/index.js';
import { addRegion, mapping, range, rejectionOf } from '../support/phrases.js';

/** A target that records its calls, and says how many maps it can hold. */
class LimitedTarget extends RecordingTarget implements DmaTarget {
  maxMaps: number | undefined;

  constructor(name: string, maxMaps?: number) {
    super({ name });
    this.maxMaps = maxMaps;
  }
}

/** 17 pages, in pieces of one page. */
const PIECES = { ...mapping(0, 0x11000), granule: 4096n };

describe('the warning of more pieces than a target can hold', () => {
  let manager: RegionManager;
  let warnings: DmaError[];

  beforeEach(() => {
    warnings = [];
    manager = new RegionManager({ overlap: 'any', onWarning: (warning) => warnings.push(warning) });
  });
  afterEach(() => manager.close());

  it('comes when the mapping is added, while its region is hidden, and names all that is needed', async () => {
    await manager.attach(new LimitedTarget('large', 20));
    await manager.attach(new LimitedTarget('small', 16));
    await manager.attach(new LimitedTarget('unlimited'));
    await addRegion(manager, 0, 0x20000, { mappings: [PIECES], shown: 'hidden' });
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.include({ code: 'ERR_TOO_MANY_PIECES', region: 'ram', target: 'small' });
    expect(warnings[0]?.range?.toString()).to.equal('0x0-0x11000');
    expect(warnings[0]?.message).to.contain(
      'the granule 0x1000 divides the mapping into 17 pieces, and the target can hold 16 maps',
    );
    expect(warnings[0]?.hint).to.equal('use a larger granule than 0x1000');
  });

  it('does not come for as many pieces as the target can hold, without a granule, or without a limit', async () => {
    await manager.attach(new LimitedTarget('exact', 17));
    const unlimited = new LimitedTarget('unlimited');
    const attachment = await manager.attach(unlimited);
    await addRegion(manager, 0, 0x20000, { mappings: [PIECES] });
    await addRegion(manager, 0x100000, 0x200000, { mappings: [mapping(0, 0x100000)] });
    expect(warnings).to.deep.equal([]);
    await attachment.detach();
  });

  it('counts pieces by address: a mapping that begins in the middle of a granule has one more', async () => {
    await manager.attach(new LimitedTarget('T', 2));
    const two = { ...mapping(0x1000, 0x3000), granule: 0x1000n };
    const three = { ...mapping(0x4800 + 0x800, 0x9000), granule: 0x2000n };
    await addRegion(manager, 0, 0x20000, { mappings: [two, three], shown: 'hidden' });
    expect(warnings.map((warning) => warning.range?.toString())).to.deep.equal(['0x5000-0x9000']);
  });

  it('comes for what stays of a mapping that the same command cuts', async () => {
    await manager.attach(new LimitedTarget('small', 8));
    const region = await addRegion(manager, 0, 0x20000);
    await manager.transaction((edit) => {
      edit.addMapping(region, PIECES);
      edit.removeMappings(region, range(0x0, 0x1000));
    });
    expect(warnings.map((warning) => warning.range?.toString())).to.deep.equal(['0x1000-0x11000']);
  });

  it('comes when a target is attached, for mappings of hidden and of active regions', async () => {
    await addRegion(manager, 0, 0x20000, { name: 'hidden', mappings: [PIECES], shown: 'hidden' });
    await addRegion(manager, 0x100000, 0x200000, { name: 'shown', mappings: [PIECES, mapping(0x20000, 0x30000)] });
    await manager.attach(toTarget(new LimitedTarget('large', 100)));
    expect(warnings).to.deep.equal([]);
    const small = new LimitedTarget('small', 16);
    await manager.attach(fanOut(toTarget(new LimitedTarget('medium', 18)), toTarget(small)));
    expect(warnings.map(({ region, target }) => `${String(region)} ${String(target)}`)).to.have.members([
      'hidden small',
      'shown small',
    ]);
  });

  it('comes once a command took effect: not for one that was rolled back, nor for a mapping that it removed again', async () => {
    await manager.attach(new LimitedTarget('small', 16));
    const region = await addRegion(manager, 0, 0x20000, { shown: 'hidden' });
    await rejectionOf(
      manager.transaction((edit) => {
        edit.addMapping(region, PIECES);
        throw new Error('changed my mind');
      }),
    );
    await manager.transaction((edit) => {
      edit.addMapping(region, PIECES);
      edit.removeMappings(region, range(0, 0x20000));
    });
    await manager.transaction((edit) => {
      edit.addMapping(region, PIECES);
      edit.removeRegion(region);
    });
    expect(warnings).to.deep.equal([]);
  });

  it('does not come after the target is detached', async () => {
    const attachment = await manager.attach(new LimitedTarget('small', 16));
    await attachment.detach();
    await addRegion(manager, 0, 0x20000, { mappings: [PIECES] });
    expect(warnings).to.deep.equal([]);
  });

  it('reads the limit each time, and passes over one that throws', async () => {
    const target = new LimitedTarget('T', 100);
    await manager.attach(target);
    target.maxMaps = 3;
    const region = await addRegion(manager, 0, 0x20000, { mappings: [PIECES] });
    expect(warnings.map(({ target: name }) => name)).to.deep.equal(['T']);
    Object.defineProperty(target, 'maxMaps', {
      get: () => {
        throw new Error('closed');
      },
    });
    await region.removeMappings(range(0, 0x20000));
    await region.addMapping(PIECES);
    expect(warnings).to.have.length(1);
    expect(target.violations).to.deep.equal([]);
  });

  for (const maxMaps of ['16', NaN, null, 16n]) {
    it(`refuses a target whose limit is ${String(maxMaps)} (${typeof maxMaps})`, async () => {
      const target = new LimitedTarget('T', maxMaps as number);
      expect(await rejectionOf(manager.attach(target))).to.match(
        /^TypeError: maxMaps of a target must be a number of maps/,
      );
    });
  }

  it('comes under both rules of overlap', async () => {
    const contained = new RegionManager({ onWarning: (warning) => warnings.push(warning) });
    await contained.attach(new LimitedTarget('small', 16));
    await addRegion(contained, 0, 0x20000, { mappings: [PIECES] });
    expect(warnings.map(({ code }) => code)).to.deep.equal(['ERR_TOO_MANY_PIECES']);
    await contained.close();
  });
});
