import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { dmaStreams, line, PACKAGE, TemporaryTraces } from './support/command.js';

const BOOT = `${PACKAGE}examples/traces/q35-boot.jsonl`;

describe('dma-streams', function () {
  this.timeout(30_000);

  it('--version prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(`${PACKAGE}package.json`, 'utf8')) as { version: string };
    expect(await dmaStreams(['--version'])).to.deep.equal({ status: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('--help, and help for a command, show examples', async () => {
    for (const [args, ...parts] of [
      [['--help'], 'Usage: dma-streams', 'replay', 'Examples:'],
      [
        ['replay', '--help'],
        'Usage: dma-streams replay',
        '--target',
        '--speed',
        '--json',
        '--quiet',
        'soft:exact',
        'Examples:',
        'Exit status',
        'skipped at a target that',
      ],
      [['help', 'replay'], 'Usage: dma-streams replay', 'Examples:'],
    ] as const) {
      const { status, stdout, stderr } = await dmaStreams(args);
      for (const part of parts) {
        expect(stdout).to.contain(part);
      }
      expect(stdout.split('\n').filter((text) => text.length > 120)).to.deep.equal([]);
      expect(stderr).to.equal('');
      expect(status).to.equal(0);
    }
  });

  describe('ends with 2, says what is wrong and what to do, and writes nothing else', () => {
    const cases: readonly (readonly [title: string, args: readonly string[], message: RegExp])[] = [
      ['an unknown command', ['examine'], /^dma-streams: unknown command 'examine'; see dma-streams --help\n$/],
      [
        'an unknown option',
        ['replay', BOOT, '--fast'],
        /^dma-streams: unknown option '--fast'; see dma-streams replay --help\n$/,
      ],
      ['no trace', ['replay'], /^dma-streams: missing required argument 'trace'; see dma-streams replay --help\n$/],
      ['two traces', ['replay', BOOT, BOOT], /^dma-streams: too many arguments .*; see dma-streams replay --help\n$/],
      [
        'an unknown speed',
        ['replay', BOOT, '--speed', 'warp'],
        /^dma-streams: option '-s, --speed <speed>' argument 'warp' is invalid\. .*max, real/,
      ],
      [
        'an option without its argument',
        ['replay', BOOT, '--target'],
        /^dma-streams: option '-t, --target <name\[:arg\]>' argument missing; see/,
      ],
      [
        'an unknown target',
        ['replay', BOOT, '--target', 'hard'],
        /^dma-streams: --target hard: there is no such target; give one of log, soft, soft:iommufd, soft:exact, vfio:ADDRESS, iommufd:ADDRESS, vhost-user:SOCKET\n$/,
      ],
      ['a target named as an object property', ['replay', BOOT, '--target', 'constructor'], /there is no such target/],
      [
        'an unknown model',
        ['replay', BOOT, '--target', 'soft:type2'],
        /^dma-streams: --target soft:type2: there is no model "type2"/,
      ],
      [
        'an unknown setting',
        ['replay', BOOT, '--target', 'soft,window=none'],
        /^dma-streams: --target soft,window=none: there is no setting "window=none" of the software IOMMU: the settings are/,
      ],
      [
        'settings where none are taken',
        ['replay', BOOT, '--target', 'log,entries=1'],
        /^dma-streams: --target log,entries=1: "log" takes no settings; give one of/,
      ],
      ['an empty model', ['replay', BOOT, '--target', 'soft:'], /there is no model ""/],
      [
        'an argument where none is taken',
        ['replay', BOOT, '--target', 'log:file'],
        /^dma-streams: --target log:file: "log" takes no argument/,
      ],
      [
        'a real IOMMU without a device',
        ['replay', BOOT, '--target', 'iommufd'],
        /^dma-streams: --target iommufd: it takes a PCI address; give iommufd:0000:00:04\.0, for instance\n$/,
      ],
      [
        'a PCI address that is none',
        ['replay', BOOT, '--target', 'vfio:00:99.0'],
        /^dma-streams: --target vfio:00:99\.0: '00:99\.0' is not a PCI address: write it as '0000:00:04\.0'/,
      ],
      ['an empty PCI address', ['replay', BOOT, '--target', 'vfio:'], /'' is not a PCI address/],
      [
        'a trace that is not there',
        ['replay', 'nowhere.jsonl'],
        /^dma-streams: cannot read nowhere\.jsonl: no such file; give the path of a trace in JSON Lines\n$/,
      ],
      ['a directory', ['replay', 'examples'], /^dma-streams: cannot read examples: it is a directory;/],
    ];
    for (const [title, args, message] of cases) {
      it(title, async () => {
        const { status, stdout, stderr } = await dmaStreams(args);
        expect(stderr).to.match(message);
        expect(stderr.trimEnd().split('\n')).to.have.length(1);
        expect(stdout).to.equal('');
        expect(status).to.equal(2);
      });
    }

    it('shows no control character of a trace or an argument, and begins no line with them', async () => {
      using traces = new TemporaryTraces();
      const evil = '\u001b[2J\u0007\u009b31m\u202e\u2028\ndma-streams: fine';
      for (const args of [
        ['replay', traces.write('json.jsonl', '\u001b[2J\u0007HACKED\n')],
        ['replay', traces.write('kind.jsonl', [line({ kind: evil })])],
        ['replay', BOOT, '--target', evil],
        ['replay', BOOT, '--speed', evil],
      ]) {
        const { status, stderr } = await dmaStreams(args);
        expect(stderr.trimEnd().split('\n')).to.have.length(1);
        expect(stderr.trimEnd()).not.to.match(/[\p{C}\p{Zl}\p{Zp}]/u);
        expect(status).to.equal(2);
      }
    });

    it('no command: prints the help', async () => {
      const { status, stdout, stderr } = await dmaStreams([]);
      expect(stderr).to.contain('Usage: dma-streams');
      expect(stdout).to.equal('');
      expect(status).to.equal(2);
    });

    it('a bad trace, by file and line, before anything was done', async () => {
      using traces = new TemporaryTraces();
      for (const [bad, message] of [
        [
          [line(), { ...line(), commit: 1, op: 'remove', name: 'other' }],
          ':2: removes 0x0-0x100000 "other" (ram, offset 0x0), which was never added so;',
        ],
        [[line(), line({ op: 'frob' })], ':2: "op" is "frob"; it must be "add" or "remove"'],
        [[{ ms: 0 }], ':1: the field "commit" is missing; it must be a whole number'],
        ['{"ms":', ':1: not JSON ('],
        [Buffer.from([0x7b, 0xff, 0x7d, 0x0a]), ':1: not valid UTF-8;'],
        ['', ': the trace is empty;'],
      ] as const) {
        const path = traces.write('bad.jsonl', bad);
        for (const options of bad.length > 1 ? [['--json']] : [[], ['--quiet']]) {
          const { status, stdout, stderr } = await dmaStreams(['replay', path, ...options]);
          expect(stderr.startsWith(`dma-streams: ${path}${message}`), stderr).to.equal(true);
          expect(stderr.trimEnd().split('\n')).to.have.length(1);
          expect(stdout).to.equal('');
          expect(status).to.equal(2);
        }
      }
    });
  });
});
