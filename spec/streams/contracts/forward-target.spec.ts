import { expect } from 'chai';
import {
  forwardTarget,
  MemoryRange,
  RegionManager,
  type DmaMapRequest,
  type DmaTarget,
} from '../../../streams/index.js';
import { addRegion, mapping, range } from '../support/phrases.js';

/** Has all that a target can have; a new member of `DmaTarget` does not compile until it is here. */
class Whole implements Required<DmaTarget> {
  name = 'whole';
  needsVa = true;
  needsFd = true;
  unmapShape = 'exact' as const;
  concurrent = true;
  slowForLargeMaps = true;
  maxMaps = 7;
  readonly #calls: unknown[] = [];

  get calls(): unknown[] {
    return this.#calls.splice(0);
  }

  checkMaps(requests: readonly DmaMapRequest[]): void {
    this.#calls.push('checkMaps', requests);
  }

  beginSet(generation: number): void {
    this.#calls.push('beginSet', generation);
  }

  endSet(generation: number): void {
    this.#calls.push('endSet', generation);
  }

  mapDma(request: DmaMapRequest): void {
    this.#calls.push('mapDma', request);
  }

  unmapDma(at: MemoryRange): void {
    this.#calls.push('unmapDma', at);
  }

  mapDmaBatch(requests: readonly DmaMapRequest[]): undefined {
    this.#calls.push('mapDmaBatch', requests);
  }

  unmapDmaBatch(ranges: readonly MemoryRange[]): undefined {
    this.#calls.push('unmapDmaBatch', ranges);
  }

  mappedRanges(): readonly MemoryRange[] {
    this.#calls.push('mappedRanges', undefined);
    return [];
  }

  mappedCount(): number {
    this.#calls.push('mappedCount', undefined);
    return 7;
  }
}

type Member = keyof DmaTarget;

/** Of each member another value; a new one does not compile until it is here. */
const OTHERS: Required<DmaTarget> = {
  name: 'other',
  needsVa: false,
  needsFd: false,
  unmapShape: 'superset',
  concurrent: false,
  slowForLargeMaps: false,
  maxMaps: 8,
  beginSet: () => undefined,
  endSet: () => undefined,
  checkMaps: () => undefined,
  mapDma: () => undefined,
  unmapDma: () => undefined,
  mapDmaBatch: () => undefined,
  unmapDmaBatch: () => undefined,
  mappedRanges: () => [range(0x0, 0x1000)],
  mappedCount: () => 8,
};

const MEMBERS = Object.keys(OTHERS) as Member[];
const OPTIONAL = MEMBERS.filter((key) => !['name', 'mapDma', 'unmapDma'].includes(key));

/** A target that has no more than it must. */
function plain(): DmaTarget {
  return { name: 'plain', mapDma: () => undefined, unmapDma: () => undefined };
}

describe('forwardTarget', () => {
  for (const key of MEMBERS) {
    const isMethod = typeof OTHERS[key] === 'function';

    it(`forwards ${key}`, () => {
      const whole = new Whole();
      const wrapper = forwardTarget(whole);
      if (isMethod) {
        const argument = [{}];
        const method = wrapper[key] as unknown as (value: unknown) => unknown;
        expect(method.call(undefined, argument)).to.deep.equal(
          (whole[key] as unknown as (value: unknown) => unknown).call(whole, argument),
        );
        const calls = whole.calls;
        expect(calls[0]).to.equal(key);
        expect(calls[1]).to.equal(calls[1] === undefined ? undefined : argument);
        expect(wrapper[key]).to.equal(method, 'the same function each time');
      } else {
        expect(wrapper[key]).to.equal(whole[key]);
      }
    });

    it(`reads ${key} from the target at each use`, () => {
      const target = { ...plain() };
      const wrapper = forwardTarget(target);
      Object.assign(target, { [key]: OTHERS[key] });
      const expected = isMethod ? (OTHERS[key] as () => unknown)() : OTHERS[key];
      expect(isMethod ? (wrapper[key] as () => unknown)() : wrapper[key]).to.deep.equal(expected);
      if (OPTIONAL.includes(key)) {
        Object.assign(target, { [key]: undefined });
        expect(wrapper[key]).to.equal(undefined);
      }
    });

    it(`uses ${key} of the overrides, with the overrides as \`this\``, () => {
      const overrides = {
        [key]: isMethod
          ? function (this: unknown): unknown {
              return this;
            }
          : OTHERS[key],
      };
      const wrapper = forwardTarget(new Whole(), overrides);
      expect(isMethod ? (wrapper[key] as () => unknown)() : wrapper[key]).to.equal(isMethod ? overrides : OTHERS[key]);
    });
  }

  for (const key of OPTIONAL) {
    it(`has no ${key} if the target has none or the overrides remove it`, () => {
      expect(forwardTarget(plain())[key]).to.equal(undefined);
      expect(forwardTarget(new Whole(), { [key]: undefined })[key]).to.equal(undefined);
    });
  }

  it('accepts an instance of a class as overrides', () => {
    class Renamed {
      readonly #name = 'renamed';
      get name(): string {
        return this.#name;
      }
    }
    expect(forwardTarget(new Whole(), new Renamed()).name).to.equal('renamed');
  });

  it('refuses an invalid target, and overrides that make the wrapper an invalid target', () => {
    for (const [target, overrides] of [
      [undefined, {}],
      [{}, {}],
      [plain(), null],
      [plain(), 7],
      [plain(), { mapDma: undefined }],
      [plain(), { name: 7 }],
    ] as const) {
      expect(() => forwardTarget(target as DmaTarget, overrides as Partial<DmaTarget>)).to.throw(TypeError);
    }
  });

  it('makes a target that can be attached and verified like the original', async () => {
    const held: MemoryRange[] = [];
    const counting: DmaTarget = {
      name: 'counting',
      mapDma: (request) => void held.push(request.range),
      unmapDma: () => void held.pop(),
      mappedCount: () => held.length,
    };
    const manager = new RegionManager();
    await addRegion(manager, 0x0, 0x10000, { mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000)] });
    const attachment = await manager.attach(forwardTarget(counting, { name: 'wrapper' }));
    held.pop();
    expect((await attachment.verify()).map(({ fault }) => fault)).to.deep.equal(['missing']);
    expect(attachment.target).to.equal('wrapper');
  });
});
