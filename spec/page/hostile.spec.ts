import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { expect } from 'chai';
import { serveInspector } from '../../inspect/index.js';
import { WAITING_MAX } from '../../inspect/server/http/event-stream.js';
import { RegionManager, type Region } from '../../streams/index.js';
import { addRam, RecordingTarget } from '../../testing/index.js';
import { Inspected, openPage } from './support/inspected.js';
import { collectGarbage } from '../binding/support/collect-garbage.js';
import { manyMappings, smallPc } from './support/machine.js';

const HOSTILE = [
  '<img src=x onerror="document.title=1">',
  '<script>document.title=1</script>',
  '"><b>bold</b>',
  '${alert(1)}',
  '\u001b[2J\u0007bell',
  '\u202egnp.exe',
  '\u2066isolated',
  'a\nb\tc',
  '\ud800 lone',
  '',
  ' ',
  'x'.repeat(10_000),
];

/** So often so many mappings come: more than what waits for a client at most, and than the buffers of the kernel. */
const ROUNDS = 8;
const MAPPINGS = 80_000;
/** In bytes, of its JSON. */
const LEAST_OF_A_MAPPING = 50;

/** In bytes: what buffers of this process keep, without what can be collected. */
function buffersNow(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

/** Status and text of an answer. */
async function ask(
  url: string,
  options: { readonly method?: string; readonly path?: string; readonly headers?: Readonly<Record<string, string>> },
): Promise<readonly [status: number | undefined, text: string]> {
  const { path = '/', ...rest } = options;
  const sent = request(new URL(path, url), rest);
  sent.end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  for await (const part of answer) {
    text += String(part);
  }
  return [answer.statusCode, text];
}

describe('the page among others', () => {
  it('shows names as text, without what could hide or turn it round', async () => {
    const manager = new RegionManager();
    for (const [index, name] of HOSTILE.entries()) {
      await addRam(manager, `0x${(index + 1).toString(16)}00000-0x${(index + 1).toString(16)}80000`, { region: name });
    }
    for (const name of HOSTILE.slice(0, 3)) {
      await manager.attach(new RecordingTarget({ name }));
    }
    await using inspected = await Inspected.open(manager, { description: `${HOSTILE[0]}\u202e\u0007` });
    const { opened } = inspected;
    await addRam(manager, '0x40000000-0x40001000', { region: '<i>new</i>' });
    await opened.untilTextOf('#log', /<i>new<\/i>/);
    let text = await opened.text();
    for (const tab of ['mappings', 'regions']) {
      await opened.page.click(`#tab-${tab}`);
      text += await opened.untilTextOf(`#${tab}-table`, /bold/);
    }
    expect(text)
      .to.contain('<script>document.title=1</script>')
      .and.contain('"><b>bold</b>')
      .and.contain('${alert(1)}');
    expect(text).not.to.match(/(?![\n\t])[\p{Cc}\p{Cs}\p{Cf}]/u);
    expect(await opened.evaluate('document.querySelectorAll("img, #app script, #app b > b, i").length')).to.equal(0);
    expect(await opened.page.title()).not.to.equal('1');
  });

  it('asks its own server alone, also when something is done in it', async () => {
    await using inspected = await Inspected.open(await smallPc());
    const { opened, inspector } = inspected;
    for (const element of await opened.page.$$('button')) {
      if (await element.isVisible()) {
        await element.click().catch(() => undefined);
      }
    }
    const paths = [...new Set(opened.requests)].filter((url) => !url.startsWith('data:')).sort();
    expect(paths).to.deep.equal(['', 'events', 'page.css', 'page.js'].map((path) => `${inspector.url}${path}`));
  });

  it('could not ask another one, nor run what is not its own: the browser refuses it', async () => {
    await using inspector = await serveInspector(await smallPc());
    await using opened = await openPage(inspector.url);
    await opened.evaluate(`fetch('http://127.0.0.2:9/').catch(() => 0)`);
    await opened.evaluate(`document.body.append(Object.assign(new Image(), { src: 'http://127.0.0.2:9/x.png' }))`);
    await opened.evaluate(
      `document.body.append(Object.assign(document.createElement('script'), { textContent: 'document.title = "1"' }))`,
    );
    await opened.until(
      () => Promise.resolve(opened.faults.filter((fault) => fault.startsWith('content security policy'))),
      (faults) => faults.length >= 3,
      'three violations',
    );
    expect(await opened.page.title()).not.to.equal('1');
    expect(opened.faults.join('\n'))
      .to.match(/connect-src/)
      .and.match(/img-src/)
      .and.match(/script-src/);
  });

  it('is not served under other names, nor to other pages, and takes no orders', async () => {
    await using inspector = await serveInspector(await smallPc());
    const { url } = inspector;
    for (const [options, status, text] of [
      [{ headers: { host: 'evil.example' } }, 403, /not served as "evil\.example"/],
      [{ headers: { host: `evil.example:${new URL(url).port}` } }, 403, /not served as/],
      [{ path: '/events', headers: { origin: 'http://evil.example' } }, 403, /Another page/],
      [{ path: '/events', headers: { 'sec-fetch-site': 'cross-site' } }, 403, /Another page/],
      [{ path: '/events', headers: { origin: 'null' } }, 403, /Another page/],
      [{ method: 'POST', path: '/events' }, 405, /changes nothing/],
      [{ method: 'DELETE' }, 405, /changes nothing/],
      [{ path: '/../package.json' }, 404, /./],
      [{ path: '/%2e%2e/%2e%2e/package.json' }, 404, /./],
      [{ headers: { host: new URL(url).host } }, 200, /<!doctype html>/i],
    ] as const) {
      const [got, said] = await ask(url, options);
      expect([got, JSON.stringify(options)]).to.deep.equal([status, JSON.stringify(options)]);
      expect(said).to.match(text);
    }
  });

  it('drops a client that does not read, and keeps nothing for it', async function () {
    this.timeout(60_000);
    const manager = await manyMappings(MAPPINGS);
    const region = manager.regions[0] as Region;
    await using inspector = await serveInspector(manager);
    const { hostname, port, host } = new URL(inspector.url);
    await using opened = await openPage(inspector.url);
    const idle = connect(Number(port), hostname);
    idle.on('error', () => undefined);
    await once(idle, 'connect');
    idle.pause();
    idle.write(`GET /events HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    const before = buffersNow();
    for (let round = 0; round < ROUNDS; round++) {
      await region.unmap();
      // The page, which reads, is not kept waiting.
      await opened.untilTextOf('#totals', /mappings\s+0\b/);
      await region.map({ writable: true });
      await opened.untilTextOf('#totals', /mappings\s+[1-9]/);
    }
    const message = MAPPINGS * LEAST_OF_A_MAPPING;
    expect(buffersNow() - before).to.be.lessThan(WAITING_MAX + 2 * message);
    // What it was sent, and has not read, is less than what there was.
    let received = 0;
    idle.on('data', (data) => (received += data.length));
    const closed = once(idle, 'close');
    idle.resume();
    await closed;
    expect(received).to.be.lessThan((ROUNDS * message) / 2);
  });
});
