import { RecordingTarget } from '../recording-target.js';
import { CheckScene } from './check-scene.js';
import type { ContractCheck } from './contract-check.js';

/** Targets that are served at the same time. */
export const SIDE_BY_SIDE: readonly ContractCheck[] = [
  {
    name: 'serves calls while another target of its kind does',
    rule: 'DmaTarget.concurrent: calls of this target may run at the same time as calls of the targets next to it',
    applies: ({ target }) => target.concurrent === true,
    async run(bench) {
      const [a, b] = [await bench.makeTarget(), await bench.makeTarget()];
      await Promise.all([
        a.mapEach([bench.mapAt(0), bench.mapAt(1, 2)]),
        b.mapEach([bench.mapAt(4), bench.mapAt(0, 3)]),
      ]);
      await a.holds(a.mapped, 'after the maps at two targets at once, the first:');
      await b.holds(b.mapped, 'after the maps at two targets, at the second of them,');
      await Promise.all([a.unmap(bench.at(1, 2)), b.unmap(bench.at(4))]);
      await a.holds(a.mapped, 'after the unmaps at two targets, at the first of them,');
      await b.holds(b.mapped, 'after the unmaps at two targets, at the second of them,');
      await Promise.all([a.empty(), b.empty()]);
    },
  },
  {
    name: 'holds what is active beside other targets that are concurrent',
    rule: 'DmaTarget.concurrent: the maps of a set start in attach order and run concurrently',
    applies: ({ target }) => target.concurrent === true,
    async run(bench) {
      const tested = [await bench.makeTarget(), await bench.makeTarget()] as const;
      const scene = await CheckScene.create(bench);
      await scene.attach(tested[0]);
      await scene.manager.attach(new RecordingTarget({ name: 'between', concurrent: true, reply: 'async' }));
      await scene.attach(tested[1]);
      const step = async (text: string, command: () => Promise<unknown>): Promise<void> => {
        await scene.run(text, command);
        await tested[0].holds(scene.active, `after "${text}", at the first of two targets,`);
        await tested[1].holds(scene.active, `after "${text}", at the second of two targets,`);
      };
      await step('add six mappings', () =>
        scene.manager.transaction((edit) => {
          [0, 1, 2, 3, 7, 9].forEach((page) => {
            scene.add(edit, bench.mapAt(page));
          });
        }),
      );
      await step('replace three mappings', () =>
        scene.manager.transaction((edit) => {
          [1, 2, 7].forEach((page) => {
            scene.remove(edit, bench.at(page));
          });
          [bench.mapAt(1, 2), bench.mapAt(4), bench.mapAt(20, 3)].forEach((change) => {
            scene.add(edit, change);
          });
        }),
      );
      await step('unmap the region', () => scene.ram.unmap());
      await step('map the region', () => scene.ram.map({ writable: true }));
      await scene.run('close the manager', () => scene.manager.close());
      await tested[0].holds([], 'after the manager was closed, at the first of two targets,');
      await tested[1].holds([], 'after the manager was closed, at the second of two targets,');
    },
  },
];
