import { expect } from 'chai';
import { addRam, RecordingTarget } from '../../testing/index.js';
import { Inspected } from './support/inspected.js';
import { manyMappings } from './support/machine.js';

const MAPPINGS = 100_000;

describe(`the page of a machine with ${MAPPINGS.toLocaleString('en-US')} mappings`, function () {
  this.timeout(60_000);

  it('has a limited number of elements and of rectangles, whatever is zoomed in on, and finds each mapping', async () => {
    const manager = await manyMappings(MAPPINGS);
    await manager.attach(new RecordingTarget({ name: 'nic' }));
    await using inspected = await Inspected.open(manager);
    const { opened } = inspected;
    const { page } = opened;
    const [width = 0, height = 0] = await opened.evaluate<number[]>(
      `(({ width, height }) => [width, height])(document.querySelector('#drawing'))`,
    );
    // Of each lane at most a rectangle, with an edge or two, in a row of pixels; and the ticks.
    const limit = 4 * height * 4;
    expect(limit).to.be.lessThan(MAPPINGS / 5);
    const expectLimited = async (): Promise<void> => {
      expect(Number(await opened.data('#drawing', 'drawn'))).to.be.within(10, limit);
      expect(await opened.evaluate('document.querySelectorAll("*").length')).to.be.within(100, 1500);
    };
    await opened.untilTextOf('#totals [data-total=mappings] b', /^100,000$/);
    await expectLimited();

    await page.click('#tab-mappings');
    await opened.untilTextOf('#mappings-table', /many/);
    expect(await opened.evaluate(`document.querySelector('#mappings-table').ariaRowCount`)).to.equal(`${MAPPINGS + 1}`);
    await opened.evaluate(`document.querySelector('#panel .scroll').scrollTo(0, 1e9)`);
    await opened.untilTextOf('#mappings-table', new RegExp(`0x${((2 * MAPPINGS - 2) * 0x1000).toString(16)}`));
    await expectLimited();

    for (const number of [2, MAPPINGS, 2 * MAPPINGS - 2]) {
      const at = `0x${number.toString(16)}000`;
      await page.click('#search', { count: 3 });
      await page.type('#search', at);
      await page.keyboard.press('Enter');
      await opened.untilTextOf('#panel [data-selected]', new RegExp(`${at}\\b`));
      await expectLimited();
    }
    await addRam(manager, '0x80000000-0x90000000', { region: 'one more' });
    await opened.untilTextOf('#log [data-entry=set]', /one more/);
    await page.click('#fit-all');
    await expectLimited();
    expect(width).to.be.greaterThan(300);
  });
});
