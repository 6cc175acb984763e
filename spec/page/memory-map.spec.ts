import { expect } from 'chai';
import { RegionManager } from '../../streams/index.js';
import { addRam, RecordingTarget } from '../../testing/index.js';
import { Inspected, openPage } from './support/inspected.js';
import { smallPc } from './support/machine.js';

/** The picture, as a number that another picture has hardly. */
const PICTURE = `(() => {
  const canvas = document.querySelector('#drawing');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return new Uint32Array(data.buffer).reduce((hash, pixel) => (Math.imul(hash, 31) + pixel) | 0, 0);
})()`;

/** All colours of the picture that a pixel in a column below the title "Guest sees" has, from the top. */
const GUEST_COLOURS = `(() => {
  const canvas = document.querySelector('#drawing');
  const lane = document.querySelector('[data-lane=guest]').getBoundingClientRect();
  const x = lane.left + lane.width - 6 - canvas.getBoundingClientRect().left;
  const { data } = canvas.getContext('2d').getImageData(Math.round(x * devicePixelRatio), 0, 1, canvas.height);
  const colours = new Set();
  for (let at = 0; at < data.length; at += 4) colours.add(data.slice(at, at + 3).join());
  return [...colours];
})()`;

async function pictureOfNewPage({ manager, inspector }: Inspected): Promise<number> {
  await using page = await openPage(inspector.url);
  await page.untilTextOf('#totals [data-total=regions] b', new RegExp(`^${manager.regions.length}$`));
  await page.untilCalm();
  return await page.evaluate<number>(PICTURE);
}

describe('the page of a machine', () => {
  it('shows its regions, its mappings and what its targets hold: as a drawing, as totals and as tables', async () => {
    const manager = await smallPc();
    await manager.attach(new RecordingTarget({ name: 'nic' }));
    await using inspected = await Inspected.open(manager, { description: 'a small PC' });
    const { opened } = inspected;

    expect(await opened.untilTextOf('h1', /PC/)).to.contain('a small PC');
    const { mappings, regions } = { mappings: manager.snapshot().mappings, regions: manager.regions };
    expect(mappings.length).to.be.greaterThan(regions.length);
    for (const [total, value] of [
      ['generation', manager.snapshot().generation],
      ['regions', regions.length],
      ['mappings', mappings.length],
      ['targets', 1],
    ] as const) {
      await opened.untilTextOf(`#totals [data-total=${total}] b`, new RegExp(`^${value}$`));
    }
    expect(await opened.textOf('#totals [data-total=regions]')).to.contain('partly hidden');
    expect(await opened.textOf('#panel [data-target]')).to.match(new RegExp(`nic\\s+held\\s+${mappings.length} `));

    await opened.page.click('#tab-mappings');
    const rows = await opened.untilTextOf('#mappings-table', /vram/);
    for (const { range, region } of mappings) {
      expect(rows).to.match(new RegExp(`0x${range.start.toString(16)}\\s+0x${range.end.toString(16)}\\s.*${region}`));
    }
    await opened.page.click('#tab-regions');
    expect(await opened.untilTextOf('#regions-table', /vga/))
      .to.contain('low memory')
      .and.contain('bios');

    // RAM, ROM, memory of a device, and nothing: more colours than a drawing of one kind has.
    await opened.untilCalm();
    const colours = (await opened.evaluate<string[]>(GUEST_COLOURS)).length;
    await using empty = await Inspected.open(new RegionManager());
    await empty.opened.untilTextOf('#empty', /No regions yet/);
    expect(colours).to.be.at.least(4 + (await empty.opened.evaluate<string[]>(GUEST_COLOURS)).length);
  });

  it('shows a hot-plug, which stands out and then is calm', async () => {
    await using inspected = await Inspected.open(await smallPc());
    const { opened, manager } = inspected;
    await opened.untilTextOf('#totals [data-total=regions] b', /^5$/);
    const before = await pictureOfNewPage(inspected);
    const module = await addRam(manager, '0x140000000-0x160000000', { region: 'a new module' });
    await opened.untilTextOf('#log [data-entry=set]', /\+1 map/);
    const standingOut = await opened.evaluate<number>(PICTURE);
    // For who comes now, nothing is new.
    const calm = await pictureOfNewPage(inspected);
    expect(new Set([before, standingOut, calm]).size).to.equal(3);
    await opened.until(
      () => opened.evaluate<number>(PICTURE),
      (picture) => picture === calm,
    );
    await module.remove();
    await opened.untilTextOf('#log [data-entry=set]', /−1 unmap/);
    await opened.until(
      () => opened.evaluate<number>(PICTURE),
      (picture) => picture === before,
    );
  });

  it('writes a name into each mapping that has room for it, and into no other, also on a fine screen', async () => {
    const manager = new RegionManager();
    await addRam(manager, '0x0-0x40000000', { region: 'large' });
    await addRam(manager, '0x40000000-0x40001000', { region: 'tiny' });
    await using inspected = await Inspected.open(manager, { page: { scale: 2 } });
    const { opened } = inspected;
    await opened.untilCalm();
    await opened.evaluate(`(() => {
      globalThis.written = [];
      const { prototype } = CanvasRenderingContext2D;
      const { fillText } = prototype;
      prototype.fillText = function (text, ...place) {
        written.push(text);
        fillText.call(this, text, ...place);
      };
    })()`);
    await addRam(manager, '0x60000000-0x60001000', { region: 'small' });
    await opened.untilTextOf('#log', /small/);
    expect(await opened.evaluate<string[]>('written'))
      .to.include('large')
      .and.not.include('tiny');
  });

  it('has a column for each target, from when it is attached until it has let go', async () => {
    const leaving = new RecordingTarget({ name: 'leaving' });
    const manager = await smallPc();
    await using inspected = await Inspected.open(manager);
    const { opened } = inspected;
    expect(await opened.untilTextOf('#no-targets', /./)).to.contain('No targets.');

    const attachment = await manager.attach(leaving);
    await opened.untilTextOf('[data-lane=target][data-state=held]', /leaving/);
    leaving.failAll('unmap');
    await attachment.detach().catch(() => undefined);
    await opened.untilTextOf('#panel [data-target][data-phase=leaving]', /leaving: it still holds something/);
    expect(await opened.data('[data-lane=target]', 'state')).to.equal('problem');
    leaving.clearFailures();
    await attachment.retryStuck();
    await opened.untilTextOf('#no-targets', /./);
    expect(await opened.data('[data-lane=target]', 'state')).to.equal('');
  });
});
