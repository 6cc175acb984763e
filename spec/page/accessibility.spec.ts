import axe from 'axe-core';
import { expect } from 'chai';
import type { SerializedAXNode } from 'puppeteer-core';
import { addRam, RecordingTarget } from '../../testing/index.js';
import { Inspected } from './support/inspected.js';
import { smallPc } from './support/machine.js';
import type { PageOptions } from './support/opened-page.js';

/** What the focus can come to, a line each. */
const FOCUSABLE = `[...document.querySelectorAll('button:not(:disabled), input:not(:disabled), a[href], [tabindex="0"]')]
  .filter((element) => element.checkVisibility())`;

/** What has the focus, and whether that is seen. After the last control nothing has it, and then the first one again. */
const FOCUS = `(() => {
  const element = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const visible = element === document.body || (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0);
  return { index: ${FOCUSABLE}.indexOf(element), id: element.id, visible };
})()`;

interface Focus {
  readonly index: number;
  readonly id: string;
  readonly visible: boolean;
}

/** A machine at which a target has something stuck, and a long name. */
async function troubled(page: PageOptions = {}): Promise<Inspected> {
  const manager = await smallPc();
  const target = new RecordingTarget({ name: 'a-target-with-a-name-that-is-rather-long-0000:00:1f.6' });
  await manager.attach(target);
  const module = await addRam(manager, '0x140000000-0x160000000', { region: 'a module with a name '.repeat(10) });
  const inspected = await Inspected.open(manager, { page });
  target.failAll('unmap', 'EBUSY');
  await module.remove().catch(() => undefined);
  await inspected.opened.untilTextOf('#panel [data-kind=stuck]', /./);
  return inspected;
}

function nodesOf(node: SerializedAXNode | null, role: string): SerializedAXNode[] {
  const children = node?.children ?? [];
  return [...(node?.role === role ? [node] : []), ...children.flatMap((child) => nodesOf(child, role))];
}

describe('the page for everybody', () => {
  it('is usable by the keyboard alone: Tab comes to every control, and the focus is seen', async () => {
    await using inspected = await troubled();
    const { opened } = inspected;
    const { page } = opened;
    const number = await opened.evaluate<number>(`${FOCUSABLE}.length`);
    const met = new Set<number>();
    const ids = new Set<string>();
    for (let press = 0; press < number; press++) {
      await page.keyboard.press('Tab');
      const { index, id, visible } = await opened.evaluate<Focus>(FOCUS);
      expect(visible, `control ${index} ${id}`).to.be.true;
      met.add(index);
      ids.add(id);
    }
    // All but the tabs, of which one is reached by Tab and the others by the arrow keys.
    const tabs = await opened.evaluate<number>(`document.querySelectorAll('[role=tab][tabindex="-1"]').length`);
    met.delete(-1);
    expect(met.size).to.equal(number - tabs);
    const some = [
      'theme',
      'search',
      'zoom-in',
      'fit-all',
      'next-mapping',
      'fold',
      'drawing',
      'tab-targets',
      'only-failures',
    ];
    expect([...ids]).to.include.members([...some, 'live']);
    // A search, and what it finds, without a pointer.
    await page.focus('#drawing');
    await page.keyboard.press('/');
    await page.keyboard.type('vram');
    await opened.untilTextOf('#search-result', /2 found/);
    await page.keyboard.press('Enter');
    await opened.untilTextOf('#panel [data-selected]', /vram/);
  });

  it('has for a screen reader what the drawing shows: tables, names of controls, and news', async () => {
    await using inspected = await Inspected.open(await smallPc());
    const { opened, manager } = inspected;
    await opened.page.click('#tab-mappings');
    await opened.untilTextOf('#mappings-table', /vram/);
    const tree = await opened.page.accessibility.snapshot({ interestingOnly: false });
    const [table] = nodesOf(tree, 'table');
    expect(nodesOf(table ?? null, 'row').length).to.be.at.least(1 + manager.snapshot().mappings.length);
    expect(nodesOf(table ?? null, 'columnheader').length).to.be.at.least(4);
    for (const role of ['button', 'searchbox', 'slider', 'tab', 'checkbox']) {
      const nodes = nodesOf(tree, role);
      expect(nodes, role).not.to.have.length(0);
      expect(nodes.filter(({ name = '' }) => name.trim() === '')).to.deep.equal([]);
    }
    await addRam(manager, '0x140000000-0x160000000');
    await opened.untilTextOf('#live-region[aria-live=polite]', /1 change set: 1 map, 0 unmaps/);
  });

  for (const [scheme, width] of [
    ['light', 1280],
    ['dark', 1280],
    ['light', 360],
    ['dark', 360],
  ] as const) {
    it(`has no fault that axe finds, in ${scheme} colours, ${width} pixels wide, on any tab`, async () => {
      await using inspected = await troubled({ scheme, width });
      const { opened } = inspected;
      await opened.evaluate(axe.source);
      await opened.page.click('#next-mapping');
      await opened.untilTextOf('#panel [data-selected=mapping]', /low memory/);
      for (const tab of ['targets', 'selection', 'mappings', 'regions']) {
        await opened.page.click(`#tab-${tab}`);
        await opened.untilTextOf(`#panel[data-tab=${tab}]`, /./);
        const { violations } = await opened.evaluate<axe.AxeResults>('axe.run()');
        const faults = violations.flatMap(({ id, nodes }) =>
          nodes.map(({ target, failureSummary }) => `${tab}: ${id}: ${target.join(' ')}: ${failureSummary ?? ''}`),
        );
        expect(faults).to.deep.equal([]);
      }
    });
  }

  it('is light or dark as the system is, and as the user says', async () => {
    const background = 'getComputedStyle(document.body).backgroundColor';
    await using light = await Inspected.open(await smallPc(), { page: { scheme: 'light' } });
    await using dark = await Inspected.open(await smallPc(), { page: { scheme: 'dark' } });
    const [bright, black] = await Promise.all([
      light.opened.evaluate<string>(background),
      dark.opened.evaluate<string>(background),
    ]);
    expect(bright).not.to.equal(black);
    await light.opened.page.click('#theme');
    await light.opened.until(
      () => light.opened.evaluate<string>(background),
      (colour) => colour === black,
    );
    const drawn = `document.querySelector('#drawing').toDataURL()`;
    await light.opened.untilCalm();
    await dark.opened.untilCalm();
    expect((await light.opened.evaluate(drawn)) === (await dark.opened.evaluate(drawn)), 'the same drawing').to.be.true;
  });

  it('needs no scrolling to the side in a window of 360 pixels, whatever goes wrong and however long names are', async () => {
    await using inspected = await troubled({ width: 360, height: 740 });
    const { opened } = inspected;
    for (const tab of ['targets', 'selection', 'mappings', 'regions']) {
      await opened.page.click(`#tab-${tab}`);
      await opened.untilTextOf(`#panel[data-tab=${tab}]`, /./);
      expect(await opened.evaluate('document.documentElement.scrollWidth'), tab).to.equal(360);
    }
    expect(await opened.evaluate(`document.querySelector('#drawing').getBoundingClientRect().width`)).to.be.greaterThan(
      200,
    );
  });
});
