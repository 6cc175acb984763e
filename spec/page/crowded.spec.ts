import { expect } from 'chai';
import { addRam, RecordingTarget } from '../../testing/index.js';
import { Inspected } from './support/inspected.js';
import { smallPc } from './support/machine.js';
import type { OpenedPage } from './support/opened-page.js';

/** Names of the targets that have a lane, as their titles say them. */
async function laneTitles(opened: OpenedPage): Promise<readonly string[]> {
  return opened.evaluate('[...document.querySelectorAll("[data-lane=target]")].map((head) => head.title)');
}

describe('the page of much, and of long words', () => {
  it('shows those with problems first of many targets, and all of them one after the other', async () => {
    const manager = await smallPc();
    for (let number = 0; number < 20; number++) {
      await manager.attach(new RecordingTarget({ name: `target-${number.toString()}` }));
    }
    let isBusy = false;
    const unmapDma = (): void => {
      if (isBusy) {
        throw new Error('busy');
      }
    };
    await manager.attach({ name: 'the-busy-one', mapDma: () => undefined, unmapDma });
    await using inspected = await Inspected.open(manager);
    const { opened } = inspected;
    expect(await opened.untilTextOf('.unseen', /of 21/)).to.match(/^Targets 1 to \d+ of 21, those with problems first/);
    isBusy = true;
    const vram = manager.regions.find(({ name }) => name === 'vram');
    await manager
      .transaction((edit) => {
        edit.unmap(vram ?? expect.fail('there is a vram'));
      })
      .catch(() => undefined);
    const first = await opened.until(
      () => laneTitles(opened),
      ([title = '']) => title.startsWith('the-busy-one'),
    );

    const seen = new Set(first);
    for (let steps = 0; seen.size < 21; steps++) {
      expect(steps, 'the lanes move on').to.be.lessThan(21);
      const before = await laneTitles(opened);
      await opened.page.click('#targets-forward');
      const titles = await opened.until(
        () => laneTitles(opened),
        (now) => now.join() !== before.join(),
      );
      titles.forEach((title) => seen.add(title));
    }
    expect(await opened.evaluate('document.querySelector("#targets-forward").disabled')).to.equal(true);
    isBusy = false;
  });

  for (const width of [1280, 360]) {
    it(`keeps names without spaces inside a window of ${width.toString()} pixels`, async () => {
      const manager = await smallPc();
      await addRam(manager, '0x400000000-0x440000000', { region: 'n'.repeat(5000) });
      await manager.attach(new RecordingTarget({ name: 't'.repeat(500) }));
      await using inspected = await Inspected.open(manager, {
        description: 'd'.repeat(500),
        page: { width, height: 900 },
      });
      const { opened } = inspected;
      await addRam(manager, '0x600000000-0x640000000', { region: 'k'.repeat(5000) });
      await opened.untilTextOf('#log', /kkk/);
      for (const tab of ['targets', 'selection', 'mappings', 'regions']) {
        await opened.page.click(`#tab-${tab}`);
        await opened.until(
          () => opened.data('#panel', 'tab'),
          (now) => now === tab,
        );
        // Whose right edge is beyond the window, but for what is in a box that scrolls.
        const outside = await opened.evaluate(`[...document.querySelectorAll('#app *:not(table *, .hidden)')]
          .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
          .filter((element) => element.closest('.table-panel .scroll, #readout') === null)
          .map(({ outerHTML }) => outerHTML.slice(0, 100))`);
        expect(outside, tab).to.deep.equal([]);
      }
    });
  }
});
