import { expect } from 'chai';
import { dmaStreams, line, TemporaryTraces } from './support/command.js';

const OVERLAYS = 'examples/traces/pc-overlays.jsonl';

interface Summary {
  readonly mappings: readonly {
    readonly range: string;
    readonly region: string;
    readonly writable: boolean;
    readonly fileOffset: string;
  }[];
  readonly dma: { readonly checked: number; readonly failed: number };
  readonly failures?: readonly { readonly commit: number; readonly code: string }[];
}

describe('dma-streams replay, of sections that overlap', function () {
  this.timeout(30_000);

  let traces: TemporaryTraces;
  before(() => {
    traces = new TemporaryTraces();
  });
  after(() => {
    traces[Symbol.dispose]();
  });

  async function summaryOf(trace: string, targets: readonly string[]): Promise<Summary> {
    const { stdout, stderr } = await dmaStreams([
      'replay',
      trace,
      '--json',
      ...targets.flatMap((name) => ['-t', name]),
    ]);
    const last = stdout.trimEnd().split('\n').at(-1) ?? stderr;
    return JSON.parse(last) as Summary;
  }

  function piecesOf({ mappings }: Summary): string[] {
    return mappings.map(
      ({ range, region, writable, fileOffset }) => `${range} ${region}+${fileOffset} ${writable ? 'rw' : 'r'}`,
    );
  }

  it('maps what shows of each, at the right place of its file, and device DMA finds the bytes of every piece', async () => {
    const summary = await summaryOf(OVERLAYS, ['soft', 'soft:iommufd', 'soft:exact']);
    expect(piecesOf(summary)).to.deep.equal([
      '0x0-0xa0000 pc.ram+0x0 rw',
      '0xc0000-0xcb000 pc.ram+0xc0000 r',
      '0xcb000-0xce000 pc.ram+0xcb000 rw',
      '0xce000-0xe8000 pc.ram+0xce000 r',
      '0xe8000-0xf0000 pc.ram+0xe8000 rw',
      '0xf0000-0x100000 pc.ram+0xf0000 r',
      '0x100000-0xbe000000 pc.ram+0x100000 rw',
      '0xbe000000-0xbf000000 ivshmem+0x0 rw',
      '0xbf800000-0xc0000000 ivshmem+0x1800000 rw',
      '0xfd000000-0xfe000000 vga.vram+0x0 rw',
      '0xffc00000-0x100000000 pflash+0x0 r',
      '0x100000000-0x140000000 pc.ram+0xbf800000 rw',
    ]);
    expect(summary.dma).to.deep.equal({ checked: 3 * (12 * 6 + 4 * 3), failed: 0 });
  });

  it('draws what is covered, and explains the fill', async () => {
    const { stdout, stderr, status } = await dmaStreams(['replay', OVERLAYS]);
    expect(stdout).to.match(/0xa0000 {2}·+ {2}vga window +128 KiB\n +╱+ {2}pc\.ram +128 KiB\n/);
    expect(stdout).to.match(/0xbf000000 {2}·+ {2}tseg +8 MiB\n +╱+ {2}ivshmem +8 MiB\n +╱+ {2}pc\.ram +8 MiB\n/);
    expect(stdout).to.contain('╱╱ covered by what is drawn above it');
    expect(stdout).to.contain('All 10 commits reached all 3 targets, and the DMA check passed.');
    expect(stderr).to.equal('');
    expect(status).to.equal(0);
  });

  it('says that nothing that shows has changed, where a section comes and goes below another', async () => {
    const hidden = { name: 'rom', kind: 'rom', end: '0x1000', priority: -1 };
    const trace = traces.write('below.jsonl', [
      line(),
      line({ commit: 1, ...hidden }),
      line({ commit: 2, op: 'remove', ...hidden }),
    ]);
    const { stdout, status } = await dmaStreams(['replay', trace]);
    expect(stdout.match(/no calls: the mappings that show have not changed/g)).to.have.length(2);
    expect(status).to.equal(0);
  });

  it('maps no page that two sections share in part', async () => {
    const trace = traces.write('shared.jsonl', [
      line({ end: '0x8000' }),
      line({ start: '0x1800', end: '0x3000', name: 'vga', offset: '0x800', priority: 1 }),
      line({ start: '0x5010', end: '0x5020', name: 'registers', kind: 'i/o', priority: 1 }),
    ]);
    expect(piecesOf(await summaryOf(trace, ['soft']))).to.deep.equal([
      '0x0-0x1000 ram0+0x0 rw',
      '0x2000-0x3000 vga+0x1000 rw',
      '0x3000-0x5000 ram0+0x3000 rw',
      '0x6000-0x8000 ram0+0x6000 rw',
    ]);
  });

  it('goes on after a commit that fails: what it could not remove stays until another section comes there', async () => {
    const overlay = { start: '0x4000', end: '0x6000', name: 'overlay', priority: 1 };
    const page = (number: number, changes: object): object =>
      line({ commit: number, name: `page ${number}`, kind: 'ram', priority: 5, ...changes });
    const lines = [
      line({ end: '0x8000' }),
      line(overlay),
      // Five mappings do not fit into four entries.
      page(1, { start: '0x10000', end: '0x11000' }),
      page(1, { start: '0x12000', end: '0x13000' }),
      page(1, { start: '0x14000', end: '0x15000' }),
      page(1, { start: '0x16000', end: '0x17000' }),
      line({ commit: 1, op: 'remove', ...overlay }),
      page(2, { start: '0x10000', end: '0x11000' }),
      page(3, { start: '0x5000', end: '0x6000' }),
    ];
    for (const commits of [3, 4]) {
      const trace = traces.write('left.jsonl', lines.slice(0, commits + 5));
      const summary = await summaryOf(trace, ['soft:iommufd,entries=4']);
      expect(summary.failures?.map(({ commit, code }) => `${commit} ${code}`)).to.deep.equal(['1 ENOSPC']);
      expect(piecesOf(summary)).to.deep.equal(
        commits === 3
          ? [
              '0x0-0x4000 ram0+0x0 rw',
              '0x4000-0x6000 overlay+0x0 rw',
              '0x6000-0x8000 ram0+0x6000 rw',
              '0x10000-0x11000 page 2+0x0 rw',
            ]
          : [
              '0x0-0x5000 ram0+0x0 rw',
              '0x5000-0x6000 page 3+0x0 rw',
              '0x6000-0x8000 ram0+0x6000 rw',
              '0x10000-0x11000 page 2+0x0 rw',
            ],
      );
      expect(summary.dma.failed).to.equal(0);
    }
  });
});
