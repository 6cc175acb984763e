import { expect } from 'chai';
import { MemoryRange, type DmaMapRequest, type DmaTarget } from '../../streams/index.js';
import {
  checkTarget,
  FakeMappable,
  FakeVaMapper,
  type CheckTargetOptions,
  type TargetCheck,
} from '../../testing/index.js';
import { BREACHES_OF_BATCHES } from './support/breaches-of-batches.js';
import { BREACHES_OF_MAPS } from './support/breaches-of-maps.js';
import { BREACHES_OF_MEMBERS } from './support/breaches-of-members.js';
import { BREACHES_OF_UNMAPS } from './support/breaches-of-unmaps.js';
import { CountingTarget, REFUSED, SmallTarget, ToldOfSets } from './support/small-target.js';

const BREACHES = { ...BREACHES_OF_MAPS, ...BREACHES_OF_UNMAPS, ...BREACHES_OF_BATCHES, ...BREACHES_OF_MEMBERS };

const NO_OPTIONAL_MEMBERS = {
  checkMaps: undefined,
  mapDmaBatch: undefined,
  unmapDmaBatch: undefined,
  mappedRanges: undefined,
};

const checksOf = (make: () => DmaTarget): readonly TargetCheck[] => checkTarget(make, { refused: REFUSED });

/** The error of each check that fails. */
async function failuresOf(checks: readonly TargetCheck[]): Promise<ReadonlyMap<string, Error>> {
  const failures = new Map<string, Error>();
  for (const { name, run } of checks) {
    await run().catch((error: unknown) => failures.set(name, error as Error));
  }
  return failures;
}

