import { createServer } from 'node:net';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { VhostUserConnection } from '../../targets/index.js';
import {
  ADD_MEM_REG,
  FakeBackEnd,
  GET_FEATURES,
  REM_MEM_REG,
  SET_FEATURES,
  type FakeBackEndOptions,
} from '../targets/vhost-user/support/fake-back-end.js';
import { commitsAt, dmaStreams, line, TemporaryTraces, type Ended } from './support/command.js';

/** RAM, ROM, and memory of a device. */
const SECTIONS = [
  line(),
  line({ start: '0x100000', end: '0x200000', name: 'bios', kind: 'rom' }),
  line({ start: '0x200000', end: '0x300000', name: 'bar', kind: 'ramd' }),
];

interface Summary {
  readonly backEnds?: readonly object[];
  readonly gone?: readonly Readonly<Record<string, unknown>>[];
  readonly failures?: readonly Readonly<Record<string, unknown>>[];
  readonly skipped?: readonly Readonly<Record<string, unknown>>[];
  readonly mappings: readonly object[];
}

describe('dma-streams replay at a vhost-user back end', function () {
  this.timeout(30_000);
  const backEnds: FakeBackEnd[] = [];
  let traces: TemporaryTraces;

  beforeEach(() => {
    traces = new TemporaryTraces();
  });

  afterEach(() => {
    for (const backEnd of backEnds.splice(0)) {
      backEnd.close();
    }
    traces[Symbol.dispose]();
  });

  async function listen(options: FakeBackEndOptions = {}): Promise<FakeBackEnd> {
    const backEnd = await FakeBackEnd.listen(options);
    backEnds.push(backEnd);
    return backEnd;
  }

  function replay(lines: readonly object[], path: string, ...more: readonly string[]): Promise<Ended> {
    return dmaStreams(['replay', traces.write('t.jsonl', lines), '--target', `vhost-user:${path}`, ...more]);
  }

  async function summaryOf(ended: Promise<Ended>): Promise<Summary & { readonly status: number }> {
    const { stdout, status } = await ended;
    return { ...(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Summary), status };
  }

  const flat = (text: string): string => text.replace(/\s+/g, ' ');
  const count = (requests: readonly number[], wanted: number): number =>
    requests.filter((request) => request === wanted).length;

  it('shares the memory, takes it away at the end, and says that this is not checked by DMA', async () => {
    const backEnd = await listen();
    const { status, stdout, stderr } = await replay(SECTIONS.slice(0, 2), backEnd.path, '--target', 'soft');

    expect(stderr).to.equal('');
    expect(flat(stdout))
      .to.contain(`Checked by DMA: soft. Not checked by DMA: vhost-user:${backEnd.path}.`)
      .and.contain('It shares 1 of 2 mappings')
      .and.contain('has answered after the last commit.')
      .and.contain('The commit reached all 2 targets');
    expect(status).to.equal(0);
    const requests = backEnd.takeRequests();
    expect(count(requests, ADD_MEM_REG)).to.equal(1);
    expect(count(requests, REM_MEM_REG)).to.equal(1);
  });

  for (const [settings, shared, status] of [
    ['', 1, 1],
    [',device=share', 2, 0],
    [',read-only=share,device=share', 3, 0],
  ] as const) {
    it(`shares what the settings say: ${settings === '' ? 'none' : settings.slice(1)}`, async () => {
      const backEnd = await listen();
      const summary = await summaryOf(replay(SECTIONS, `${backEnd.path}${settings}`, '--json'));

      const target = `vhost-user:${backEnd.path}`;
      expect(summary.backEnds).to.deep.equal([{ target, shared, of: 3, answered: true }]);
      expect(summary.skipped?.length ?? 0).to.equal(settings === '' ? 1 : 0);
      expect(summary.status).to.equal(status);
      expect(count(backEnd.takeRequests(), ADD_MEM_REG)).to.equal(shared);
    });
  }

  it('fails the commit of read-only memory with read-only=refuse', async () => {
    const { path } = await listen();
    const summary = await summaryOf(replay(SECTIONS.slice(1, 2), `${path},read-only=refuse`, '--json'));
    expect(summary.failures?.[0]).to.include({ commit: 0, code: 'EOPNOTSUPP', region: 'bios' });
    expect(summary).to.include({ status: 1 });
  });

  describe('that is gone before the end goes on without it, says since when and why, and ends with 1', () => {
    it('in a map: that commit is undone', async () => {
      const backEnd = await listen();
      backEnd.failOnce(ADD_MEM_REG, 'ack, then hang up', 1);
      const summary = await summaryOf(replay(commitsAt(0, 1, 2), backEnd.path, '--target', 'soft', '--json'));

      expect(summary.gone).to.have.lengthOf(1);
      expect(summary.gone?.[0]).to.include({ target: `vhost-user:${backEnd.path}`, commit: 1, code: 'ECONNRESET' });
      expect(summary.gone?.[0]?.['hint']).to.be.a('string');
      expect(summary.failures?.map(({ commit }) => commit)).to.deep.equal([1]);
      expect(summary.mappings).to.have.lengthOf(2);
      expect(summary.backEnds).to.deep.equal([
        { target: `vhost-user:${backEnd.path}`, shared: 0, of: 2, answered: false },
      ]);
      expect(summary.status).to.equal(1);
    });

    it('in an unmap: that commit takes effect', async () => {
      const backEnd = await listen();
      backEnd.failOnce(REM_MEM_REG, 'hang up');
      const [first, second, third] = commitsAt(0, 1, 2);
      const lines = [first, { ...second, op: 'remove', ...place(first) }, third].filter((one) => one !== undefined);
      const { stdout, stderr, status } = await replay(lines, backEnd.path, '--target', 'soft');

      expect(flat(stdout))
        .to.contain(`vhost-user:${backEnd.path} is gone since commit 1:`)
        .and.contain('closed the connection after VHOST_USER_REM_MEM_REG. Most back ends refuse a request by closing')
        .and.contain('It is gone.')
        .and.match(/✗ 1 target call failed, .*is gone since commit 1\. $/);
      expect(stdout).not.to.match(/commits? failed/);
      expect(stderr).to.contain('warning: ');
      expect(status).to.equal(1);
    });

    it('after the last commit: the check asks for an answer', async () => {
      const backEnd = await listen();
      // Two come while connecting, one after the map.
      backEnd.failOnce(GET_FEATURES, 'hang up', 3);
      const summary = await summaryOf(replay([line()], backEnd.path, '--json'));
      expect(summary.gone?.[0]).to.include({ during: 'DMA check' });
      expect(summary.status).to.equal(1);
    });

    it('when everything is unmapped', async () => {
      const backEnd = await listen();
      backEnd.failOnce(REM_MEM_REG, 'hang up');
      const summary = await summaryOf(replay([line()], backEnd.path, '--json'));
      expect(summary.gone?.[0]).to.include({ during: 'closing' });
      expect(summary.status).to.equal(1);
    });
  });

  describe('that cannot be used says why and what to do, and ends with 1', () => {
    async function complaint(path: string): Promise<string> {
      const { status, stdout, stderr } = await replay([line()], path);
      expect(stdout).to.equal('');
      expect(stderr)
        .to.match(/^dma-streams: /)
        .and.not.contain('    at ');
      expect(status).to.equal(1);
      return stderr;
    }

    it('no such socket, no socket, and nobody who listens', async () => {
      expect(await complaint(traces.path('none')))
        .to.contain('ENOENT')
        .and.contain('does not exist');
      writeFileSync(traces.path('file'), '');
      expect(await complaint(traces.path('file')))
        .to.contain('ECONNREFUSED')
        .and.contain('regular file');
    });

    it('busy with another client', async () => {
      const { path } = await listen();
      using first = await VhostUserConnection.connect(path);
      expect(await complaint(`${path},timeout=0.2`))
        .to.contain('ETIMEDOUT')
        .and.contain('one client at a time');
      await first.request(GET_FEATURES);
    });

    it('a server of another protocol', async () => {
      const path = traces.path('monitor');
      const server = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.end('{"QMP": {"version": {}}}\r\n');
      }).listen(path);
      await once(server, 'listening');
      try {
        expect(await complaint(path)).to.contain('EPROTO');
      } finally {
        server.close();
      }
    });

    it('a back end that refuses a feature', async () => {
      const { path } = await listen({ answer: ({ request }) => (request === SET_FEATURES ? 1 : undefined) });
      expect(await complaint(path))
        .to.contain('EIO')
        .and.contain('SET_FEATURES');
    });
  });
});

/** Where a section lies. */
function place(section: object | undefined): object {
  const { start, end, name } = section as Record<string, unknown>;
  return { start, end, name };
}
