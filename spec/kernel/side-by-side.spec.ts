import { expect } from 'chai';
import { AddressSpace, Memfd, type Ioas } from '../../binding/index.js';
import { forwardTarget, MemoryRange, RegionManager, type DmaTarget } from '../../streams/index.js';
import { IommufdTarget, VfioType1Target } from '../../targets/index.js';
import { FIRST, iommufd, SECOND, type1, type Way } from './support/machine.js';

/** A target that says when a call of it begins and ends. */
function told(target: VfioType1Target | IommufdTarget, events: string[]): DmaTarget {
  const tell = <T>(what: string, answer: T | Promise<T>): T | Promise<T> => {
    events.push(`${target.name} begins to ${what}`);
    const end = (value: T): T => {
      events.push(`${target.name} ends`);
      return value;
    };
    return answer instanceof Promise ? answer.then(end) : end(answer);
  };
  return forwardTarget(target, {
    mapDma: (request) => tell('map', target.mapDma(request)),
    unmapDma: (range) => tell('unmap', target.unmapDma(range)),
    // There is one map, and one unmap, at a time.
    mapDmaBatch: undefined,
    unmapDmaBatch: undefined,
  });
}

describe('two IOMMUs', () => {
  it('pin a large map at the same time, and let go of it at the same time', async () => {
    using container = type1();
    using ioas = iommufd('va');
    container.openDevice(FIRST);
    ioas.openDevice(SECOND);
    const ways: readonly Way[] = [container, ioas];
    const events: string[] = [];
    const [first, second] = ways.map((way) =>
      way.container === undefined
        ? new IommufdTarget(way.ioas as Ioas, { name: 'second', by: 'va' })
        : new VfioType1Target(way.container, { name: 'first' }),
    );
    const length = 128n << 20n;
    const space = new AddressSpace({ size: 1n << 34n });
    const memfd = Memfd.create('large', length);
    const manager = new RegionManager({ vaMapper: space });
    const range = MemoryRange.ofLength(0n, length);
    const region = await manager.addRegion({ name: 'ram', range, type: 'ram' });
    await region.map({ writable: true });
    for (const target of [first, second]) {
      await manager.attach(told(target as VfioType1Target | IommufdTarget, events));
    }

    await region.addMapping({ rangeInRegion: range, backing: { mappable: memfd, fileOffset: 0n }, writable: true });
    expect(events.splice(0).slice(0, 2)).to.deep.equal(['first begins to map', 'second begins to map']);
    await region.removeMappings(range);
    expect(events.splice(0).slice(0, 2)).to.deep.equal(['second begins to unmap', 'first begins to unmap']);

    await manager.close();
    space.close();
    memfd.close();
  });
});
