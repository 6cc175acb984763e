import { MemoryRange } from '../../streams/index.js';
import { mapping, slot } from '../support/scattered.js';
import { edited, failing, type Scene } from './scene.js';
import { BATCH, HIDDEN, scene, SHARED } from './stage.js';

/** Much is changed by one command, in one region with so many mappings. */
export const changeScenes: readonly Scene[] = [
  scene(
    'add mappings',
    {},
    ({ count, manager, region, meter }) =>
      () =>
        edited(manager, meter, (edit) => {
          for (let index = count; index < 2 * count; index++) {
            edit.addMapping(region, mapping(index));
          }
        }),
  ),
  scene('add mappings, the last of which fails', {}, ({ count, manager, region, meter, target }) => {
    target.refusesMapAt = slot(2 * count - 1).startPage;
    return () =>
      failing(
        edited(manager, meter, (edit) => {
          for (let index = count; index < 2 * count; index++) {
            edit.addMapping(region, mapping(index));
          }
        }),
      );
  }),
  scene('replace all mappings, the last of which fails', {}, ({ count, manager, region, meter, target }) => {
    target.refusesMapAt = slot(count - 1).startPage;
    return () =>
      failing(
        edited(manager, meter, (edit) => {
          for (let index = 0; index < count; index++) {
            edit.removeMappings(region, slot(index));
            edit.addMapping(region, mapping(index, 4096n));
          }
        }),
      );
  }),
  scene(
    'work that throws after many edits',
    {},
    ({ count, manager, region, meter }) =>
      () =>
        failing(
          edited(manager, meter, (edit) => {
            for (let index = count; index < 2 * count; index++) {
              edit.removeMappings(region, slot(index - count));
              edit.addMapping(region, mapping(index));
            }
            throw new Error('on purpose');
          }),
        ),
  ),
  scene('one map that fails', {}, ({ count, region, target }) => {
    target.refusesMapAt = slot(count).startPage;
    return () => failing(region.addMapping(mapping(count)));
  }),
  scene('a change after one map that failed', {}, async ({ count, region, target }) => {
    target.refusesMapAt = slot(count).startPage;
    await failing(region.addMapping(mapping(count)));
    target.refusesMapAt = undefined;
    return () => region.addMapping(mapping(count));
  }),
  scene('one unmap that fails', {}, ({ count, region, target }) => {
    target.refusesUnmaps = true;
    return () => failing(region.removeMappings(slot(count - 1)));
  }),
  scene(
    'remove all mappings',
    {},
    ({ region }) =>
      () =>
        region.removeMappings(MemoryRange.ofPages(0, 2 ** 36)),
  ),
  scene(
    'hide, one call for each mapping',
    {},
    ({ region }) =>
      () =>
        region.unmap(),
  ),
  scene(
    'hide, one call for all',
    SHARED,
    ({ region }) =>
      () =>
        region.unmap(),
  ),
  scene(
    'hide, a target that takes sets',
    BATCH,
    ({ region }) =>
      () =>
        region.unmap(),
  ),
  scene(
    'show',
    {},
    ({ region }) =>
      () =>
        region.map({ writable: true }),
    HIDDEN,
  ),
  scene(
    'show, a target that takes sets',
    BATCH,
    ({ region }) =>
      () =>
        region.map({ writable: true }),
    HIDDEN,
  ),
  scene(
    'show, the last map fails',
    BATCH,
    ({ count, region, target }) => {
      target.refusesMapAt = slot(count - 1).startPage;
      return () => failing(region.map({ writable: true }));
    },
    HIDDEN,
  ),
  scene(
    'make read-only',
    {},
    ({ region }) =>
      () =>
        region.map({ writable: false }),
  ),
  scene('make read-only, the last map fails', {}, ({ count, region, target }) => {
    target.refusesMapAt = slot(count - 1).startPage;
    return () => failing(region.map({ writable: false }));
  }),
  scene('hide, all unmaps fail', {}, ({ region, target }) => {
    target.refusesUnmaps = true;
    return () => failing(region.unmap());
  }),
  scene('hide, the one unmap fails', SHARED, ({ region, target }) => {
    target.refusesUnmaps = true;
    return () => failing(region.unmap());
  }),
  scene('show where all is stuck', {}, async ({ region, target }) => {
    target.refusesUnmaps = true;
    await failing(region.unmap());
    target.refusesUnmaps = false;
    return () => region.map({ writable: true });
  }),
];
