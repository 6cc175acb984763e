import { expect } from 'chai';
import { dmaStreams, line, TemporaryTraces } from './support/command.js';

const IOAPIC = { start: '0xfec00000', end: '0xfec01000', name: 'ioapic', kind: 'i/o' };
const PART = { start: '0x100800', end: '0x102400', name: 'vga', offset: '0x800' };

describe('dma-streams replay, of rows as QEMU has them', function () {
  this.timeout(30_000);

  let traces: TemporaryTraces;
  before(() => {
    traces = new TemporaryTraces();
  });
  after(() => {
    traces[Symbol.dispose]();
  });

  it('maps nothing in holes, and says how many there were', async () => {
    const trace = traces.write('holes.jsonl', [
      line(),
      line({ commit: 1, ...IOAPIC }),
      line({ commit: 2, op: 'remove', ...IOAPIC }),
      line({ commit: 2, start: '0x100000', end: '0x200000', name: 'more', kind: 'nv-rom' }),
    ]);
    const text = await dmaStreams(['replay', trace]);
    expect(text.stdout).to.contain('2 memory blocks of 2 MiB in total; 1 hole');
    expect(text.stdout.replace(/\s+/g, ' ')).to.contain('1 hole ignored: no memory, or no whole page');
    expect(text.stdout).to.match(/commit 1 {2}1 hole ignored\n +0 ms {2}commit 2 {2}1 section added, 1 hole ignored\n/);
    expect(text.stdout).to.match(/\+ 0x100000-0x200000 +1 MiB {2}more {2}r\n/);
    expect(text.stdout).to.match(/✓ All 3 commits reached all 3 targets/);
    expect(text.stderr).to.equal('');
    expect(text.status).to.equal(0);

    const { status, stdout, stderr } = await dmaStreams(['replay', trace, '--json', '--target', 'soft']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.slice(0, -1)).to.deep.equal([
      '{"target":"soft","op":"map","range":"0x0-0x100000","region":"ram0","type":"ram","writable":true,"fileOffset":"0x0"}',
      '{"op":"commit","commit":0}',
      '{"op":"commit","commit":1}',
      '{"target":"soft","op":"map","range":"0x100000-0x200000","region":"more","type":"ram","writable":false,"fileOffset":"0x0"}',
      '{"op":"commit","commit":2}',
    ]);
    expect(JSON.parse(lines.at(-1) ?? '')).to.include({ holes: 1 });
    expect(stderr).to.equal('');
    expect(status).to.equal(0);
  });

  it('replays a trace of holes alone', async () => {
    const { status, stdout, stderr } = await dmaStreams(['replay', traces.write('only.jsonl', [line(IOAPIC)])]);
    expect(stdout).to.contain('nothing is mapped');
    expect(stdout).to.match(/✓ The commit reached all 3 targets, and nothing is mapped\./);
    expect(stderr).to.equal('');
    expect(status).to.equal(0);
  });

  it('rounds part pages inwards, with one warning for all of them', async () => {
    const trace = traces.write('parts.jsonl', [
      line(),
      line({ commit: 1, ...PART }),
      line({ commit: 1, start: '0x200000', end: '0x200800', name: 'tiny' }),
      line({ commit: 2, op: 'remove', ...PART }),
      line({ commit: 3, ...PART }),
    ]);
    for (const options of [['--json'], ['--quiet'], []]) {
      const { status, stdout, stderr } = await dmaStreams(['replay', trace, ...options]);
      expect(stderr).to.equal(
        `dma-streams: warning: ${trace}:2: 0x100800-0x102400 "vga" (ram, offset 0x800) does not begin and end at multiples of ` +
          '0x1000: only 0x101000-0x102000 of it is mapped; 3 sections of the trace are so, and only their whole pages are mapped\n',
      );
      if (options[0] === '--json') {
        expect(stdout).to.contain(
          '{"target":"log","op":"map","range":"0x101000-0x102000","region":"vga","type":"ram","writable":true,"fileOffset":"0x1000"}\n',
        );
        expect(stdout).to.contain('{"target":"log","op":"unmap","range":"0x101000-0x102000"}\n');
      }
      expect(status).to.equal(0);
    }
  });

  it('says of a lone section that it is too small', async () => {
    const trace = traces.write('tiny.jsonl', [line({ start: '0x200000', end: '0x200800', name: 'tiny' })]);
    const { status, stderr } = await dmaStreams(['replay', trace, '--quiet']);
    expect(stderr).to.equal(
      `dma-streams: warning: ${trace}:1: 0x200000-0x200800 "tiny" (ram, offset 0x0) does not begin and end at multiples of ` +
        '0x1000: it holds no whole page\n',
    );
    expect(status).to.equal(0);
  });

  it('ends with 2 where an end is inclusive, or start and offset are apart', async () => {
    for (const [fields, message] of [
      [
        { end: '0x2ffff' },
        '"end" is 0x2ffff, which is the last address of a page; "end" is exclusive, the address after the last: if 0x2ffff is the last one, write "0x30000"',
      ],
      [
        { start: '0x800' },
        'start 0x800 and offset 0x0 differ modulo the page size 0x1000; a page of the guest is a whole page of the memory block: correct "start" or "offset"',
      ],
    ] as const) {
      const trace = traces.write('bad.jsonl', [line({ kind: 'i/o' }), line(fields)]);
      const { status, stdout, stderr } = await dmaStreams(['replay', trace]);
      expect(stderr).to.equal(`dma-streams: ${trace}:2: ${message}\n`);
      expect(stdout).to.equal('');
      expect(status).to.equal(2);
    }
  });

  it('--help names all kinds, and what becomes of part pages', async () => {
    const { stdout } = await dmaStreams(['replay', '--help']);
    for (const kind of ['ram, nv-ram', 'rom, nv-rom', 'ramd, romd', 'i/o, container', 'multiples of 0x1000']) {
      expect(stdout).to.contain(kind);
    }
  });
});
