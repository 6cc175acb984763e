import { DmaMapError, forwardTarget, type RegionEdit } from '../../streams/index.js';
import { RecordingTarget } from '../recording-target.js';
import type { CheckBench } from './check-bench.js';
import { CheckScene, FIRST_DEVICE_PAGE } from './check-scene.js';
import type { ContractCheck } from './contract-check.js';
import { thrownText } from './contract-error.js';
import type { TestedTarget } from './tested-target.js';

/** A target attached to a manager. */
export const WITH_MANAGER: readonly ContractCheck[] = [
  {
    name: 'maps at the attach what is active',
    rule: 'RegionManager.attach: maps everything that is active at the target',
    async run(bench) {
      const tested = await bench.makeTarget();
      const scene = await CheckScene.create(bench);
      await fill(bench, scene);
      await scene.attach(tested);
      await tested.holds(scene.active);
      await scene.run('close the manager', () => scene.manager.close());
      await tested.holds([]);
    },
  },
  {
    name: 'follows the changes of an attached manager',
    rule: 'DmaTarget: it holds what is active, after each command',
    async run(bench) {
      const tested = await bench.makeTarget();
      const scene = await CheckScene.create(bench);
      await scene.attach(tested);
      await follow(bench, tested, scene);
    },
  },
  {
    name: 'follows the changes behind forwardTarget, which keeps every member',
    rule: 'forwardTarget: the wrapper has each member of DmaTarget, and does the same as its target',
    async run(bench) {
      const tested = await bench.makeTarget();
      const { target } = tested;
      const wrapper = forwardTarget(target);
      for (const key of Object.keys(wrapper) as (keyof typeof wrapper)[]) {
        if (typeof wrapper[key] !== typeof target[key]) {
          throw bench.steps.breach(
            `${key} must be the same behind forwardTarget, but is ${typeof wrapper[key]} instead of ${typeof target[key]}`,
          );
        }
      }
      const scene = await CheckScene.create(bench);
      await scene.attach(tested, wrapper);
      await follow(bench, tested, scene);
    },
  },
  {
    name: 'lets a set take effect whose device map it cannot make',
    rule: 'DmaTarget.mapDma: a failed map of type device does not make the set fail; the rest of the set takes effect',
    async run(bench) {
      const tested = await bench.makeTarget();
      const scene = await CheckScene.create(bench);
      const attachment = await scene.attach(tested);
      await scene.command('add RAM and device memory', (edit) => {
        [0, 1, FIRST_DEVICE_PAGE, FIRST_DEVICE_PAGE + 3].forEach((page) => {
          scene.add(edit, bench.mapAt(page));
        });
      });
      await tested.holds(attachment.ledger().map(({ range }) => range));
      await scene.command('remove the device memory', (edit) => {
        scene.remove(edit, scene.device.range);
      });
      await tested.holds(scene.active);
    },
  },
  {
    name: 'holds what it held before when another target fails, whichever call it is',
    rule: 'RegionManager: a command with a failed map is undone at every target',
    async run(bench) {
      for (const place of ['before', 'after'] as const) {
        let hasFailed = true;
        for (let number = 0; hasFailed; number++) {
          hasFailed = await undo(bench, place, number);
          await bench.close();
        }
      }
    },
  },
  {
    name: 'is attached again after a detach, which leaves nothing',
    rule: 'Attachment.detach: unmaps what the target holds; the target can then be attached again',
    async run(bench) {
      const tested = await bench.makeTarget();
      const scene = await CheckScene.create(bench);
      await fill(bench, scene);
      for (let time = 0; time < 2; time++) {
        const attachment = await scene.attach(tested);
        await tested.holds(scene.active);
        await scene.run('detach the target', () => attachment.detach());
        await tested.holds([]);
      }
    },
  },
  {
    name: 'takes back the maps of a set in which one fails',
    rule: 'DmaTarget.mapDma and mapDmaBatch: after a failed map the library unmaps the maps that took effect, and the set leaves nothing',
    applies: ({ hasRefused }) => hasRefused,
    async run(bench) {
      const tested = await bench.makeTarget();
      const scene = await CheckScene.create(bench);
      await scene.attach(tested);
      await scene.command('add a mapping', (edit) => {
        scene.add(edit, bench.mapAt(0));
      });
      await mustFail(bench, scene, 'replace it by three mappings, one of which the target refuses', (edit) => {
        scene.remove(edit, bench.at(0));
        bench.refusedMaps().forEach(({ range, backing }) => {
          const region = edit.addRegion({ name: 'refused', range, type: 'ram', priority: 1 });
          edit.addMapping(region, { rangeInRegion: range.shift(-range.start), backing, writable: true });
          edit.map(region, { writable: true });
        });
        scene.add(edit, bench.mapAt(0, 2));
        scene.add(edit, bench.mapAt(4));
      });
      await tested.holds([bench.at(0)], 'after the command that failed');
      await scene.command('add two mappings', (edit) => {
        scene.add(edit, bench.mapAt(2));
        scene.add(edit, bench.mapAt(4));
      });
      await tested.holds(scene.active);
    },
  },
];

