import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect } from 'chai';
import { dmaStreams, line, TemporaryTraces } from './support/command.js';
import { eventsOf, Serving } from './support/serving.js';

describe('dma-streams watch --web', function () {
  this.timeout(60_000);

  const traces = new TemporaryTraces();
  const trace = traces.write('trace.jsonl', [
    line(),
    line({ commit: 1, start: '0x100000', end: '0x200000', name: 'ram1' }),
  ]);
  after(() => {
    traces[Symbol.dispose]();
  });

  it('prints one line with the URL, and serves what is watched until SIGINT, also when the source has ended', async () => {
    await using serving = new Serving('watch', trace, '--target', 'soft:exact,entries=1', '--speed', 'max', '--web');
    const url = await serving.url();
    expect(url).to.match(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    await serving.untilSaid(/^dma-streams: the source has ended; the page is served until Ctrl-C\n$/);
    const html = await (await fetch(url)).text();
    expect(html).to.match(/^<!doctype html>/i);
    // Who comes late sees what went wrong before.
    const events = await eventsOf(url, /"message":"[^"]*commit 1 failed[^"]*ENOSPC/);
    expect(events).to.contain('"phase":"ended"');
    expect(events).to.contain('trace.jsonl').and.contain('ram0').and.contain('"name":"soft:exact,entries=1"');
    const stdout = serving.stdout;
    expect(await serving.end('SIGINT')).to.equal(130);
    expect(serving.stdout).to.equal(stdout);
  });

  it('takes the word after it for the trace if that is a file, and standard input too; SIGTERM ends it with 143', async () => {
    {
      await using serving = new Serving('watch', '--web', trace);
      expect(await eventsOf(await serving.url(), 'ram0')).to.contain('trace.jsonl');
      expect(await serving.end('SIGTERM')).to.equal(143);
    }
    await using serving = new Serving('watch', '--target', 'soft:exact,entries=1', '--web', '-');
    serving.child.stdin?.write(`${JSON.stringify(line({ lines: 1, name: 'arrived' }))}\n`);
    const url = await serving.url();
    const events = eventsOf(url, /"message":"[^"]*commit 1 failed[^"]*ENOSPC/);
    await eventsOf(url, 'arrived');
    const second = line({ commit: 1, lines: 1, start: '0x100000', end: '0x200000', name: 'second' });
    serving.child.stdin?.write(`${JSON.stringify(second)}\n`);
    await events;
    serving.child.stdin?.write('nonsense\n');
    await serving.untilSaid(/^dma-streams: -:3: not JSON .*; the page is served until Ctrl-C\n$/);
    expect(await eventsOf(url, '"phase":"failed"')).to.contain('arrived');
    expect(await serving.end('SIGINT')).to.equal(2);
  });

  it('warns when others can reach the page, and not on the loopback interface', async () => {
    {
      await using serving = new Serving('watch', '--demo', '--web', '0.0.0.0:0');
      await serving.url();
      await serving.untilSaid(
        /^dma-streams: warning: who can reach port \d+ of this machine sees the memory map; without a host, /,
      );
    }
    await using serving = new Serving('watch', '--demo', '--web', 'localhost:0', '--speed', 'max');
    await serving.untilSaid(/ended/);
    expect(serving.stderr).not.to.contain('warning');
  });

  it('ends with 1, and says what to do, where the page cannot be served', async () => {
    const other = createServer();
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { readonly port: number };
    for (const [address, message] of [
      [String(port), /^dma-streams: .*EADDRINUSE.*; another program listens on port \d+ /],
      ['203.0.113.7:0', /^dma-streams: .*EADDRNOTAVAIL.*; this machine does not have that address/],
    ] as const) {
      const { status, stdout, stderr } = await dmaStreams(['watch', '--demo', '--web', address]);
      expect(stderr).to.match(message);
      expect([status, stdout]).to.deep.equal([1, '']);
    }
    other.close();
  });

  it('ends with 2, and says how it is written, if its value is no address', async () => {
    for (const [args, message] of [
      [['--demo', '--web', 'localhost'], /^dma-streams: --web takes \[HOST:\]PORT, .*"localhost".*no port/],
      [['--web', '8080'], /^dma-streams: nothing to watch: /],
      [['--web', `${trace}x`], /^dma-streams: --web takes .*a trace is written before --web, and has to exist/],
    ] as const) {
      const { status, stdout, stderr } = await dmaStreams(['watch', ...args]);
      expect(stderr).to.match(message);
      expect([status, stdout]).to.deep.equal([2, '']);
    }
  });
});
