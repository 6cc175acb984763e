import { MemoryRange } from '../../streams/index.js';
import { slot } from '../support/scattered.js';
import { edited, failing, manyRegions, onlyMapping, type Meter, type Scene } from './scene.js';
import type { Work } from './stage.js';
import { StallTarget } from './target.js';

/** The same of many regions. */
export const regionScenes: readonly Scene[] = [
  regionsScene(
    'add mappings to many regions',
    { empty: true },
    ({ manager, regions, meter }) =>
      () =>
        edited(manager, meter, (edit) => {
          for (const region of regions) {
            edit.addMapping(region, onlyMapping());
          }
        }),
  ),
  regionsScene('add mappings to many regions, the last of which fails', { empty: true }, (stage) => {
    const { count, manager, regions, meter, target } = stage;
    target.refusesMapAt = slot(count - 1).startPage;
    return () =>
      failing(
        edited(manager, meter, (edit) => {
          for (const region of regions) {
            edit.addMapping(region, onlyMapping());
          }
        }),
      );
  }),
  regionsScene(
    'show many regions',
    { hidden: true },
    ({ manager, regions, meter }) =>
      () =>
        edited(manager, meter, (edit) => {
          for (const region of regions) {
            edit.map(region, { writable: true });
          }
        }),
  ),
  regionsScene(
    'make many regions read-only',
    {},
    ({ manager, regions, meter }) =>
      () =>
        edited(manager, meter, (edit) => {
          for (const region of regions) {
            edit.map(region, { writable: false });
          }
        }),
  ),
  regionsScene('make many regions read-only, the last fails', {}, ({ count, manager, regions, meter, target }) => {
    target.refusesMapAt = slot(count - 1).startPage;
    return () =>
      failing(
        edited(manager, meter, (edit) => {
          for (const region of regions) {
            edit.map(region, { writable: false });
          }
        }),
      );
  }),
  regionsScene(
    'remove many regions',
    {},
    ({ manager, regions, meter }) =>
      () =>
        edited(manager, meter, (edit) => {
          for (const region of regions) {
            edit.removeRegion(region);
          }
        }),
  ),
  regionsScene('remove many regions, and all unmaps fail', {}, ({ manager, regions, meter, target }) => {
    target.refusesUnmaps = true;
    return () =>
      failing(
        edited(manager, meter, (edit) => {
          for (const region of regions) {
            edit.removeRegion(region);
          }
        }),
      );
  }),
  regionsScene(
    'cover many regions',
    {},
    ({ manager }) =>
      () =>
        manager.transaction((edit) => {
          const range = MemoryRange.ofPages(0, 2 ** 36);
          edit.map(edit.addRegion({ name: 'over', type: 'ram', range, priority: 1 }), { writable: true });
        }),
  ),
  regionsScene(
    'attach to many regions',
    {},
    ({ manager, meter }) =>
      () =>
        manager.attach(new StallTarget(meter, { name: 'other' })),
  ),
  regionsScene(
    'close many regions',
    {},
    ({ manager }) =>
      () =>
        manager.close(),
  ),
  regionsScene(
    'many commands in one turn',
    { empty: true },
    ({ manager, regions, meter }) =>
      () =>
        manager
          .transaction(() => {
            // They come while this one is under way, and wait.
            meter.own(() => {
              for (const region of regions) {
                void region.map({ writable: false });
              }
            });
          })
          .then(() => manager.transaction(() => undefined)),
  ),
];

interface RegionsStage extends Awaited<ReturnType<typeof manyRegions>> {
  readonly count: number;
  readonly meter: Meter;
  readonly target: StallTarget;
}

function regionsScene(
  name: string,
  options: Parameters<typeof manyRegions>[2],
  play: (stage: RegionsStage) => Work,
): Scene {
  return {
    name,
    async setUp(count, meter) {
      const { manager, regions } = await manyRegions(count, meter, options);
      const target = new StallTarget(meter);
      await manager.attach(target);
      return play({ count, meter, manager, regions, target });
    },
  };
}
