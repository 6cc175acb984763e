import { mapping, slot } from '../support/scattered.js';
import { failing, type Scene } from './scene.js';
import { scene } from './stage.js';
import { StallTarget } from './target.js';

/** Much is attached, detached, tried again, compared or mended. */
export const attachScenes: readonly Scene[] = [
  scene('retry what is stuck', {}, async ({ region, target, attachment }) => {
    target.refusesUnmaps = true;
    await failing(region.unmap());
    target.refusesUnmaps = false;
    return () => attachment.retryStuck();
  }),
  scene(
    'verify',
    {},
    ({ attachment }) =>
      () =>
        attachment.verify(),
  ),
  scene('verify, all is lost', {}, ({ attachment, target }) => {
    target.lose();
    return () => attachment.verify();
  }),
  scene('heal, all is lost', {}, ({ attachment, target }) => {
    target.lose();
    return () => attachment.heal();
  }),
  scene('heal, much is unexpected', {}, ({ count, attachment, target }) => {
    target.gain(Array.from({ length: count }, (_, index) => slot(count + index)));
    return () => attachment.heal();
  }),
  scene(
    'verify by count',
    { counts: true },
    ({ attachment }) =>
      () =>
        attachment.verify(),
  ),
  scene('heal by count, all is lost', { counts: true }, ({ attachment, target }) => {
    target.lose();
    return () => attachment.heal();
  }),
  scene(
    'attach',
    {},
    ({ manager, meter }) =>
      () =>
        manager.attach(new StallTarget(meter, { name: 'other' })),
  ),
  scene(
    'attach with progress',
    {},
    ({ manager, meter }) =>
      () =>
        manager.attach(new StallTarget(meter, { name: 'other', batch: true }), { onProgress: () => undefined }),
  ),
  scene('attach, the last map fails', {}, ({ count, manager, meter }) => () => {
    const other = new StallTarget(meter, { name: 'other' });
    other.refusesMapAt = slot(count - 1).startPage;
    return failing(manager.attach(other));
  }),
  scene('attach that is aborted', {}, ({ count, manager, meter }) => () => {
    const abort = new AbortController();
    let maps = 0;
    const onProgress = (): void => {
      maps += 1;
      if (maps === count - 1) {
        abort.abort();
      }
    };
    return failing(manager.attach(new StallTarget(meter, { name: 'other' }), { signal: abort.signal, onProgress }));
  }),
  scene('attach where all is stuck', {}, async ({ manager, meter, region, target }) => {
    target.refusesUnmaps = true;
    await failing(region.unmap());
    return () => manager.attach(new StallTarget(meter, { name: 'other' }));
  }),
  scene(
    'detach',
    {},
    ({ attachment }) =>
      () =>
        attachment.detach(),
  ),
  scene('detach, all unmaps fail', {}, ({ attachment, target }) => {
    target.refusesUnmaps = true;
    return () => failing(attachment.detach());
  }),
  scene('detach after a map that failed', {}, async ({ attachment, count, region, target }) => {
    target.refusesMapAt = slot(count).startPage;
    await failing(region.addMapping(mapping(count)));
    return () => attachment.detach();
  }),
];
