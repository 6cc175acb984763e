import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { serveInspector } from '../../inspect/index.js';
import { RegionManager } from '../../streams/index.js';
import { addRam } from '../../testing/index.js';
import { Serving } from '../cli/support/serving.js';
import { Inspected, openPage } from './support/inspected.js';
import { droppingServer } from './support/dropping-server.js';
import { smallPc } from './support/machine.js';
import type { OpenedPage } from './support/opened-page.js';

async function untilPhase(opened: OpenedPage, phase: string): Promise<void> {
  await opened.until(
    () => opened.data('#connection', 'phase'),
    (now) => now === phase,
    phase,
  );
}

describe('the connection of the page', () => {
  it('is made again by itself when the server was killed and is there again, with what it has then', async () => {
    await using first = new Serving('watch', '--demo', '--speed', 'max', '--web');
    const url = await first.url();
    await using opened = await openPage(url);
    await opened.untilTextOf('#totals', /mappings\s+[1-9]/);
    await first.end('SIGKILL');
    await untilPhase(opened, 'disconnected');
    expect(await opened.untilTextOf('[data-banner=disconnected]', /Disconnected since/)).to.contain(
      'You see the last state that arrived. The page connects again by itself.',
    );
    expect(await opened.textOf('#totals')).to.match(/mappings\s+[1-9]/);
    expect(await opened.page.title()).to.match(/^\(disconnected\)/);

    const manager = await smallPc();
    await using again = await serveInspector(manager, { port: Number(new URL(url).port), description: 'another' });
    await untilPhase(opened, 'connected');
    await opened.untilTextOf('h1', /another/);
    await opened.untilTextOf('#totals', /regions\s+5/);
    expect(await opened.textOf('#banners')).to.equal('');
    await addRam(manager, '0x140000000-0x150000000');
    await opened.untilTextOf('#totals', /regions\s+6/);
    expect(again.url).to.equal(url);
    expect(opened.faults).to.deep.equal([]);
  });

  it('is made again by itself after an orderly end: at once when the user looks, otherwise after a while', async () => {
    for (const looks of [true, false]) {
      await using inspected = await Inspected.open(await smallPc());
      const { opened, inspector } = inspected;
      await opened.untilTextOf('#totals', /regions\s+5/);
      await inspector.close();
      await opened.untilTextOf('[data-banner=ended]', /The server has ended\. You see the last state/);
      await using next = await serveInspector(new RegionManager(), { port: Number(new URL(inspector.url).port) });
      if (looks) {
        await opened.evaluate('dispatchEvent(new FocusEvent("focus"))');
      }
      await untilPhase(opened, 'connected');
      await opened.untilTextOf('#empty', /The manager is empty/);
      expect(next.url).to.equal(inspector.url);
    }
  });

  it('is refused with what the server says, and made when there is room', async () => {
    await using inspector = await serveInspector(await smallPc());
    const others = new AbortController();
    await Promise.all(
      Array.from({ length: 32 }, () => fetch(new URL('events', inspector.url), { signal: others.signal })),
    );
    await using opened = await openPage(inspector.url);
    expect(await opened.untilTextOf('[data-banner=refused]', /./)).to.contain('32 pages are open');
    await untilPhase(opened, 'disconnected');
    others.abort();
    await untilPhase(opened, 'connected');
    await opened.untilTextOf('#totals', /regions\s+5/);
    expect(await opened.textOf('#banners')).to.equal('');
  });

  it('is tried ever more slowly while the server drops it before the state is whole', async () => {
    let served = 0;
    await using inspector = await serveInspector(await smallPc());
    await using server = await droppingServer(inspector.url, () => served++);
    await using opened = await openPage(server.url);
    await untilPhase(opened, 'disconnected');
    // Attempts follow each other after 0.5, 1, 2 and 4 s: in 5 s there are few of them. Each 0.5 s there would be ten.
    await sleep(5000);
    expect(served).to.be.within(2, 5);
  });

  it('ends with the manager, and is made again when the user says so', async () => {
    const manager = await smallPc();
    await using inspected = await Inspected.open(manager);
    const { opened, inspector } = inspected;
    await opened.untilTextOf('#totals', /regions\s+5/);
    await manager.close();
    await opened.untilTextOf('[data-banner=ended]', /The server has ended\. You see the last state/);
    await untilPhase(opened, 'ended');
    await inspector.close();

    await using next = await serveInspector(new RegionManager(), { port: Number(new URL(inspector.url).port) });
    await opened.page.click('[data-banner=ended] button');
    await untilPhase(opened, 'connected');
    await opened.untilTextOf('#empty', /The manager is empty/);
    expect(next.url).to.equal(inspector.url);
  });
});
