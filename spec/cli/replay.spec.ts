import { expect } from 'chai';
import { dmaStreams, line, PACKAGE, TemporaryTraces } from './support/command.js';

const BOOT = `${PACKAGE}examples/traces/q35-boot.jsonl`;

/** Three sections come, one goes and makes room, and a PCI BAR appears. */
const SMALL = [
  line({ start: '0x0', end: '0xa0000' }),
  line({ start: '0xc0000', end: '0xe0000', name: 'pc.rom', kind: 'rom' }),
  line({ start: '0xfffc0000', end: '0x100000000', name: 'pc.bios', kind: 'rom' }),
  line({ ms: 5, commit: 3, op: 'remove', start: '0xc0000', end: '0xe0000', name: 'pc.rom', kind: 'rom' }),
  line({ ms: 5, commit: 3, start: '0xc0000', end: '0x100000', offset: '0xc0000' }),
  line({ ms: 9, commit: 4, start: '0xfd000000', end: '0xfd001000', name: 'bar', kind: 'ramd' }),
];

/** Like x86, whatever machine this is. */
const SOFT = 'soft,reserved=0xfee00000-0xfef00000';

/** A memory area that it cannot map. */
const IN_RESERVED_WINDOW = { start: '0xfee00000', end: '0xfee01000', name: 'msi' };

