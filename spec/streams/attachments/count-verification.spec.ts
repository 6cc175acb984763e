import { expect } from 'chai';
import {
  DmaError,
  DmaMapError,
  type Attachment,
  type DmaTarget,
  type HealOptions,
  type MemoryRange,
  type Region,
} from '../../../streams/index.js';
import { addRegion, ledgerOf, mapping, range, rejectionOf, texts } from '../support/phrases.js';
import { Stage } from '../support/stage.js';

/** Holds maps as type1 does: refuses to map over one, and unmaps nothing where nothing is. */
class Counting implements DmaTarget {
  readonly name = 'counting';
  readonly held = new Map<string, MemoryRange>();
  count: () => unknown = () => this.held.size;

  mapDma({ range: at }: { readonly range: MemoryRange }): void {
    if ([...this.held.values()].some((held) => held.overlaps(at))) {
      throw new DmaError('in the way', { code: 'EEXIST' });
    }
    this.held.set(at.toString(), at);
  }

  unmapDma(at: MemoryRange): void {
    for (const [key, held] of this.held) {
      if (at.contains(held)) {
        this.held.delete(key);
      } else if (at.overlaps(held)) {
        throw new DmaError('cuts', { code: 'EINVAL' });
      }
    }
  }

  mappedCount(): number {
    return this.count() as number;
  }
}

