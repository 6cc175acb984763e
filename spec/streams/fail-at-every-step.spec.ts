import { expect } from 'chai';
import {
  DmaMapError,
  DmaUnmapError,
  RegionManager,
  type Attachment,
  type DmaError,
  type Region,
} from '../../streams/index.js';
import { FaultPlan, FaultyTarget, FaultyVaMapper } from './support/faults.js';
import { addRegion, mapping, range, texts } from './support/phrases.js';

interface Setting {
  readonly targets: number;
  readonly reply: 'sync' | 'async';
  /** Which targets need a VA. `'none'`: there is no VA mapper either. */
  readonly va: 'none' | 'all' | 'all but the first';
}

/** A manager with some regions and some targets attached to it, all of which fail by one plan. */
class Scene {
  readonly plan = new FaultPlan();
  readonly va: FaultyVaMapper | undefined;
  readonly manager: RegionManager;
  readonly targets: FaultyTarget[] = [];
  readonly warnings: DmaError[] = [];
  /** Of every target that is, or was, attached. */
  readonly attachments: Attachment[] = [];
  /** Not attached yet. */
  readonly late: FaultyTarget;

  private constructor(setting: Setting) {
    this.va = setting.va === 'none' ? undefined : new FaultyVaMapper(this.plan);
    this.manager = new RegionManager({
      ...(this.va === undefined ? {} : { vaMapper: this.va }),
      onWarning: (warning) => {
        this.warnings.push(warning);
      },
    });
    for (let index = 0; index <= setting.targets; index++) {
      const needsVa = setting.va === 'all' || (setting.va === 'all but the first' && index > 0);
      // Later, but within this turn of the event loop: there are many runs.
      const reply = setting.reply === 'sync' ? setting.reply : () => Promise.resolve();
      // Every other one takes whole sets, and those from the second on may be served side by side.
      const options = { name: `target ${index}`, needsVa, reply, together: index % 2 === 1, concurrent: index > 0 };
      this.targets.push(new FaultyTarget(this.plan, this.va, options));
    }
    this.late = this.targets.pop() as FaultyTarget;
  }

  static async build(setting: Setting): Promise<Scene & { readonly regions: Regions }> {
    const scene = new Scene(setting);
    const { manager } = scene;
    for (const target of scene.targets) {
      scene.attachments.push(await manager.attach(target));
    }
    const regions = {
      low: await addRegion(manager, 0x0, 0x10000, {
        name: 'low',
        mappings: [mapping(0x0, 0x1000), mapping(0x2000, 0x3000), mapping(0x4000, 0x6000, { writable: false })],
      }),
      cover: await addRegion(manager, 0x0, 0x20000, {
        name: 'cover',
        priority: 1,
        shown: 'hidden',
        mappings: [mapping(0x2000, 0x3000), mapping(0x5000, 0x8000), mapping(0x18000, 0x19000)],
      }),
      high: await addRegion(manager, 0x20000, 0x30000, {
        name: 'high',
        mappings: [mapping(0x0, 0x1000), mapping(0x8000, 0x9000)],
      }),
      shade: await addRegion(manager, 0x20000, 0x30000, {
        name: 'shade',
        mappings: [mapping(0x0, 0x2000), mapping(0x4000, 0x5000)],
      }),
      bar: await addRegion(manager, 0x40000, 0x50000, {
        name: 'bar',
        type: 'device',
        mappings: [mapping(0x0, 0x1000)],
      }),
    };
    return Object.assign(scene, { regions });
  }

  /** All that is active: `'0x0-0x1000 rw 0x0'`. */
  view(): string[] {
    return this.manager.snapshot().mappings.map(({ range: at, writable, backing }) => {
      const offset = backing === 'private' ? 0n : backing.fileOffset;
      return `${at.toString()} ${writable ? 'rw' : 'ro'} 0x${offset.toString(16)}`;
    });
  }

  /** What a target should hold: the view without the device memory that it does not hold, and that somebody was warned of. */
  viewOf(target: FaultyTarget): string[] {
    const held = texts(target.held());
    const skipped = this.warnings
      .filter((warning) => warning.region === 'bar' && (warning.target ?? target.name) === target.name)
      .map((warning) => warning.range?.toString());
    return this.view().filter((one) => {
      const [at = ''] = one.split(' ');
      return held.includes(at) || !skipped.includes(at);
    });
  }

  expectContractsKept(): void {
    expect([...this.targets, this.late].flatMap(({ violations }) => violations)).to.deep.equal([]);
    expect(this.va?.violations ?? []).to.deep.equal([]);
  }

