import { expect } from 'chai';
import { MemoryRange, RegionManager, type MapChange, type ReleaseFailure } from '../../streams/index.js';
import { addRam, FakeMappable, FakeVaMapper, mapOf, RecordingTarget } from '../../testing/index.js';
import { texts } from '../streams/support/phrases.js';
import { codeOf } from './support/calls.js';

const r = (text: string): MemoryRange => MemoryRange.parse(text);

describe('FakeVaMapper', () => {
  it('gives addresses that grow with guest addresses, the same one until the release', () => {
    const va = new FakeVaMapper();
    const high = va.ensureMapped(mapOf('0x4000-0x5000'));
    const low = va.ensureMapped(mapOf('0x0-0x1000'));
    expect(high.address - low.address).to.equal(0x4000n);
    expect(va.ensureMapped(mapOf('0x4000-0x5000'))).to.equal(high);
    expect(texts(va.held())).to.deep.equal(['0x0-0x1000', '0x4000-0x5000']);
    va.release(r('0x0-0x1000'));
    expect(texts(va.held())).to.deep.equal(['0x4000-0x5000']);
    va.ensureMapped(mapOf('0x0-0x2000'));
    va.checkContract();
  });

  describe('refuses a call that breaches the contract, which has no effect:', () => {
    const sameRange: Readonly<Record<string, Partial<MapChange>>> = {
      'of other access': { writable: false },
      'of another type': { type: 'device' },
      'of another file': { backing: { mappable: new FakeMappable(), fileOffset: 0x1000n } },
      'of another part of the file': {
        backing: { ...(mapOf('0x1000-0x3000').backing as object), fileOffset: 0n } as MapChange['backing'],
      },
      'of private memory': { backing: 'private' },
    };
    const calls: Readonly<Record<string, readonly [(va: FakeVaMapper) => unknown, string]>> = {
      'an address for a range that overlaps another one': [
        (va) => va.ensureMapped(mapOf('0x0-0x2000')),
        'ensure 0x0-0x2000 overlaps 0x1000-0x3000, which has an address',
      ],
      'an address for a part of a range': [
        (va) => va.ensureMapped(mapOf('0x1000-0x2000')),
        'ensure 0x1000-0x2000 overlaps 0x1000-0x3000, which has an address',
      ],
      'a release of what has no address': [
        (va) => {
          va.release(r('0x8000-0x9000'));
        },
        'release 0x8000-0x9000 is not a range that has an address',
      ],
      'a release of a part of a range': [
        (va) => {
          va.release(r('0x1000-0x2000'));
        },
        'release 0x1000-0x2000 is not a range that has an address',
      ],
      ...Object.fromEntries(
        Object.entries(sameRange).map(([what, options]) => [
          `an address for the same range ${what}`,
          [
            (va: FakeVaMapper) => va.ensureMapped(mapOf('0x1000-0x3000', options)),
            'ensure 0x1000-0x3000 is the range of another mapping',
          ] as const,
        ]),
      ),
    };
    for (const [what, [call, violation]] of Object.entries(calls)) {
      it(what, () => {
        const va = new FakeVaMapper();
        va.ensureMapped(mapOf('0x1000-0x3000'));
        expect(codeOf(() => call(va))).to.equal('ERR_CONTRACT');
        expect(va.violations).to.deep.equal([violation]);
        expect(texts(va.held())).to.deep.equal(['0x1000-0x3000']);
      });
    }

    it('an address for a range that is being released', async () => {
      const va = new FakeVaMapper({ batches: 'async' });
      va.ensureMapped(mapOf('0x1000-0x3000'));
      const released = va.releaseBatch?.([r('0x1000-0x3000')]);
      expect(released).to.be.instanceOf(Promise);
      expect(codeOf(() => va.ensureMapped(mapOf('0x1000-0x3000')))).to.equal('ERR_CONTRACT');
      expect(va.violations).to.deep.equal(['ensure 0x1000-0x3000 overlaps 0x1000-0x3000, whose release has not ended']);
      expect(await released).to.equal(undefined);
      va.ensureMapped(mapOf('0x1000-0x3000'));
      expect(va.violations).to.have.length(1);
    });
  });

  describe('option batches', () => {
    it('is none by default: there are no methods for batches', () => {
      expect(new FakeVaMapper()).to.include({ ensureMappedBatch: undefined, releaseBatch: undefined });
    });

    for (const batches of ['sync', 'async'] as const) {
      it(`${batches}: what fails does not affect the others, and is returned`, async () => {
        const va = new FakeVaMapper({ batches });
        const changes = ['0x0-0x1000', '0x2000-0x3000', '0x4000-0x5000'].map((text) => mapOf(text));
        va.failCall(1, 'EAGAIN');
        const made = va.ensureMappedBatch?.(changes) ?? [];
        expect(
          made.map((one) => ('address' in one ? 'address' : (one as Error & { code?: string }).code)),
        ).to.deep.equal(['address', 'EAGAIN', 'address']);
        expect(texts(va.held())).to.deep.equal(['0x0-0x1000', '0x4000-0x5000']);
        va.clearFailures().failRange('0x0-0x1000', 'EINVAL');
        const failures = (await va.releaseBatch?.(va.held())) as readonly ReleaseFailure[];
        expect(failures.map(({ range, error }) => `${range} ${(error as { code?: string }).code}`)).to.deep.equal([
          '0x0-0x1000 EINVAL',
        ]);
        expect(texts(va.held())).to.deep.equal(['0x0-0x1000']);
        expect(va.batches).to.deep.equal(['ensure 3', 'release 2']);
        va.clearFailures();
        expect(await va.releaseBatch?.(va.held())).to.equal(undefined);
        va.checkContract();
      });
    }
  });

  it('serves a manager, whose targets get the addresses', async () => {
    const va = new FakeVaMapper();
    const target = new RecordingTarget({ needsVa: true });
    const manager = new RegionManager({ vaMapper: va });
    await manager.attach(target);
    const region = await addRam(manager, '0x0-0x4000');
    expect(target.heldRequests().map(({ hostVa }) => hostVa?.address)).to.deep.equal([0x7f00_0000_0000n]);
    await region.remove();
    expect(va.takeCalls()).to.deep.equal(['ensure 0x0-0x4000', 'release 0x0-0x4000']);
    va.checkContract();
  });
});
