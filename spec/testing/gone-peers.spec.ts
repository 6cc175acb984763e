import { expect } from 'chai';
import { DmaError, type DmaMapRequest, type MemoryRange } from '../../streams/index.js';
import { checkTarget, type TargetCheck } from '../../testing/index.js';
import { SmallTarget } from './support/small-target.js';

/** A correct target whose peer can end. */
class LeavingTarget extends SmallTarget {
  hasLeft = false;

  leave(): void {
    this.hasLeft = true;
    this.maps.length = 0;
  }

  protected override insert(request: DmaMapRequest): void {
    this.failIfLeft();
    super.insert(request);
  }

  protected override remove(range: MemoryRange): void {
    this.failIfLeft();
    super.remove(range);
  }

  protected failIfLeft(code = 'ERR_TARGET_GONE'): void {
    if (this.hasLeft) {
      throw new DmaError('the peer has ended', { code, target: this.name });
    }
  }
}

/** Faults, and the checks that find them. */
const BREACHES: Readonly<Record<string, { readonly make: () => LeavingTarget; readonly found: readonly string[] }>> = {
  'a map fails with another error': {
    make: () =>
      new (class extends LeavingTarget {
        protected override insert(request: DmaMapRequest): void {
          this.failIfLeft('EPIPE');
          super.insert(request);
        }
      })(),
    found: ['fails its maps with ERR_TARGET_GONE once its peer has ended'],
  },
  'a map succeeds': {
    make: () =>
      new (class extends LeavingTarget {
        override leave(): void {
          this.maps.length = 0;
        }
      })(),
    found: [
      'fails its maps with ERR_TARGET_GONE once its peer has ended',
      'leaves nothing stuck at its manager when its peer has ended before an unmap',
      'has a command undone elsewhere whose map meets its end',
    ],
  },
  'an unmap fails with another error': {
    make: () =>
      new (class extends LeavingTarget {
        protected override remove(range: MemoryRange): void {
          this.failIfLeft('EPIPE');
          super.remove(range);
        }
      })(),
    found: [
      'does not fail its unmaps with another error once its peer has ended',
      'leaves nothing stuck at its manager when its peer has ended before an unmap',
    ],
  },
  'an unmap is served, and the map after it fails with another error': {
    make: () =>
      new (class extends LeavingTarget {
        protected override remove(range: MemoryRange): void {
          if (!this.hasLeft) {
            super.remove(range);
          }
        }

        protected override insert(request: DmaMapRequest): void {
          this.failIfLeft('EPIPE');
          super.insert(request);
        }
      })(),
    found: [
      'fails its maps with ERR_TARGET_GONE once its peer has ended',
      'leaves nothing stuck at its manager when its peer has ended before an unmap',
      'has a command undone elsewhere whose map meets its end',
    ],
  },
};

function checksOf(make: () => LeavingTarget): readonly TargetCheck[] {
  const without = new Set(checkTarget(make).map(({ name }) => name));
  return checkTarget(make, {
    endPeer: (target) => {
      target.leave();
    },
  }).filter(({ name }) => !without.has(name));
}

async function failuresOf(make: () => LeavingTarget): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const { name, run } of checksOf(make)) {
    await run().catch(() => failed.push(name));
  }
  return failed;
}

describe('checkTarget with the option endPeer', () => {
  it('finds no fault in a correct target', async () => {
    expect(await failuresOf(() => new LeavingTarget())).to.deep.equal([]);
    expect(checksOf(() => new LeavingTarget())).to.have.length(4);
  });

  for (const [breach, { make, found }] of Object.entries(BREACHES)) {
    it(`finds a target in which ${breach}`, async () => {
      expect(await failuresOf(make)).to.deep.equal(found);
    });
  }

  it('has a breach for each check', () => {
    const found = new Set(Object.values(BREACHES).flatMap((one) => one.found));
    expect([...found].sort()).to.deep.equal(
      checksOf(() => new LeavingTarget())
        .map(({ name }) => name)
        .sort(),
    );
  });

  it('refuses an option that is no function', () => {
    expect(() => checkTarget(() => new LeavingTarget(), { endPeer: 'kill' as never })).to.throw(TypeError, 'endPeer');
  });
});