  /** What has a VA, and what of the view needs one while targets are attached that want it. */
  expectVas(exactly: boolean, alsoStuck: readonly string[] = []): void {
    if (this.va === undefined) {
      return;
    }
    const held = texts(this.va.held());
    const needed = this.manager.snapshot().mappings.map(({ range: at }) => at.toString());
    expect(needed).to.include.members(held.filter((one) => !alsoStuck.includes(one)));
    if (exactly) {
      expect(held).to.include.members(needed);
    }
  }
}

interface Regions {
  readonly low: Region;
  readonly cover: Region;
  readonly high: Region;
  readonly shade: Region;
  readonly bar: Region;
}

type Act = (scene: Scene & { readonly regions: Regions }) => Promise<unknown>;

const operations: Readonly<Record<string, Act>> = {
  add: ({ regions }) => regions.low.addMapping(mapping(0x8000, 0xa000)),
  remove: ({ regions }) => regions.low.removeMappings(range(0x0, 0x3000)),
  'remove a region': ({ regions }) => regions.low.remove(),
  map: ({ regions }) => regions.cover.map({ writable: true }),
  'map read-only': ({ regions }) => regions.low.map({ writable: false }),
  unmap: ({ regions }) => regions.high.unmap(),
  'remove device memory': ({ regions }) => regions.bar.unmap(),
  attach: async (scene) => {
    scene.attachments.push(await scene.manager.attach(scene.late));
  },
  detach: ({ attachments }) => attachments[0]?.detach() ?? Promise.resolve(),
  'transaction of ten mixed changes': ({ manager, regions: { low, high, shade, bar } }) =>
    manager.transaction((edit) => {
      edit.removeMappings(low, range(0x2000, 0x3000));
      edit.addMapping(low, mapping(0x2000, 0x3000, { fileOffset: 0x77000n }));
      edit.addMapping(low, mapping(0x8000, 0xa000));
      edit.removeMappings(low, range(0x0, 0x1000));
      edit.removeRegion(high);
      edit.map(shade, { writable: false });
      edit.addMapping(bar, mapping(0x4000, 0x5000));
      const fresh = edit.addRegion({ name: 'fresh', range: range(0x60000, 0x70000), type: 'ram' });
      edit.addMapping(fresh, mapping(0x0, 0x3000));
      edit.map(fresh, { writable: true });
    }),
};

const settings: Setting[] = [];
for (const targets of [1, 2, 3]) {
  for (const reply of ['sync', 'async'] as const) {
    for (const va of ['none', 'all', 'all but the first'] as const) {
      if (targets > 1 || va !== 'all but the first') {
        settings.push({ targets, reply, va });
      }
    }
  }
}

describe('failing at every step', function () {
  this.timeout(60_000);

  for (const [name, act] of Object.entries(operations)) {
    describe(name, () => {
      for (const setting of settings) {
        const { targets, reply, va } = setting;
        const what = `${targets} ${reply} target${targets > 1 ? 's' : ''}, ${va === 'none' ? 'no VA mapper' : `VAs for ${va}`}`;

        it(`call 0, 1, 2 … fails, with ${what}: all is as before, or as after`, async () => {
          await forEveryCall(setting, act, false, checkOneFault);
        });

        it(`every call from 0, 1, 2 … on fails, with ${what}: what is missing or stuck is known, and heal() mends it`, async () => {
          await forEveryCall(setting, act, true, checkLastingFault);
        });
      }
    });
  }

  it('every operation makes calls that can fail', async () => {
    for (const [name, act] of Object.entries(operations)) {
      const calls = await forEveryCall({ targets: 3, reply: 'sync', va: 'all' }, act, false, () => Promise.resolve());
      expect(calls, name).to.be.at.least(name === 'transaction of ten mixed changes' ? 30 : 3);
    }
  });
});

