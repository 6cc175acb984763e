import { DmaError, DmaMapError, type Attachment, type Outcome } from '../../streams/index.js';
import { RecordingTarget } from '../recording-target.js';
import type { CheckBench } from './check-bench.js';
import { CheckScene } from './check-scene.js';
import type { ContractCheck, Traits } from './contract-check.js';
import { thrownText } from './contract-error.js';
import type { TestedTarget } from './tested-target.js';

const GONE = 'ERR_TARGET_GONE';
const RULE = 'DmaTarget: a call that fails with ERR_TARGET_GONE says that the target is gone and holds nothing';

const hasPeer = (traits: Traits): boolean => traits.hasPeer;

/** Targets whose peer, for example another process, has ended. */
export const GONE_PEERS: readonly ContractCheck[] = [
  {
    name: 'fails its maps with ERR_TARGET_GONE once its peer has ended',
    rule: RULE,
    applies: hasPeer,
    async run(bench) {
      for (const pages of [[4], [4, 6]]) {
        const tested = await bench.makeTarget();
        await tested.map(bench.mapAt(0));
        await bench.endPeer(tested);
        // Twice: the first call may be the one that finds it out.
        await expectGone(bench, tested, pages);
        await expectGone(bench, tested, pages);
        await bench.close();
      }
    },
  },
  {
    name: 'does not fail its unmaps with another error once its peer has ended',
    rule: RULE,
    applies: hasPeer,
    async run(bench) {
      const tested = await bench.makeTarget();
      await tested.mapEach([0, 2, 4].map((page) => bench.mapAt(page)));
      await bench.endPeer(tested);
      for (const page of [0, 2, 4]) {
        await tested
          .attempt('unmapDma', bench.at(page), () => undefined)
          .catch((error: unknown) => {
            mustBeGone(bench, 'an unmap', error);
          });
      }
    },
  },
  {
    name: 'leaves nothing stuck at its manager when its peer has ended before an unmap',
    rule: 'RegionManager: a command whose unmap meets a target that is gone takes effect, and its attachment ends',
    applies: hasPeer,
    async run(bench) {
      const { tested, scene, attachment, last } = await attachedScene(bench);
      await bench.endPeer(tested);
      await scene.command('remove both mappings', (edit) => {
        scene.remove(edit, bench.at(0, 4));
      });
      // It may not have noticed yet: a map cannot succeed.
      await scene.attempt('add a mapping', (edit) => {
        scene.add(edit, bench.mapAt(8));
      });
      expectEnded(bench, attachment, last());
    },
  },
  {
    name: 'has a command undone elsewhere whose map meets its end',
    rule: 'RegionManager: a command whose map meets a target that is gone is undone at the other targets, and rejects',
    applies: hasPeer,
    async run(bench) {
      const { tested, scene, attachment, other, last } = await attachedScene(bench);
      const before = String(scene.active);
      await bench.endPeer(tested);
      const error = await scene.attempt('replace a mapping by two others', (edit) => {
        scene.remove(edit, bench.at(0));
        scene.add(edit, bench.mapAt(8));
        scene.add(edit, bench.mapAt(10));
      });
      // Where the unmap met it the command takes effect.
      if (
        error !== undefined &&
        (!(error instanceof DmaMapError) || error.code !== GONE || String(scene.active) !== before)
      ) {
        throw bench.steps.breach(`the command must be undone and fail with ${GONE}, but: ${thrownText(error)}`, error);
      }
      expectEnded(bench, attachment, last());
      if (String(other.held()) !== String(scene.active)) {
        throw bench.steps.breach('the other target must hold what is active, but it does not');
      }
    },
  },
];

async function expectGone(bench: CheckBench, tested: TestedTarget, pages: readonly number[]): Promise<void> {
  const requests = pages.map((page) => tested.requestOf(bench.mapAt(page)));
  const isBatch = pages.length > 1 && tested.target.mapDmaBatch !== undefined;
  let stop: unknown;
  try {
    stop = isBatch
      ? await tested.attempt('mapDmaBatch', requests, (result) => result)
      : await tested.attempt('mapDma', requests[0], (result) => result);
  } catch (error) {
    mustBeGone(bench, 'a map', error);
    return;
  }
  if (typeof stop !== 'object' || stop === null || !('error' in stop)) {
    throw bench.steps.breach(`a map must fail with ${GONE} once the peer has ended, but it succeeded`);
  }
  mustBeGone(bench, 'a batch of maps', stop.error);
}

function mustBeGone(bench: CheckBench, what: string, error: unknown): void {
  if (!(error instanceof DmaError) || error.code !== GONE) {
    throw bench.steps.breach(
      `${what} must fail with ${GONE} once the peer has ended, but failed: ${thrownText(error)}`,
      error,
    );
  }
}

interface AttachedScene {
  readonly tested: TestedTarget;
  readonly scene: CheckScene;
  readonly attachment: Attachment;
  readonly other: RecordingTarget;
  /** The last outcome; `undefined` before the attachment has ended. */
  readonly last: () => Outcome | undefined;
}

/** A manager with two mappings, the tested target and another one. */
async function attachedScene(bench: CheckBench): Promise<AttachedScene> {
  const tested = await bench.makeTarget();
  const scene = await CheckScene.create(bench);
  const other = new RecordingTarget({ name: 'other' });
  await scene.manager.attach(other);
  const attachment = await scene.attach(tested);
  let outcome: Outcome | undefined;
  let hasEnded = false;
  attachment.outcomes$.subscribe({
    next: (one) => {
      outcome = one;
    },
    complete: () => {
      hasEnded = true;
    },
    error: () => undefined, // It never errors.
  });
  await scene.command('add two mappings', (edit) => {
    scene.add(edit, bench.mapAt(0));
    scene.add(edit, bench.mapAt(2));
  });
  return { tested, scene, attachment, other, last: () => (hasEnded ? outcome : undefined) };
}

function expectEnded(bench: CheckBench, { phase, target }: Attachment, last: Outcome | undefined): void {
  if (phase !== 'gone' || last?.error?.code !== GONE) {
    throw bench.steps.breach(
      `the attachment of ${target} must end with an outcome that has ${GONE}, but it is ${phase}, after ${last?.error?.code ?? 'no such outcome'}`,
    );
  }
}