describe('RegionManager: a target that only counts its mappings', () => {
  let stage: Stage;
  let region: Region;
  let counted: Counting;
  let attached: Attachment;

  const found = async (): Promise<string[]> =>
    (await attached.verify()).map((finding) => `${finding.range.toString()} ${finding.fault}`);

  beforeEach(async () => {
    stage = new Stage();
    region = await addRegion(stage.manager, 0x0, 0x10000, {
      mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000), mapping(0x4000, 0x5000)],
    });
    counted = new Counting();
    attached = await stage.manager.attach(counted);
  });

  it('has no findings when the numbers are equal', async () => {
    expect(await found()).to.deep.equal([]);
  });

  it('has a missing finding over the range of the ledger when there are too few; heal() maps them', async () => {
    counted.held.delete('0x2000-0x3000');
    expect(await found()).to.deep.equal(['0x0-0x5000 missing']);
    await attached.heal();
    expect([...counted.held.keys()].sort()).to.deep.equal(['0x0-0x1000', '0x2000-0x3000', '0x4000-0x5000']);
    expect(await found()).to.deep.equal([]);
  });

  it('has an unexpected finding over the address space when there are too many; heal({ unexpected: true }) unmaps only those', async () => {
    const kept = counted.held.get('0x2000-0x3000');
    for (const stray of [range(0x8000, 0x9000), range(0x3000, 0x4000)]) {
      counted.held.set(stray.toString(), stray);
    }
    expect(await found()).to.deep.equal(['0x0-0xfffffffffffff000 unexpected']);
    await attached.heal({ unexpected: true });
    expect([...counted.held.keys()].sort()).to.deep.equal(['0x0-0x1000', '0x2000-0x3000', '0x4000-0x5000']);
    expect(counted.held.get('0x2000-0x3000')).to.equal(kept);
  });

  it('is healed also of as many missing as unexpected mappings, once the numbers differ', async () => {
    counted.held.delete('0x0-0x1000');
    counted.held.set('a', range(0x8000, 0x9000));
    counted.held.set('b', range(0xa000, 0xb000));
    await attached.heal({ unexpected: true });
    expect([...counted.held.keys()].sort()).to.deep.equal(['0x0-0x1000', '0x2000-0x3000', '0x4000-0x5000']);
  });

  it('keeps what another user of the container may have mapped when heal() maps what is missing', async () => {
    const theirs = [range(0x1000, 0x2000), range(0x3000, 0x4000), range(0x100000, 0x200000)];
    for (const one of theirs) {
      counted.held.set(one.toString(), one);
    }
    counted.held.delete('0x2000-0x3000');
    let unmaps = 0;
    const unmap = counted.unmapDma.bind(counted);
    counted.unmapDma = (at) => {
      unmaps += 1;
      unmap(at);
    };
    for (const options of [undefined, {}, { unexpected: false }]) {
      await attached.heal(options);
      expect(unmaps).to.equal(0);
      expect([...counted.held.keys()]).to.include.members(['0x2000-0x3000', ...texts(theirs)]);
      expect(await found()).to.deep.equal(['0x0-0xfffffffffffff000 unexpected']);
    }
    await attached.heal({ unexpected: true });
    expect([...counted.held.keys()].sort()).to.deep.equal(['0x0-0x1000', '0x2000-0x3000', '0x4000-0x5000']);
    expect(await found()).to.deep.equal([]);
  });

  it('gets no call from heal() with invalid options, which rejects', async () => {
    counted.held.delete('0x2000-0x3000');
    for (const nonsense of [null, 5, { unexpected: 'yes' }, { unexpected: null }]) {
      expect(await rejectionOf(attached.heal(nonsense as HealOptions))).to.be.instanceOf(TypeError);
    }
    expect(counted.held.size).to.equal(2);
  });

  it('keeps a mapping as missing that heal() cannot map, and that its error names', async () => {
    counted.held.delete('0x2000-0x3000');
    const map = counted.mapDma.bind(counted);
    counted.mapDma = (request) => {
      map(request);
      if (request.range.start === 0x2000n) {
        counted.held.delete(request.range.toString());
        throw new DmaError('no room', { code: 'ENOSPC' });
      }
    };
    expect(await rejectionOf(attached.heal()))
      .to.be.instanceOf(DmaMapError)
      .and.include({ code: 'ENOSPC' });
    expect(texts(attached.missing())).to.deep.equal(['0x2000-0x3000']);
    counted.mapDma = map;
    await attached.heal();
    expect(attached.missing()).to.deep.equal([]);
  });

  it('is healed of a mapping that is stuck in the ledger and gone at the target', async () => {
    const unmap = counted.unmapDma.bind(counted);
    counted.unmapDma = () => {
      throw new DmaError('busy', { code: 'EBUSY' });
    };
    await rejectionOf(region.removeMappings(range(0x0, 0x1000)));
    counted.unmapDma = unmap;
    unmap(range(0x0, 0x1000));
    await attached.heal();
    expect(ledgerOf(attached)).to.deep.equal(['0x2000-0x3000 rw', '0x4000-0x5000 rw']);
    expect(await found()).to.deep.equal([]);
  });

  it('makes heal() reject when the number still differs', async () => {
    counted.count = () => counted.held.size + 2;
    await attached.heal();
    const error = await rejectionOf(attached.heal({ unexpected: true }));
    expect(error).to.be.instanceOf(DmaError).and.include({ code: 'ERR_TARGET_DIFFERS', target: 'counting' });
    expect(error.message).to.contain('2 maps more');
    counted.count = () => counted.held.size - 1;
    expect((await rejectionOf(attached.heal())).message).to.contain('1 maps fewer');
  });

  it('gets no calls when it returns no number, and causes an error when the number is invalid', async () => {
    counted.count = () => undefined;
    counted.held.clear();
    expect(await found()).to.deep.equal([]);
    counted.count = () => Promise.resolve(3);
    expect(await found()).to.deep.equal([]);
    for (const nonsense of [0.5, 'three', NaN, null]) {
      counted.count = () => nonsense;
      expect(await rejectionOf(attached.verify())).to.include({ code: 'ERR_TARGET_FAILED', target: 'counting' });
    }
    counted.count = () => {
      throw new Error('lost the line');
    };
    expect(await rejectionOf(attached.heal())).to.include({ code: 'ERR_TARGET_FAILED', target: 'counting' });
  });
});
