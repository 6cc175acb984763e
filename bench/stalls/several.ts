import { fanOut, onlyType, toTarget } from '../../streams/index.js';
import { mapping, slot } from '../support/scattered.js';
import { edited, failing, type Scene } from './scene.js';
import { scene } from './stage.js';
import { StallTarget } from './target.js';

/** Several targets, host virtual addresses, closing, and observers. */
export const severalScenes: readonly Scene[] = [
  scene('a map that fails at the second target', {}, async ({ count, manager, meter, region }) => {
    const second = new StallTarget(meter, { name: 'second' });
    await manager.attach(second);
    second.refusesMapAt = slot(count).startPage;
    return () => failing(region.addMapping(mapping(count)));
  }),
  scene('make read-only, fails at the second target', {}, async ({ count, manager, meter, region }) => {
    const second = new StallTarget(meter, { name: 'second' });
    await manager.attach(second);
    second.refusesMapAt = slot(count - 1).startPage;
    return () => failing(region.map({ writable: false }));
  }),
  scene('a branch of several, and one that fails', {}, async ({ count, manager, meter, region }) => {
    const [one, other] = [new StallTarget(meter, { name: 'one' }), new StallTarget(meter, { name: 'other' })];
    await manager.attach(fanOut(toTarget(one), (changes$) => changes$.pipe(onlyType('ram'), toTarget(other))));
    other.refusesMapAt = slot(count - 1).startPage;
    return () => failing(region.map({ writable: false }));
  }),
  scene('a branch of several is hidden from', {}, async ({ manager, meter, region }) => {
    await manager.attach(
      fanOut(toTarget(new StallTarget(meter, { name: 'one' })), (changes$) =>
        changes$.pipe(onlyType('ram'), toTarget(new StallTarget(meter, { name: 'other' }))),
      ),
    );
    return () => region.unmap();
  }),
  scene(
    'by host virtual address: hide and show',
    { needsVa: true },
    ({ region }) =>
      async () => {
        await region.unmap();
        await region.map({ writable: true });
      },
    { addresses: true },
  ),
  scene(
    'by host virtual address: one map that fails',
    { needsVa: true },
    ({ count, region, target }) => {
      target.refusesMapAt = slot(count).startPage;
      return () => failing(region.addMapping(mapping(count)));
    },
    { addresses: true },
  ),
  scene(
    'by host virtual address: close',
    { needsVa: true },
    ({ manager }) =>
      () =>
        manager.close(),
    {
      addresses: true,
    },
  ),
  scene(
    'remove a region',
    {},
    ({ region }) =>
      () =>
        region.remove(),
  ),
  scene(
    'close',
    {},
    ({ manager }) =>
      () =>
        manager.close(),
  ),
  scene('close, with a snapshot', {}, ({ manager }) => {
    const snapshot = manager.snapshot();
    return () => manager.close().then(() => snapshot);
  }),
  scene('a change that somebody watches', {}, ({ count, manager, region }) => {
    manager.shareable().subscribe();
    manager.changes().subscribe();
    manager.events$.subscribe();
    return () => region.addMapping(mapping(count));
  }),
  scene('many changes that somebody watches', {}, ({ count, manager, meter, region }) => {
    manager.shareable().subscribe();
    manager.changes().subscribe();
    manager.events$.subscribe();
    return () =>
      edited(manager, meter, (edit) => {
        for (let index = count; index < 2 * count; index++) {
          edit.addMapping(region, mapping(index));
        }
      });
  }),
  scene('somebody who comes late', {}, ({ manager }) => () => {
    manager.changes().subscribe();
    return Promise.resolve();
  }),
];
