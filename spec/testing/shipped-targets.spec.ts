import { expect } from 'chai';
import { of, timer } from 'rxjs';
import { MemoryRange } from '../../streams/index.js';
import { LoggingTarget, SoftIommuTarget } from '../../targets/index.js';
import { checkTarget, RecordingTarget, type RecordingTargetOptions, type TargetCheck } from '../../testing/index.js';

const REFUSED = '0xfee00000-0xfee01000';
const UNMAP_OF_NOTHING = 'does not fail when it unmaps a range without maps';

/** A test for each check. */
function testEach(title: string, checks: readonly TargetCheck[]): void {
  describe(`${title} keeps the contract of DmaTarget`, () => {
    it('is seen with its maps', () => {
      expect(new Set(checks.map(({ sees }) => sees))).to.deep.equal(new Set(['maps']));
      expect(checks.length).to.be.greaterThan(20);
    });

    for (const { name, run } of checks) {
      it(name, run);
    }
  });
}

describe('the targets that need no hardware', () => {
  testEach(
    'SoftIommuTarget type1v2',
    checkTarget(() => new SoftIommuTarget(), { refused: REFUSED }),
  );

  testEach(
    'SoftIommuTarget exact',
    checkTarget(() => new SoftIommuTarget({ model: 'exact' }), { refused: REFUSED }),
  );

  const iommufd = checkTarget(() => new SoftIommuTarget({ model: 'iommufd' }), { refused: REFUSED });
  testEach(
    'SoftIommuTarget iommufd, except for the errno of an unmap of nothing,',
    iommufd.filter(({ name }) => name !== UNMAP_OF_NOTHING),
  );

  it('SoftIommuTarget iommufd fails with the ENOENT of the kernel when it unmaps a range without maps', async () => {
    const check = iommufd.find(({ name }) => name === UNMAP_OF_NOTHING);
    const error = await check?.run().catch((thrown: unknown) => thrown);
    expect((error as Error).cause).to.include({ code: 'ENOENT', request: 'IOMMU_IOAS_UNMAP' });
  });

  const linesOf = new WeakMap<LoggingTarget, string[]>();
  testEach(
    'LoggingTarget',
    checkTarget(
      () => {
        const lines: string[] = [];
        const target = new LoggingTarget({ format: 'json', write: (line) => lines.push(line) });
        linesOf.set(target, lines);
        return target;
      },
      { held: (target) => heldIn(linesOf.get(target) ?? []) },
    ),
  );
});

/** What a target would hold that gets the calls of these JSON lines. */
function heldIn(lines: readonly string[]): readonly MemoryRange[] {
  return lines.reduce<readonly MemoryRange[]>((held, line) => {
    const call = JSON.parse(line) as { readonly op: string; readonly range: string };
    const range = MemoryRange.parse(call.range);
    return call.op === 'map' ? [...held, range] : held.filter((one) => !range.contains(one));
  }, []);
}

const REPLIES = {
  'answers at once': 'sync',
  'answers by a promise': 'async',
  'answers by an observable': () => timer(0),
  'answers by an observable that completes at once': () => of(1),
} as const satisfies Record<string, RecordingTargetOptions['reply']>;

const FORMS: Readonly<Record<string, RecordingTargetOptions>> = {
  'one by one': {},
  'in batches': { batches: true },
  'in exact batches': { batches: true, unmapShape: 'exact' },
  'concurrent, in batches': { batches: true, concurrent: true },
  'with host addresses and files': { needsVa: true, needsFd: true },
};

describe('RecordingTarget', () => {
  for (const [how, reply] of Object.entries(REPLIES)) {
    for (const [form, options] of Object.entries(FORMS)) {
      testEach(
        `that ${how}, ${form},`,
        checkTarget(() => new RecordingTarget({ reply, ...options }).failRange(REFUSED), {
          refused: REFUSED,
          // The checks themselves are callers that keep the contract.
          close: (target) => {
            target.checkContract();
          },
        }),
      );
    }
  }
});
