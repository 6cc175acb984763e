import { expect } from 'chai';
import type { ChangeSet, MapChange } from '../../../streams/index.js';
import { TargetPort } from '../../../streams/target/target-port.js';
import { RecordingTarget, type RecordingTargetOptions } from '../../../testing/index.js';
import { FILE, range } from '../support/phrases.js';

describe('TargetPort', () => {
  const change: MapChange = {
    range: range(0x1000, 0x3000),
    region: 'ram',
    type: 'ram',
    writable: true,
    backing: { mappable: FILE, fileOffset: 0n },
  };
  const addressed: MapChange = { ...change, hostVa: { address: 0x7f00_0000_1000n } };
  const unmaps = [{ range: change.range, region: 'ram', type: 'ram', covers: [change.range] }] as const;

  async function portWith(mapped: MapChange, options: RecordingTargetOptions = {}) {
    const target = new RecordingTarget(options);
    const port = new TargetPort(target);
    const serve = async (set: Pick<ChangeSet, 'unmaps' | 'maps'>, generation: number): Promise<void> => {
      await port.serve({ generation, snapshot: false, ...set });
    };
    await serve({ unmaps: [], maps: [mapped] }, 1);
    return { target, port, unmap: () => serve({ unmaps, maps: [] }, 2) };
  }

  it('uses a VA while its mapping is held or stuck, and not once it is unmapped', async () => {
    const { target, port, unmap } = await portWith(addressed);
    expect(port.usesVa(change.range)).to.equal(true);
    target.failAll('unmap');
    await unmap();
    expect(port.usesVa(change.range)).to.equal(true);
    target.clearFailures();
    await unmap();
    expect(port.usesVa(change.range)).to.equal(false);
  });

  it('uses the VA of exactly that mapping, and of no other that shares its pages', async () => {
    const { port } = await portWith(addressed);
    for (const other of [range(0x1000, 0x2000), range(0x1000, 0x4000), range(0x0, 0x3000), range(0x2000, 0x3000)]) {
      expect(port.usesVa(other), other.toString()).to.equal(false);
    }
  });

  it('uses no VA when the map had none, unless the target needs one', async () => {
    const without = await portWith(change);
    without.target.failAll('unmap');
    await without.unmap();
    expect(without.port.usesVa(change.range)).to.equal(false);
    const adopted = new TargetPort(new RecordingTarget({ needsVa: true }));
    adopted.ledger.begin({ generation: 1, snapshot: false, unmaps: [], maps: [] });
    adopted.ledger.recordMap(change);
    expect(adopted.usesVa(change.range)).to.equal(true);
  });
});