describe('checkTarget', () => {
  for (const [what, make] of [
    ['lists its maps', () => new SmallTarget()],
    ['counts its maps', () => new CountingTarget()],
    ['is told of sets', () => new ToldOfSets()],
    ['can only be called', () => Object.assign(new SmallTarget(), NO_OPTIONAL_MEMBERS)],
  ] as readonly (readonly [string, () => DmaTarget])[]) {
    it(`finds no fault in a correct target that ${what}`, async () => {
      expect([...(await failuresOf(checksOf(make))).values()]).to.deep.equal([]);
    });
  }

  describe('finds a target in which', () => {
    for (const [breach, { make, found, message }] of Object.entries(BREACHES)) {
      it(`${breach}: by exactly the checks that see it, and says what is wrong`, async () => {
        const checks = checksOf(make);
        const names = checks.map(({ name }) => name);
        const failures = await failuresOf(checks);
        expect([...failures.keys()]).to.deep.equal(typeof found === 'function' ? found(names) : found);
        const [first] = failures.values();
        expect(first?.message.split('\n')[0]).to.equal(message);
        expect(first?.message).to.match(/\n {2}rule: \w/);
      });
    }

    it('there is a breach for each check', () => {
      const names = Object.values(BREACHES).map(({ make, found }) => {
        const all = checksOf(make).map(({ name }) => name);
        return { all, found: typeof found === 'function' ? found(all) : found };
      });
      const found = new Set(names.flatMap((one) => one.found));
      expect([...new Set(names.flatMap(({ all }) => all))].filter((name) => !found.has(name))).to.deep.equal([]);
    });
  });

  it('says which steps led to a fault, which rule it is, and what the target failed with', async () => {
    const { make } = BREACHES['read-only maps fail'] ?? { make: () => new SmallTarget() };
    const check = checksOf(make).find(({ name }) => name === 'maps read-only memory and writable memory');
    const error = (await check?.run().catch((thrown: unknown) => thrown)) as Error;
    expect(error.message.split('\n')).to.deep.equal([
      'mapDma(0x100000-0x102000 ro) must succeed, but failed: EACCES: refused, 0x100000-0x102000 (target "small")',
      '  step 1: mapDma(0x100000-0x102000 ro)',
      '  rule: DmaMapRequest.writable: whether a device may write; a map that is not writable is a map like any other',
    ]);
    expect(error.cause).to.include({ code: 'EACCES' });
  });

  it('lists only the checks that apply to the target, each name once', () => {
    const small: DmaTarget = Object.assign(new SmallTarget(), {
      unmapShape: 'exact',
      needsVa: true,
      ...NO_OPTIONAL_MEMBERS,
    } as const);
    const few = checkTarget(() => small).map(({ name }) => name);
    const all = checksOf(() => Object.assign(new CountingTarget(), { concurrent: true, endSet: () => undefined })).map(
      ({ name }) => name,
    );
    expect(new Set(all).size).to.equal(all.length);
    expect(
      few.filter((name) =>
        /batch|checkMaps|several|verify|heal|counts|lists its|a map that failed|map that fails|needsVa/.test(name),
      ),
    ).to.deep.equal([]);
    expect(few.length).to.be.lessThan(all.length);
  });

  it('says how each check sees the target', () => {
    const seen = (make: () => DmaTarget, options: CheckTargetOptions = {}): readonly string[] => [
      ...new Set(checkTarget(make, options).map(({ sees }) => sees)),
    ];
    const blind = (): DmaTarget => Object.assign(new SmallTarget(), NO_OPTIONAL_MEMBERS);
    expect(seen(() => new SmallTarget())).to.deep.equal(['maps']);
    expect(seen(() => new CountingTarget())).to.deep.equal(['count']);
    expect(seen(blind)).to.deep.equal(['calls']);
    expect(seen(blind, { held: () => [] })).to.deep.equal(['maps']);
  });

  it('takes a function that makes the target later, and then returns a promise', async () => {
    const checks = await checkTarget(async () => {
      await Promise.resolve();
      return new SmallTarget();
    });
    expect((await failuresOf(checks)).size).to.equal(0);
    expect(checks.map(({ name }) => name)).to.deep.equal(checkTarget(() => new SmallTarget()).map(({ name }) => name));
  });

  it('closes each target, memory and VA mapper that it made, also after a failure', async () => {
    let open = 0;
    const counted = <T extends object>(made: T): T & { close(): void } => {
      open += 1;
      return Object.assign(made, { close: () => (open -= 1) });
    };
    for (const make of [
      () => new SmallTarget(),
      BREACHES['an unmap does nothing']?.make ?? (() => new SmallTarget()),
    ]) {
      const checks = checkTarget(() => counted(Object.assign(make(), { needsVa: true })), {
        mappable: () => counted(new FakeMappable()),
        vaMapper: () => counted(new FakeVaMapper()),
        close: (target) => target.close(),
      });
      await failuresOf(checks);
      expect(open).to.equal(0);
    }
  });

  it('fails the check when a target cannot be closed', async () => {
    const close = (): Promise<void> => Promise.reject(new Error('the device is busy'));
    const [first] = checkTarget(() => new SmallTarget(), { close });
    const error = (await first?.run().catch((thrown: unknown) => thrown)) as Error;
    expect(error.message).to.include('the device is busy');
  });

  it('uses the addresses and the page size that it is given', async () => {
    const range = MemoryRange.of(0x4000_0000, 0x8000_0000);
    const seen: MemoryRange[] = [];
    class LargePages extends SmallTarget {
      override insert(request: DmaMapRequest): void {
        seen.push(request.range);
        const parts = [request.range.start, request.range.end, request.fileOffset];
        if (!range.contains(request.range) || parts.some((part) => part % 0x20_0000n !== 0n)) {
          throw new Error(`${request.range} is refused`);
        }
        super.insert(request);
      }
    }
    const failures = await failuresOf(checkTarget(() => new LargePages(), { range, pageSize: 0x20_0000n }));
    expect([...failures.values()]).to.deep.equal([]);
    expect(seen).to.have.length.greaterThan(50);
    expect((await failuresOf(checkTarget(() => new LargePages(), { range }))).size).to.be.greaterThan(10);
  });

  for (const [what, options, message] of [
    ['too few pages', { range: '0x0-0x1000' }, /at least 64 pages/],
    ['a page size that is no multiple of 4096', { pageSize: 1000n }, /multiple of 4096/],
    ['a start that is no multiple of the page size', { range: '0x1000-0x40000000', pageSize: 0x20_0000n }, /start/],
    ['a refused range among those that it maps', { refused: '0x101000-0x102000' }, /must not overlap/],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(() => checkTarget(() => new SmallTarget(), options)).to.throw(RangeError, message);
    });
  }

  it('refuses a target instead of a function that makes one', () => {
    expect(() => checkTarget(new SmallTarget() as never)).to.throw(
      TypeError,
      'not a SmallTarget: checkTarget(() => new SmallTarget(…))',
    );
  });

  it('refuses options that it does not have, and functions that are none or return nothing: the checks would see nothing', async () => {
    const make = (): SmallTarget => new SmallTarget();
    expect(() => checkTarget(make, { hold: () => [] } as never)).to.throw(TypeError, /no "hold"; it has .*held/);
    expect(() => checkTarget(make, { held: [] } as never)).to.throw(
      TypeError,
      'held of checkTarget must be a function',
    );
    expect(() => checkTarget((() => undefined) as never)).to.throw(TypeError, /must return a target, .* undefined/);
    const checks = checkTarget(make, { held: () => undefined as never });
    const failed = await Promise.all(checks.map(({ run }) => run().then(() => false, String)));
    expect(failed.some((text) => String(text).includes('held of checkTarget must return an array'))).to.equal(true);
  });
});
