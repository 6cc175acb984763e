import { expect } from 'chai';
import { DmaError, DmaMapError, DmaUnmapError } from '../../../streams/index.js';
import type { Operation } from './fault-operations.js';
import { Scene, type Prepared, type Setting, type World } from './fault-scene.js';
import { texts } from './phrases.js';

/** One run of an operation in which a call failed. */
export interface Run {
  readonly scene: Prepared;
  /** The view before the run, and the view after a run without failures. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly error: unknown;
  readonly act: () => Promise<unknown>;
}

/** Repeats an operation, each time with a failure of the next call, until no call fails. Returns the number of calls. */
export async function forEveryCall(
  setting: Setting,
  operation: Operation,
  onwards: boolean,
  check: (run: Run) => Promise<void>,
  world?: World,
): Promise<number> {
  const build = async (): Promise<Prepared> => {
    const scene = await Scene.build(setting, world);
    await operation.prepare?.(scene);
    return scene;
  };
  const { act } = operation;
  const model = await build();
  const before = model.view();
  await act(model);
  const after = model.view();
  await model.end();
  for (let number = 0; ; number++) {
    const scene = await build();
    expect(scene.view()).to.deep.equal(before);
    const regions = scene.manager.regions;
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
      await scene.end();
      return number;
    }
    try {
      scene.expectContractsKept();
      if (error !== undefined && !(error instanceof DmaUnmapError)) {
        expect(scene.manager.regions).to.deep.equal(regions);
      }
      await check({ scene, before, after, error, act: () => act(scene) });
      scene.expectContractsKept();
      await scene.end();
    } catch (failure) {
      if (failure instanceof Error) {
        failure.message = `call ${number} failed: ${failure.message}`;
      }
      throw failure;
    }
  }
}

/** Checks the ledger of each target, and returns the stuck ranges. */
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
    if (attachment.phase === 'attached') {
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

/** Checks that each attached target has exactly the mappings of the view, other targets have none, and the VAs are those of the view. */
function expectExact(scene: Scene): void {
  const { stuck } = expectLedgers(scene);
  expect(stuck).to.deep.equal([]);
  for (const attachment of scene.attachments) {
    expect(attachment.missing()).to.deep.equal([]);
  }
  const attached = scene.manager.attachments.filter(({ phase }) => phase === 'attached').map(({ target }) => target);
  for (const target of [...scene.targets, scene.late]) {
    if (!attached.includes(target.name)) {
      expect(target.held()).to.deep.equal([]);
    }
  }
  scene.expectVas(
    scene.targets.some(({ needsVa, name }) => needsVa && attached.includes(name)) && scene.warnings.length === 0,
  );
}

/** Checks the state after one failure: either as before, or as after the operation except for stuck ranges, which retryStuck() clears. */
export async function checkOneFault({ scene, before, after, error }: Run): Promise<void> {
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
  expect(error).to.be.instanceOf(DmaError);
  if (error instanceof DmaMapError) {
    expect([error.missing, error.stuck]).to.deep.equal([[], []]);
  } else {
    // Private memory could not be made, so no target was called.
    expect(error).to.include({ syscall: 'mmap' });
  }
  expect(scene.view()).to.deep.equal(before);
  expectExact(scene);
}

/** Checks the state after lasting failures: missing and stuck ranges are known, and heal() repairs them after the failures. */
export async function checkLastingFault({ scene, before, after, error, act }: Run): Promise<void> {
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
  } else if (error !== undefined) {
    expect(error).to.be.instanceOf(DmaError).and.include({ syscall: 'mmap' });
    expect(scene.view()).to.deep.equal(before);
  } else {
    expect(scene.view()).to.deep.equal(after);
  }
  if (attachFailed) {
    await act();
    expectExact(scene);
    return;
  }
  scene.expectVas(false, stuck);
  // A target may have to wait for another one to be healed first, so heal twice.
  for (const attachment of scene.attachments) {
    await attachment.heal().catch(() => undefined);
  }
  for (const attachment of scene.attachments) {
    await attachment.heal();
    if (attachment.phase === 'attached') {
      expect(await attachment.verify()).to.deep.equal([]);
    }
  }
  expectExact(scene);
}