describe('dma-streams replay', function () {
  this.timeout(60_000);

  let traces: TemporaryTraces;
  before(() => {
    traces = new TemporaryTraces();
  });
  after(() => {
    traces[Symbol.dispose]();
  });

  describe('--json', () => {
    it('writes each target call, each commit and a summary, and nothing else', async () => {
      const { status, stdout, stderr } = await dmaStreams(['replay', traces.write('small.jsonl', SMALL), '--json']);
      const ram = (target: string): string => map(target, '0x0-0xa0000', 'ram0', 'ram', true, '0x0');
      const rom = (target: string): string => map(target, '0xc0000-0xe0000', 'pc.rom', 'ram', false, '0x0');
      const bios = (target: string): string => map(target, '0xfffc0000-0x100000000', 'pc.bios', 'ram', false, '0x0');
      const shadow = (target: string): string => map(target, '0xc0000-0x100000', 'ram0', 'ram', true, '0xc0000');
      const bar = (target: string): string => map(target, '0xfd000000-0xfd001000', 'bar', 'device', true, '0x0');
      expect(stdout.split('\n')).to.deep.equal([
        ...['log', 'soft', 'soft:iommufd'].flatMap((target) => [ram(target), rom(target), bios(target)]),
        '{"op":"commit","commit":0}',
        ...['soft:iommufd', 'soft', 'log'].map((target) => unmap(target, '0xc0000-0xe0000')),
        ...['log', 'soft', 'soft:iommufd'].map(shadow),
        '{"op":"commit","commit":3}',
        ...['log', 'soft', 'soft:iommufd'].map(bar),
        '{"op":"commit","commit":4}',
        '{"op":"summary","mappings":[' +
          '{"range":"0x0-0xa0000","region":"ram0","writable":true,"fileOffset":"0x0"},' +
          '{"range":"0xc0000-0x100000","region":"ram0","writable":true,"fileOffset":"0xc0000"},' +
          '{"range":"0xfd000000-0xfd001000","region":"bar","writable":true,"fileOffset":"0x0"},' +
          '{"range":"0xfffc0000-0x100000000","region":"pc.bios","writable":false,"fileOffset":"0x0"}],' +
          '"targets":[{"name":"log","maps":5,"unmaps":1,"failed":0},{"name":"soft","maps":5,"unmaps":1,"failed":0},' +
          '{"name":"soft:iommufd","maps":5,"unmaps":1,"failed":0}],' +
          // Two devices; 3 places in 4 mappings, both ways; and 3 writes to read-only memory that fault.
          '"dma":{"checked":54,"failed":0}}',
        '',
      ]);
      expect(stderr).to.equal('');
      expect(status).to.equal(0);
    });

    it("replays a machine's boot, and every DMA check passes", async () => {
      const { status, stdout } = await dmaStreams(['replay', BOOT, '--json']);
      const lines = stdout
        .trimEnd()
        .split('\n')
        .map((text) => JSON.parse(text) as Record<string, unknown>);
      expect(lines.filter(({ op }) => op === 'commit').map(({ commit }) => commit)).to.deep.equal([
        0, 1, 2, 3, 4, 5, 6, 7,
      ]);
      const summary = lines.at(-1) as unknown as Summary;
      expect(summary.mappings.map(({ range, writable }) => `${range} ${writable ? 'rw' : 'r'}`)).to.deep.equal([
        '0x0-0xa0000 rw',
        '0xc0000-0xcb000 r',
        '0xcb000-0xce000 rw',
        '0xce000-0xe8000 r',
        '0xe8000-0xf0000 rw',
        '0xf0000-0x100000 r',
        '0x100000-0x80000000 rw',
        '0xfd000000-0xfe000000 rw',
        '0xfffc0000-0x100000000 r',
        '0x100000000-0x120000000 rw',
        '0x120000000-0x130000000 rw',
      ]);
      expect(summary.dma).to.deep.equal({ checked: 2 * (7 * 6 + 4 * 9), failed: 0 });
      expect(status).to.equal(0);
    });

    it('names targets as they were asked for, the second of a name apart, in attach order', async () => {
      const trace = traces.write('one.jsonl', [line()]);
      const args = ['soft:exact', 'soft', 'log', 'soft:type1v2', 'log'].flatMap((target) => ['--target', target]);
      const { stdout } = await dmaStreams(['replay', trace, '--json', ...args]);
      const names = ['soft:exact', 'soft', 'log', 'soft-2', 'log-2'];
      const lines = stdout.trimEnd().split('\n');
      expect(lines.slice(0, 5)).to.deep.equal(
        names.map((name) => map(name, '0x0-0x100000', 'ram0', 'ram', true, '0x0')),
      );
      expect((JSON.parse(lines.at(-1) ?? '') as Summary).targets.map(({ name }) => name)).to.deep.equal(names);
    });

    it('calls no target for what goes and comes back as it was', async () => {
      const trace = traces.write('back.jsonl', [line(), line({ commit: 1, op: 'remove' }), line({ commit: 1 })]);
      const { stdout } = await dmaStreams(['replay', trace, '--json', '--target', 'log']);
      expect(stdout.split('\n').slice(0, 3)).to.deep.equal([
        map('log', '0x0-0x100000', 'ram0', 'ram', true, '0x0'),
        '{"op":"commit","commit":0}',
        '{"op":"commit","commit":1}',
      ]);
    });

    it('has no DMA to check where only a log listens', async () => {
      const { status, stdout } = await dmaStreams(['replay', BOOT, '--json', '--target', 'log']);
      expect((JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Summary).dma).to.deep.equal({
        checked: 0,
        failed: 0,
      });
      expect(status).to.equal(0);
    });
  });

  describe('when a target fails', () => {
    it('shows the failed call, undoes the commit at every target, goes on without it, and ends with 1', async () => {
      const trace = traces.write('reserved.jsonl', [
        line(),
        line({ commit: 1, start: '0x100000', end: '0x200000', offset: '0x100000' }),
        line({ commit: 1, ...IN_RESERVED_WINDOW }),
        line({ commit: 2, op: 'remove', ...IN_RESERVED_WINDOW }),
        line({ commit: 2, start: '0x200000', end: '0x300000', offset: '0x200000' }),
      ]);
      const { status, stdout, stderr } = await dmaStreams([
        'replay',
        trace,
        '--json',
        '--target',
        'log',
        '--target',
        SOFT,
      ]);
      const second = (target: string): string => map(target, '0x100000-0x200000', 'ram0', 'ram', true, '0x100000');
      const msi = (target: string): string => map(target, '0xfee00000-0xfee01000', 'msi', 'ram', true, '0x0');
      const third = (target: string): string => map(target, '0x200000-0x300000', 'ram0', 'ram', true, '0x200000');
      const lines = stdout.trimEnd().split('\n');
      expect(lines.slice(3, 7)).to.deep.equal([
        second('log'),
        msi('log'),
        second(SOFT),
        msi(SOFT).replace('}', ',"failed":"EINVAL"}'),
      ]);
      const undone = lines.slice(7, lines.indexOf('{"op":"commit","commit":1}'));
      expect(undone).to.have.members([
        unmap(SOFT, '0x100000-0x200000'),
        unmap('log', '0x100000-0x200000'),
        unmap('log', '0xfee00000-0xfee01000'),
      ]);
      expect(lines.slice(lines.indexOf('{"op":"commit","commit":1}') + 1, -1)).to.deep.equal([
        third('log'),
        third(SOFT),
        '{"op":"commit","commit":2}',
      ]);
      const summary = JSON.parse(lines.at(-1) ?? '') as Summary;
      expect(summary.mappings.map(({ range }) => range)).to.deep.equal(['0x0-0x100000', '0x200000-0x300000']);
      expect(summary.targets[1]).to.deep.equal({ name: SOFT, maps: 3, unmaps: 1, failed: 1 });
      expect(summary.dma).to.deep.equal({ checked: 12, failed: 0 });
      expect(stderr).to.match(/^dma-streams: commit 1 failed: EINVAL: /);
      expect(status).to.equal(1);
    });

    it('takes away what a failed commit left when its place is needed', async () => {
      const trace = traces.write('left.jsonl', [
        line(),
        line({ commit: 1, op: 'remove' }),
        line({ commit: 1, ...IN_RESERVED_WINDOW }),
        line({ commit: 2, end: '0x80000', name: 'new' }),
        line({ commit: 3, op: 'remove', end: '0x80000', name: 'new' }),
      ]);
      const { status, stdout } = await dmaStreams(['replay', trace, '--json', '--target', SOFT]);
      const lines = stdout.trimEnd().split('\n');
      expect(lines.slice(lines.indexOf('{"op":"commit","commit":1}') + 1, -1)).to.deep.equal([
        unmap(SOFT, '0x0-0x100000'),
        map(SOFT, '0x0-0x80000', 'new', 'ram', true, '0x0'),
        '{"op":"commit","commit":2}',
        unmap(SOFT, '0x0-0x80000'),
        '{"op":"commit","commit":3}',
      ]);
      expect(status).to.equal(1);
    });

    it('imitates another machine by the settings of a target, whose name is the whole text', async () => {
      const trace = traces.write('arm64.jsonl', [line({ start: '0x40000000', end: '0x540000000', name: 'dimm1' })]);
      const asked = ['soft,reserved=none', 'soft:iommufd,reserved=0x1000-0x2000,reserved=0x3000-0x4000'];
      const { status, stdout } = await dmaStreams([
        'replay',
        trace,
        '--json',
        ...asked.flatMap((one) => ['--target', one]),
      ]);
      const lines = stdout.trimEnd().split('\n');
      expect(lines.slice(0, 3)).to.deep.equal([
        ...asked.map((name) => map(name, '0x40000000-0x540000000', 'dimm1', 'ram', true, '0x0')),
        '{"op":"commit","commit":0}',
      ]);
      expect(status).to.equal(0);
    });

    it('keeps to the settings of a target', async () => {
      const trace = traces.write('small.jsonl', [line({ start: '0x0', end: '0x1000' })]);
      for (const settings of ['reserved=0x0-0x1000', 'aperture=0x1000-0x2000', 'entries=0']) {
        const { status, stderr } = await dmaStreams(['replay', trace, '--json', '--target', `soft:exact,${settings}`]);
        expect(stderr).to.match(/dma-streams: commit 0 failed/);
        expect(status).to.equal(1);
      }
    });

    it('goes on without a BAR that a target cannot map, and still ends with 1', async () => {
      const trace = traces.write('bar.jsonl', [line(), line({ ...IN_RESERVED_WINDOW, kind: 'ramd' })]);
      const { status, stdout, stderr } = await dmaStreams(['replay', trace, '--json', '--target', SOFT]);
      const lines = stdout.trimEnd().split('\n');
      expect(lines[1]).to.equal(
        map(SOFT, '0xfee00000-0xfee01000', 'msi', 'device', true, '0x0').replace('}', ',"failed":"EINVAL"}'),
      );
      expect(lines[2]).to.equal('{"op":"commit","commit":0}');
      expect((JSON.parse(lines.at(-1) ?? '') as Summary).dma).to.deep.equal({ checked: 6, failed: 0 });
      expect(stderr).to.match(/^dma-streams: warning: .*msi/);
      expect(status).to.equal(1);
    });

    it('says so to people, with the reason, and what was undone', async () => {
      const trace = traces.write('reserved.jsonl', [line(), line({ commit: 1, ...IN_RESERVED_WINDOW })]);
      const { status, stdout } = await dmaStreams(['replay', trace, '--target', 'log', '--target', SOFT]);
      expect(stdout).to.match(/✗ soft\S* cannot map 0xfee00000-0xfee01000: EINVAL/);
      expect(stdout).to.match(/failed and was undone at every target: EINVAL/);
      expect(stdout.trimEnd().split('\n').at(-1)).to.equal('✗ 1 of 2 commits failed, 1 target call failed.');
      expect(status).to.equal(1);
    });
  });

  describe('for people', () => {
    it('shows each commit, the address space, the targets and the DMA check', async () => {
      const { status, stdout, stderr } = await dmaStreams(['replay', BOOT]);
      expect(stdout).to.match(/^Replay of q35-boot.jsonl\n {2}21 lines in 8 commits over 13\.2 s, 7 memory blocks/);
      expect(stdout).to.match(/97 ms {2}commit 5 {2}1 section removed, 6 added\n {6}- 0xc0000-0x80000000 {6}/);
      expect(stdout).to.match(/0xcb000 {2}▇+ {2}ram0 +12 KiB {2}rw +● +● +●\n/);
      expect(stdout).to.match(/0xa0000 {2}·+ {2}hole +128 KiB\n/);
      expect(stdout).to.match(/│ soft:iommufd │ +16 │ +5 │ +0 │ +11 │ 2\.77 GiB │/);
      expect(stdout).to.contain('156 checks at 2 devices, 24 of them expecting a fault: all passed');
      expect(stdout).to.match(/✓ All 8 commits reached all 3 targets, and the DMA check passed\. \d+ ms\.\n$/);
      expect(stdout).not.to.contain('\u001b');
      expect(stderr).to.equal('');
      expect(status).to.equal(0);
    });

    it('stays within the width of the terminal', async () => {
      for (const width of [60, 80, 120]) {
        const { stdout } = await dmaStreams(['replay', BOOT], { env: { COLUMNS: String(width) } });
        const tooLong = stdout.split('\n').filter((text) => text.length > width);
        expect(tooLong, `at ${width} columns`).to.deep.equal([]);
      }
    });

    it('--quiet says only how it ended', async () => {
      const { status, stdout, stderr } = await dmaStreams(['replay', BOOT, '--quiet']);
      expect(stdout).to.match(/^✓ All 8 commits reached all 3 targets, [^\n]*\n$/);
      expect(stderr).to.equal('');
      expect(status).to.equal(0);
    });

    it('keeps to ASCII in the C locale, and colours where they are asked for', async () => {
      const plain = await dmaStreams(['replay', BOOT], { env: { LC_ALL: 'C' } });
      expect(/[^\n\x20-\x7e]/.exec(plain.stdout)).to.equal(null);
      const coloured = await dmaStreams(['replay', BOOT], { env: { FORCE_COLOR: '1' } });
      expect(coloured.stdout).to.contain('\u001b[32m');
      const refused = await dmaStreams(['replay', BOOT], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } });
      expect(refused.stdout).not.to.contain('\u001b');
    });

    it('lets no name of a trace move the cursor', async () => {
      const { stdout } = await dmaStreams([
        'replay',
        traces.write('escape.jsonl', [line({ name: '\u001b[2Jram\u0007' })]),
      ]);
      expect(stdout).to.contain('?[2Jram?');
      expect(stdout).not.to.contain('\u001b');
    });
  });

  it('--speed real keeps the recorded times', async () => {
    const trace = traces.write('slow.jsonl', [line({ ms: 1000 }), line({ ms: 1400, commit: 1, op: 'remove' })]);
    const { status, stdout } = await dmaStreams(['replay', trace, '--speed', 'real', '--quiet']);
    const took = / (\d+) ms\.\n$/.exec(stdout)?.[1];
    expect(Number(took)).to.be.within(400, 900);
    expect(status).to.equal(0);
  });

  it('reads a trace from standard input', async () => {
    const { status, stdout } = await dmaStreams(['replay', '-', '--quiet'], { input: JSON.stringify(line()) });
    expect(stdout).to.match(/^✓ The commit reached all 3 targets/);
    expect(status).to.equal(0);
  });

  it('follows a trace whose addresses are beyond those of a process', async () => {
    const high = { start: '0xc00000000000', end: '0xc00000200000' };
    const { status, stdout, stderr } = await dmaStreams(['replay', traces.write('high.jsonl', [line(high)]), '--json']);
    expect((JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Summary).dma).to.deep.equal({
      checked: 12,
      failed: 0,
    });
    expect(stderr).to.equal('');
    expect(status).to.equal(0);
  });

  it('fails a commit with more memory than a process has addresses; a log alone follows it', async () => {
    const trace = traces.write('vast.jsonl', [line({ end: '0xc00000000000' })]);
    const { status, stdout } = await dmaStreams(['replay', trace, '--quiet', '--target', 'soft:iommufd']);
    expect(stdout).to.match(/^✗ 1 of 1 commit failed/);
    expect(status).to.equal(1);
    const { stderr } = await dmaStreams(['replay', trace, '--quiet']);
    expect(stderr).to.match(/commit 0 failed: ENOMEM: cannot map "ram0": no free addresses for 192 TiB/);

    const log = await dmaStreams(['replay', trace, '--quiet', '--target', 'log']);
    expect(log.stdout).to.match(/^✓ The commit reached the target/);
    expect(log.status).to.equal(0);
  });

  it('ends with 1, and writes nothing, where the device of a real IOMMU is not there', async () => {
    const trace = traces.write('small.jsonl', SMALL);
    for (const target of ['vfio', 'iommufd']) {
      const { status, stdout, stderr } = await dmaStreams([
        'replay',
        trace,
        ...['--target', 'log', '--target', `${target}:ffff:7f:1f.7`],
      ]);
      expect(stderr).to.equal(
        'dma-streams: ENODEV: there is no PCI device ffff:7f:1f.7; lspci -D lists the devices.\n',
      );
      expect(stdout).to.equal('');
      expect(status).to.equal(1);
    }
  });
});

interface Summary {
  readonly mappings: readonly { readonly range: string; readonly writable: boolean }[];
  readonly targets: readonly { readonly name: string }[];
  readonly dma: { readonly checked: number; readonly failed: number };
}

function map(
  target: string,
  range: string,
  region: string,
  type: string,
  writable: boolean,
  fileOffset: string,
): string {
  return `{"target":"${target}","op":"map","range":"${range}","region":"${region}","type":"${type}","writable":${writable},"fileOffset":"${fileOffset}"}`;
}

function unmap(target: string, range: string): string {
  return `{"target":"${target}","op":"unmap","range":"${range}"}`;
}