interface Run {
  readonly scene: Scene;
  /** The view before, and after a run in which nothing fails. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly error: unknown;
  readonly act: () => Promise<unknown>;
}

/** Runs the operation anew for each call that it makes, until none fails; returns how many there were. */
async function forEveryCall(
  setting: Setting,
  act: Act,
  onwards: boolean,
  check: (run: Run) => Promise<void>,
): Promise<number> {
  const model = await Scene.build(setting);
  const before = model.view();
  await act(model);
  const after = model.view();
  for (let number = 0; ; number++) {
    const scene = await Scene.build(setting);
    expect(scene.view()).to.deep.equal(before);
    scene.warnings.length = 0;
    scene.plan.arm(number, onwards);
    const error: unknown = await act(scene).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    scene.plan.disarm();
    if (!scene.plan.struck) {
      expect(error).to.equal(undefined);
      expect(scene.view()).to.deep.equal(after);
      return number;
    }
    try {
      scene.expectContractsKept();
      await check({ scene, before, after, error, act: () => act(scene) });
      scene.expectContractsKept();
    } catch (failure) {
      if (failure instanceof Error) {
        failure.message = `call ${number} failed: ${failure.message}`;
      }
      throw failure;
    }
  }
}

/** Of each target that holds something: what, apart from what is stuck, and what is stuck. */
function expectLedgers(scene: Scene): { readonly stuck: string[] } {
  const allStuck: string[] = [];
  for (const attachment of scene.attachments) {
    const target = [...scene.targets, scene.late].find((one) => one.name === attachment.target);
    if (target === undefined) {
      throw new Error(`there is no target "${attachment.target}"`);
    }
    const ledger = attachment.ledger();
    const stuck = ledger.filter((entry) => entry.stuck).map((entry) => entry.range.toString());
    const held = ledger.filter((entry) => !entry.stuck).map((entry) => entry.range.toString());
    allStuck.push(...stuck);
    expect([...held, ...stuck].sort()).to.deep.equal(texts(target.held()).sort());
    if (scene.manager.attachments.includes(attachment)) {
      const missing = texts(attachment.missing());
      const contents = target.contents().filter((one) => !stuck.includes(one.split(' ')[0] ?? ''));
      const wanted = scene.viewOf(target).filter((one) => !missing.includes(one.split(' ')[0] ?? ''));
      expect(contents).to.deep.equal(wanted);
    } else {
      expect(held).to.deep.equal([]);
    }
  }
  return { stuck: allStuck };
}

/** Every attached target holds exactly the view, every other one nothing, and the VAs are those of the view. */
function expectExact(scene: Scene): void {
  const { stuck } = expectLedgers(scene);
  expect(stuck).to.deep.equal([]);
  for (const attachment of scene.attachments) {
    expect(attachment.missing()).to.deep.equal([]);
  }
  const attached = scene.manager.attachments.map(({ target }) => target);
  for (const target of [...scene.targets, scene.late]) {
    if (!attached.includes(target.name)) {
      expect(target.held()).to.deep.equal([]);
    }
  }
  scene.expectVas(
    scene.targets.some(({ needsVa, name }) => needsVa && attached.includes(name)) && scene.warnings.length === 0,
  );
}

async function checkOneFault({ scene, before, after, error }: Run): Promise<void> {
  for (const attachment of scene.attachments) {
    expect(attachment.missing()).to.deep.equal([]);
  }
  if (error === undefined) {
    // It was a device map, the release of a VA, or an unmap that worked the second time.
    expect(scene.view()).to.deep.equal(after);
    expectExact(scene);
    return;
  }
  if (error instanceof DmaUnmapError) {
    expect(scene.view()).to.deep.equal(after);
    const { stuck } = expectLedgers(scene);
    expect(error.stuck.map((at) => at.range.toString()).sort()).to.deep.equal(stuck.sort());
    expect(stuck).to.have.length.above(0);
    scene.expectVas(false, stuck);
    for (const attachment of scene.attachments) {
      await attachment.retryStuck();
    }
    expectExact(scene);
    return;
  }
  expect(error).to.be.instanceOf(DmaMapError);
  const { missing, stuck } = error as DmaMapError;
  expect([missing, stuck]).to.deep.equal([[], []]);
  expect(scene.view()).to.deep.equal(before);
  expectExact(scene);
}

async function checkLastingFault({ scene, before, after, error, act }: Run): Promise<void> {
  expect([before, after]).to.deep.include(scene.view());
  const { stuck } = expectLedgers(scene);
  const attachFailed =
    scene.late.held().length > 0 && !scene.attachments.some(({ target }) => target === scene.late.name);
  if (error instanceof DmaUnmapError) {
    expect(scene.view()).to.deep.equal(after);
    expect(error.stuck.map((at) => at.range.toString()).sort()).to.deep.equal(stuck.sort());
  } else if (error instanceof DmaMapError) {
    expect(scene.view()).to.deep.equal(before);
    const missing = scene.attachments.flatMap((attachment) => texts(attachment.missing()));
    expect(error.missing.map((at) => at.range.toString()).sort()).to.deep.equal(missing.sort());
    if (!attachFailed) {
      expect(error.stuck.map((at) => at.range.toString()).sort()).to.deep.equal(stuck.sort());
    }
  } else {
    expect(error).to.equal(undefined);
    expect(scene.view()).to.deep.equal(after);
  }
  if (attachFailed) {
    await act();
    expectExact(scene);
    return;
  }
  scene.expectVas(false, stuck);
  // What one needs, another may hold until it is healed itself: so twice.
  for (const attachment of scene.attachments) {
    await attachment.heal().catch(() => undefined);
  }
  for (const attachment of scene.attachments) {
    await attachment.heal();
    if (scene.manager.attachments.includes(attachment)) {
      expect(await attachment.verify()).to.deep.equal([]);
    }
  }
  expectExact(scene);
}
