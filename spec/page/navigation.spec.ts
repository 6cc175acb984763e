import { expect } from 'chai';
import { addRam } from '../../testing/index.js';
import { Inspected } from './support/inspected.js';
import { smallPc } from './support/machine.js';
import type { OpenedPage } from './support/opened-page.js';

type Window = readonly [start: number, end: number];

/** Resolves with the window when it is another one. */
async function untilMoved(opened: OpenedPage, from: Window): Promise<Window> {
  return opened.until(
    () => opened.window(),
    (window) => window.join() !== from.join(),
    'another window',
  );
}

const lengthOf = ([start, end]: Window): number => end - start;

/** The page of the address at the beginning of a text. */
const pageIn = (text: string): number => Number.parseInt(text, 16) / 4096;

/** The first page of a range that is shown, and the one after the last. */
const VRAM: Window = [0xfd000, 0xfe000];

describe('moving about in the page', () => {
  it('finds an address, and what has a name, and goes from one to the next', async () => {
    await using inspected = await Inspected.open(await smallPc());
    const { opened } = inspected;
    const { page } = opened;
    await opened.untilTextOf('#totals', /regions\s+5/);
    const all = await opened.window();

    await page.type('#search', 'vram');
    await opened.untilTextOf('#search-result', /^2 found$/);
    await page.keyboard.press('Enter');
    await opened.untilTextOf('#search-result', /^1 of 2$/);
    expect(await opened.untilTextOf('#panel [data-selected]', /vram/)).to.contain('0xfd000000-0xfe000000');
    const window = await untilMoved(opened, all);
    expect(window[0]).to.be.at.most(VRAM[0]);
    expect(window[1]).to.be.at.least(VRAM[1]);
    await page.click('#search-next');
    await opened.untilTextOf('#search-result', /^2 of 2$/);

    for (const [text, found] of [
      ['0xb0000', /vga|Nothing|addresses/i],
      ['4G', /high memory/],
      ['0x123456', /low memory/],
    ] as const) {
      await page.click('#search', { count: 3 });
      await page.type('#search', text);
      await page.keyboard.press('Enter');
      await opened.untilTextOf('#panel [data-selected]', found);
    }
    await page.click('#search', { count: 3 });
    await page.type('#search', '2M-1M');
    await opened.untilTextOf('#search-result', /^the end is not after the start$/);
    await page.click('#search', { count: 3 });
    await page.type('#search', 'no such name');
    await opened.untilTextOf('#search-result', /^nothing found$/);
  });

  it('zooms by the wheel at the pointer, by drags, and by buttons', async () => {
    await using inspected = await Inspected.open(await smallPc());
    const { opened } = inspected;
    const { page } = opened;
    await opened.untilTextOf('#totals', /regions\s+5/);
    const all = await opened.window();
    const box = await (await page.$('#drawing'))?.boundingBox();
    const { x, y, height } = box ?? { x: 0, y: 0, height: 0 };
    // A tenth from the top: that address stays where it is.
    const at = y + height / 10;
    await page.mouse.move(x + 200, at);
    const under = await opened.untilTextOf('#readout', /^0x[0-9a-f]+ · mapping of low memory/);
    await page.mouse.wheel({ deltaY: -400 });
    const zoomed = await untilMoved(opened, all);
    expect(lengthOf(zoomed)).to.be.lessThan(lengthOf(all));
    await page.mouse.move(x + 201, at);
    const still = await opened.untilTextOf('#readout', /^0x[0-9a-f]+ · mapping of low memory/);
    const [before, after] = [pageIn(under), pageIn(still)];
    expect(Math.abs(after - before)).to.be.at.most((2 * lengthOf(all)) / height);

    await page.mouse.down();
    await page.mouse.move(x + 201, at - 30);
    await page.mouse.up();
    const dragged = await untilMoved(opened, zoomed);
    expect(dragged[0]).to.be.greaterThan(zoomed[0]);

    await page.click('#zoom-in');
    const closer = await untilMoved(opened, dragged);
    expect(lengthOf(closer)).to.be.lessThan(lengthOf(dragged));
    await page.click('#zoom-out');
    expect(lengthOf(await untilMoved(opened, closer))).to.be.greaterThan(lengthOf(closer));
    await page.click('#fit-all');
    await opened.until(
      () => opened.window(),
      (window) => window.join() === all.join(),
      'the whole address space',
    );
  });

  it('obeys the keys that it names', async () => {
    await using inspected = await Inspected.open(await smallPc());
    const { opened } = inspected;
    const { page } = opened;
    await opened.untilTextOf('#totals', /regions\s+5/);
    let window = await opened.window();
    const all = window;
    await page.focus('#drawing');
    for (const [key, isRight] of [
      ['+', (now: Window, was: Window) => lengthOf(now) < lengthOf(was)],
      ['+', (now: Window, was: Window) => lengthOf(now) < lengthOf(was)],
      ['ArrowDown', (now: Window, was: Window) => now[0] > was[0]],
      ['ArrowUp', (now: Window, was: Window) => now[0] < was[0]],
      ['PageDown', (now: Window, was: Window) => now[0] > was[0]],
      ['Home', (now: Window) => now[0] <= 0],
      ['End', (now: Window, was: Window) => now[1] > was[1]],
      ['-', (now: Window, was: Window) => lengthOf(now) > lengthOf(was)],
      ['f', (now: Window) => now.join() === all.join()],
    ] as const) {
      await page.keyboard.press(key);
      const now = await untilMoved(opened, window);
      expect(isRight(now, window), `${key}: from ${window.join()} to ${now.join()}`).to.be.true;
      window = now;
    }
    await page.keyboard.press('n');
    await opened.untilTextOf('#panel [data-selected=mapping]', /low memory/);
    await page.keyboard.press('n');
    await opened.untilTextOf('#panel [data-selected=mapping]', /0xc0000/);
    await page.keyboard.press('p');
    await opened.untilTextOf('#panel [data-selected=mapping]', /first address\s+0x0\s/);
    await page.keyboard.press('Escape');
    await opened.untilTextOf('#panel', /Nothing is selected/);
    await page.keyboard.press('?');
    expect(await opened.untilTextOf('#help', /Keys/)).to.match(/N, P\s+select the next and previous mapping/);
    await page.keyboard.press('Escape');
    await opened.until(
      () => opened.evaluate<boolean>('document.querySelector("#help").open'),
      (isOpen) => !isOpen,
    );
  });

  it('goes back in time, where what comes changes nothing, and live again', async () => {
    await using inspected = await Inspected.open(await smallPc());
    const { opened, manager } = inspected;
    const { page } = opened;
    await addRam(manager, '0x140000000-0x150000000', { region: 'first' });
    await opened.untilTextOf('#log [data-entry=set]', /\+1 map/);
    await addRam(manager, '0x150000000-0x160000000', { region: 'second' });
    await opened.untilTextOf('#totals', /regions\s+7/);

    await page.click('#step-back');
    await opened.untilTextOf('[data-banner=back]', /You see the state of .*1 change set since/s);
    await opened.untilTextOf('#totals', /regions\s+6/);
    await page.click('#tab-regions');
    expect(await opened.untilTextOf('#regions-table', /first/)).not.to.contain('second');
    await addRam(manager, '0x160000000-0x170000000', { region: 'third' });
    await opened.untilTextOf('[data-banner=back]', /2 change sets since/);
    expect(await opened.textOf('#totals')).to.match(/regions\s+6/);
    await page.click('#step-back');
    await opened.untilTextOf('#totals', /regions\s+5/);
    await page.click('#step-forward');
    await opened.untilTextOf('#totals', /regions\s+6/);

    await page.click('#live');
    await opened.untilTextOf('#totals', /regions\s+8/);
    expect(await opened.textOf('[data-banner=back]')).to.equal('');
    // By an entry of the log as well.
    await page.click('#log [data-entry=set]:last-of-type .head');
    await opened.untilTextOf('#log .opened', /first/);
    await page.click('#log .opened .link:last-child');
    await opened.untilTextOf('#totals', /regions\s+6/);
    await page.click('#back-to-live');
    await opened.untilTextOf('#totals', /regions\s+8/);
  });
});
