import { OpenPage } from '../support/inspected.js';
import type { RegionManager } from '../../streams/index.js';
import { failing, type Scene } from './scene.js';
import { BATCH, scene, type Work } from './stage.js';

/** Much is sent to a page of the inspector. */
export const inspectScenes: readonly Scene[] = [
  scene('open a page', {}, ({ manager }) => async () => {
    const page = await OpenPage.of(manager);
    await page.close();
  }),
  scene('open a page, at a target that lists what it holds', {}, async ({ manager, target, attachment }) => {
    target.lose();
    await attachment.heal();
    return async () => {
      const page = await OpenPage.of(manager);
      await page.close();
    };
  }),
  scene('unmap all while a page is open', BATCH, ({ manager, region }) => withPage(manager, () => region.unmap())),
  scene('unmap all while a page is open, all unmaps fail', {}, ({ manager, region, target }) =>
    withPage(manager, () => {
      target.refusesUnmaps = true;
      return failing(region.unmap());
    }),
  ),
];

/** Work while a page is open, until it has been sent all of it. */
async function withPage(manager: RegionManager, work: Work): Promise<Work> {
  const page = await OpenPage.of(manager);
  return async () => {
    await work();
    await page.settled();
    await page.close();
  };
}
