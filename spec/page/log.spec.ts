import { expect } from 'chai';
import { addRam } from '../../testing/index.js';
import { Inspected } from './support/inspected.js';
import { smallPc } from './support/machine.js';
import type { OpenedPage } from './support/opened-page.js';

/** The generation of the entry at the top of what is seen of the log, and how far from the top of the window it is. */
async function firstSeen(opened: OpenedPage): Promise<readonly [generation: string, top: number]> {
  return opened.evaluate(`(() => {
    const edge = document.querySelector('#log .scroll').getBoundingClientRect().top;
    const seen = [...document.querySelectorAll('#log [data-entry=set]')]
      .find((entry) => entry.getBoundingClientRect().top >= edge);
    return [seen.dataset.generation, Math.round(seen.getBoundingClientRect().top)];
  })()`);
}

describe('the log of the page', () => {
  it('stays where it is read while entries come, says how many came, and goes to them', async () => {
    const manager = await smallPc();
    await using inspected = await Inspected.open(manager);
    const { opened } = inspected;
    const add = async (from: number, to: number): Promise<void> => {
      for (let number = from; number < to; number++) {
        const start = 0x1_4000_0000 + number * 0x2000;
        await addRam(manager, `0x${start.toString(16)}-0x${(start + 0x1000).toString(16)}`);
        // An entry of its own for each.
        await opened.untilTextOf('#totals', new RegExp(`regions\\s+${(6 + number).toString()}\\b`));
      }
    };
    await add(0, 40);
    await opened.until(
      () => opened.evaluate<number>('document.querySelectorAll("#log [data-entry=set]").length'),
      (count) => count >= 20,
    );
    await opened.evaluate('document.querySelector("#log .scroll").scrollTo({ top: 200 })');
    await opened.untilCalm();
    const before = await firstSeen(opened);
    await add(40, 50);
    await opened.untilTextOf('#log-newer', /[1-9]\d* (entry|entries) newer/);
    expect(await firstSeen(opened)).to.deep.equal(before);

    await opened.page.click('#log-newer');
    await opened.until(
      () => opened.data('#log [data-entry=set]', 'generation'),
      (generation) => Number(generation) >= Number(before[0]) + 10,
    );
    expect(await opened.textOf('#log-newer')).to.equal('');
  });
});
