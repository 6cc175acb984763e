import { expect } from 'chai';
import { serveInspector } from '../../inspect/index.js';
import { RegionManager } from '../../streams/index.js';
import { addRam } from '../../testing/index.js';
import { Serving } from '../cli/support/serving.js';
import { Inspected, openPage } from './support/inspected.js';
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
