import { forwardTarget, type BatchStop, type DmaTarget, type MemoryRange } from '../../streams/index.js';
import type { CheckBench } from './check-bench.js';
import { CheckScene } from './check-scene.js';
import type { ContractCheck, Traits } from './contract-check.js';
import { listText, thrownText } from './contract-error.js';
import type { Held } from './look.js';
import type { TestedTarget } from './tested-target.js';

const hasMapBatch = ({ target }: Traits): boolean => target.mapDmaBatch !== undefined;
const hasUnmapBatch = ({ target }: Traits): boolean => target.unmapDmaBatch !== undefined;

/** Batches of maps and unmaps. */
export const BATCHES: readonly ContractCheck[] = [
  {
    name: 'makes every map of a batch',
    rule: 'DmaTarget.mapDmaBatch: makes several maps of a set in one call; returns undefined when all took effect',
    applies: hasMapBatch,
    async run(bench) {
      const tested = await bench.makeTarget();
      await tested.map(bench.mapAt(0));
      // In descending order as well, as in an undo.
      for (const pages of [
        [2, 3, 5, 8, 9],
        [20, 16, 12],
      ]) {
        const changes = pages.map((page) => bench.mapAt(page));
        const requests = changes.map((change) => tested.requestOf(change));
        expectNoStop(bench, 'mapDmaBatch', await tested.call('mapDmaBatch', requests));
        tested.remember(changes.map(({ range }) => range));
        await tested.holdsMapped();
      }
      await tested.empty();
    },
  },
  {
    name: 'makes every unmap of a batch',
    rule: 'DmaTarget.unmapDmaBatch: does several unmaps of a set in one call; returns undefined when all took effect',
    applies: hasUnmapBatch,
    async run(bench) {
      const tested = await bench.makeTarget();
      await tested.mapEach([0, 1, 2, 4, 8].map((page) => bench.mapAt(page)));
      const ranges = [bench.at(8), bench.at(0), bench.at(2)];
      expectNoStop(bench, 'unmapDmaBatch', await tested.call('unmapDmaBatch', ranges));
      for (const range of ranges) {
        tested.forget(range);
      }
      await tested.holdsMapped();
      await tested.empty();
    },
  },
  {
    name: 'stops a batch at the map that fails, and counts the maps before it',
    rule: 'DmaTarget.mapDmaBatch: at the first failure the target stops and returns { done, error }; if it throws, none of the maps took effect',
    applies: (traits) => traits.hasRefused && hasMapBatch(traits),
    async run(bench) {
      for (const before of [0, 1, 2]) {
        await checkStop(bench, before);
        await bench.close();
      }
    },
  },
  {
    name: 'does by batches what it does by single calls',
    rule: 'DmaTarget.mapDmaBatch and unmapDmaBatch: they do what the same single calls do, in the same order',
    applies: (traits) => hasMapBatch(traits) || hasUnmapBatch(traits),
    async run(bench) {
      const inBatches = await heldAfterEach(bench, (target) => target);
      await bench.close();
      const oneByOne = await heldAfterEach(bench, (target) =>
        forwardTarget(target, { mapDmaBatch: undefined, unmapDmaBatch: undefined }),
      );
      inBatches.forEach(({ command, held }, index) => {
        const single = oneByOne[index]?.held;
        if (textOf(held) !== textOf(single)) {
          const both = `by batches it holds ${textOf(held)}, by single calls ${textOf(single)}`;
          throw bench.steps.breach(`batches must do the same as single calls, but after "${command}" ${both}`);
        }
      });
    },
  },
];

function expectNoStop(bench: CheckBench, method: string, result: unknown): void {
  if (typeof result === 'object' && result !== null) {
    const { done, error } = result as BatchStop;
    const stop = `{ done: ${done}, error: ${thrownText(error)} }`;
    throw bench.steps.breach(`${method} must return undefined when nothing fails, but it returned ${stop}`);
  }
}

/** A batch with a refused map after `before` maps, and one more map after it. */
async function checkStop(bench: CheckBench, before: number): Promise<void> {
  const tested = await bench.makeTarget();
  await tested.map(bench.mapAt(0));
  const good = [2, 4, 6].map((page) => bench.mapAt(page));
  const changes = [...good.slice(0, before), ...bench.refusedMaps(), ...good.slice(before)];
  const requests = changes.map((change) => tested.requestOf(change));
  const { stop, thrown } = await stopOf(tested, requests);
  const made = thrown ? [] : changes.slice(0, before).map(({ range }) => range);
  if (!thrown && (stop?.done !== before || stop.error === undefined)) {
    const what = stop === undefined ? 'undefined' : `done: ${stop.done}, error: ${thrownText(stop.error)}`;
    throw bench.steps.breach(
      `mapDmaBatch, whose map number ${before} is refused, must return done: ${before} and the error, but it returned ${what}`,
    );
  }
  tested.remember(made);
  await tested.holds(
    tested.mapped,
    `after a batch that ${thrown ? 'failed as a whole' : `stopped after ${before} maps`}`,
  );
  for (const { range } of changes.filter(({ range: one }) => !tested.mapped.includes(one))) {
    tested.forget(range);
  }
  // The rest of the set, as in an undo.
  await tested.mapEach(good.slice(made.length));
  await tested.holdsMapped();
  await tested.empty();
}

async function stopOf(
  tested: TestedTarget,
  requests: readonly unknown[],
): Promise<{ readonly stop?: BatchStop; readonly thrown: boolean }> {
  try {
    const result = await tested.attempt('mapDmaBatch', requests, (value) => value);
    return typeof result === 'object' && result !== null
      ? { stop: result as BatchStop, thrown: false }
      : { thrown: false };
  } catch {
    return { thrown: true };
  }
}

interface AfterCommand {
  readonly command: string;
  readonly held: Held;
}

/** Gives the same commands to a new target, and returns what it holds after each. */
async function heldAfterEach(
  bench: CheckBench,
  wrap: (target: DmaTarget) => DmaTarget,
): Promise<readonly AfterCommand[]> {
  const tested = await bench.makeTarget();
  const scene = await CheckScene.create(bench);
  await scene.attach(tested, wrap(tested.target));
  const after: AfterCommand[] = [];
  const run = async (command: string, pages: readonly number[], removed: readonly MemoryRange[]): Promise<void> => {
    await scene.command(command, (edit) => {
      removed.forEach((range) => {
        scene.remove(edit, range);
      });
      pages.forEach((page) => {
        scene.add(edit, bench.mapAt(page));
      });
    });
    after.push({ command, held: await tested.read() });
  };
  await run('add six mappings', [0, 1, 2, 5, 8, 20], []);
  await run('remove three of them and add three', [3, 9, 30], [bench.at(0), bench.at(2), bench.at(8)]);
  await run('remove all and add two', [0, 40], [bench.at(0, 48)]);
  await scene.run('close the manager', () => scene.manager.close());
  after.push({ command: 'close the manager', held: await tested.read() });
  return after;
}

function textOf(held: Held): string {
  if (typeof held !== 'object') {
    return held === undefined ? 'an unknown number of maps' : `${held} maps`;
  }
  return listText(held.toSorted((a, b) => a.startPage - b.startPage));
}