/** RAM: touching maps, a gap, and read-only memory in a set of its own. */
async function fill(bench: CheckBench, scene: CheckScene): Promise<void> {
  await scene.command('add four mappings', (edit) => {
    scene.add(edit, bench.mapAt(0, 2));
    scene.add(edit, bench.mapAt(2));
    scene.add(edit, bench.mapAt(6, 2, { writable: false }));
    scene.add(edit, bench.mapAt(20));
  });
}

/** Changes of every kind, and what the target holds after each. Ends with a closed manager. */
async function follow(bench: CheckBench, tested: TestedTarget, scene: CheckScene): Promise<void> {
  const step = async (text: string, command: () => Promise<unknown>): Promise<void> => {
    await scene.run(text, command);
    await tested.holds(scene.active);
  };
  await fill(bench, scene);
  await tested.holds(scene.active);
  await step('add a mapping', () => scene.manager.transaction((edit) => scene.add(edit, bench.mapAt(9))));
  await step('remove a mapping', () => scene.manager.transaction((edit) => scene.remove(edit, bench.at(2))));
  await step('replace a mapping by two', () =>
    scene.manager.transaction((edit) => {
      scene.remove(edit, bench.at(0, 2));
      scene.add(edit, bench.mapAt(0));
      scene.add(edit, bench.mapAt(1, 3, { backing: bench.fileAt(0n) }));
    }),
  );
  await step('make the region read-only', () => scene.ram.map({ writable: false }));
  await step('unmap the region', () => scene.ram.unmap());
  await step('map the region', () => scene.ram.map({ writable: true }));
  await step('close the manager', () => scene.manager.close().then(() => undefined));
  await tested.holds([]);
}

/**
 * A command of unmaps and maps, with a target beside the tested one whose call with this number fails.
 *
 * @returns whether a call failed: the command has no more calls otherwise
 */
async function undo(bench: CheckBench, place: 'before' | 'after', number: number): Promise<boolean> {
  const tested = await bench.makeTarget();
  const scene = await CheckScene.create(bench);
  const beside = new RecordingTarget({ name: 'target beside' });
  const recorded = await (place === 'before' ? scene.manager.attach(beside) : undefined);
  await scene.attach(tested);
  const attachment = recorded ?? (await scene.manager.attach(beside));
  await fill(bench, scene);
  const change = (edit: RegionEdit): void => {
    scene.remove(edit, bench.at(0, 3));
    [bench.mapAt(0), bench.mapAt(1, 2), bench.mapAt(12), bench.mapAt(13, 3)].forEach((map) => {
      scene.add(edit, map);
    });
  };
  beside.takeCalls();
  beside.failCall(number);
  const what = `replace two mappings by four; call ${number} of the target attached ${place} this one fails`;
  bench.steps.begin(what);
  const error = await scene.manager.transaction(change).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error === undefined) {
    await tested.holds(scene.active);
    return false;
  }
  if ((error as DmaMapError).target !== beside.name) {
    throw bench.steps.breach(`only the target beside may fail, but the command failed: ${thrownText(error)}`, error);
  }
  await tested.holds(scene.active, error instanceof DmaMapError ? 'after the undo' : 'after the command');
  beside.clearFailures();
  if (error instanceof DmaMapError) {
    await scene.command('the same command, without a failure', change);
  } else {
    await scene.run('unmap at the target beside what is stuck', () => attachment.retryStuck());
  }
  await tested.holds(scene.active);
  await scene.run('close the manager', () => scene.manager.close());
  await tested.holds([]);
  return true;
}

async function mustFail(
  bench: CheckBench,
  scene: CheckScene,
  text: string,
  work: (edit: RegionEdit) => void,
): Promise<void> {
  const error = await scene.attempt(text, work);
  if (!(error instanceof DmaMapError)) {
    const what = error === undefined ? 'it took effect' : `it failed: ${thrownText(error)}`;
    throw bench.steps.breach(`the command "${text}" must fail with a DmaMapError, but ${what}`, error);
  }
}
