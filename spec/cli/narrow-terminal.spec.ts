import { execFile, spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { LineWriter } from '../../cli/output/line-writer.js';
import { drawDoctor } from '../../cli/output/doctor-text.js';
import { terminalOf } from '../../cli/output/terminal.js';
import { displayWidth } from '../../cli/output/text.js';
import type { Cure, DeviceFile, DoctorReport, PciDeviceFacts, Trial } from '../../cli/doctor/report.js';
import { dmaStreams, line, MAIN, PACKAGE, TemporaryTraces } from './support/command.js';

const BOOT = `${PACKAGE}examples/traces/q35-boot.jsonl`;
const LONG = 'soft:iommufd,aperture=0x0-0x8000000000,entries=100';

/** What must not be taken apart: addresses and ranges of memory, and addresses of PCI devices. */
const ADDRESSES = /0x[0-9a-f]+(?:-0x[0-9a-f]+)?|[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]/g;

const quoted = (word: string): string => `'${word.replaceAll("'", String.raw`'\''`)}'`;

/** All that the command writes to a terminal of so many columns, on standard output and standard error. */
function onTerminal(args: readonly string[], columns: number): Promise<string> {
  const command = [process.execPath, MAIN, ...args].map(quoted).join(' ');
  const env: NodeJS.ProcessEnv = { ...process.env, LANG: 'C.UTF-8', TERM: 'xterm-256color' };
  for (const name of ['NO_COLOR', 'FORCE_COLOR', 'COLUMNS', 'LC_ALL', 'LC_CTYPE']) {
    Reflect.deleteProperty(env, name);
  }
  return new Promise((resolve) => {
    const child = execFile(
      'script',
      ['-qec', `stty cols ${columns} rows 50; exec ${command}`, '/dev/null'],
      { cwd: PACKAGE, env, maxBuffer: 1 << 28 },
      (_error, stdout) => {
        resolve(stdout);
      },
    );
    child.stdin?.end();
  });
}

/** Without colours; each part of a line that is drawn over is one. */
function linesOf(shown: string): readonly string[] {
  return shown
    .replace(/\u001b\[\d*G/g, '\r')
    .replace(/\u001b(?:\[[0-9;?]*[A-Za-z]|[78])/g, '')
    .split(/[\r\n]+/);
}

function tooWide(lines: readonly string[], columns: number): readonly string[] {
  return lines.filter((text) => displayWidth(text) > columns);
}

function addressesIn(text: string): readonly string[] {
  return [...new Set(text.match(ADDRESSES) ?? [])].sort();
}

describe('dma-streams on a terminal', function () {
  this.timeout(60_000);

  before(function () {
    if (spawnSync('script', ['--version']).status !== 0) {
      console.error('SKIPPED: the specs of a narrow terminal need `script` of util-linux');
      this.skip();
    }
  });

  const traces = new TemporaryTraces();
  after(() => {
    traces[Symbol.dispose]();
  });

  const top = traces.write('top-of-the-addresses-under-a-rather-long-name-that-no-line-has-room-for.jsonl', [
    line({ name: 'a memory block with a name that is longer than a line of the terminal' }),
    line({ ms: 70, commit: 1, start: '0xfffffffffff00000', end: '0xfffffffffffff000', name: '内存'.repeat(30) }),
    line({ ms: 140, commit: 2, start: '0x380000000000', end: '0x380000100000', name: 'bar', kind: 'ramd' }),
  ]);
  const targets = (...names: readonly string[]): readonly string[] => names.flatMap((name) => ['--target', name]);
  const small = targets('log', 'soft:iommufd,aperture=0x0-0x80000000');

  const replays: readonly (readonly [title: string, args: readonly string[]])[] = [
    ['a replay', [BOOT]],
    ['targets with long names', [BOOT, ...targets('log', 'soft:exact', LONG)]],
    ['many targets', [BOOT, ...Array.from({ length: 12 }, () => ['--target', 'soft']).flat()]],
    ['commits that fail', [BOOT, ...small]],
    ['commits that fail, quietly', [BOOT, ...small, '--quiet']],
    ['long names, high addresses and what is skipped', [top, ...targets('log', 'soft:iommufd,reserved=none')]],
    ['what is skipped, quietly', [top, ...small, '--quiet']],
    ['a replay at the recorded times', [top, ...targets('log', 'soft'), '--speed', 'real']],
    ['the doctor', ['']],
  ];
  for (const [title, args] of replays) {
    it(`of 40 columns has no wider line, and all addresses whole: ${title}`, async () => {
      const command = args[0] === '' ? ['doctor'] : ['replay', ...args];
      const { stdout, stderr } = await dmaStreams(command);
      const lines = linesOf(await onTerminal(command, 40));
      expect(tooWide(lines, 40)).to.deep.equal([]);
      expect(addressesIn(lines.join('\n'))).to.deep.equal(addressesIn(stdout + stderr));
    });
  }

  const texts: readonly (readonly string[])[] = [
    [],
    ['--help'],
    ['replay', '--help'],
    ['doctor', '--help'],
    ['bind', '--help'],
    ['help', 'replay'],
    ['--version'],
    ['rewind-and-play-again-with-a-name-that-is-longer-than-the-terminal-is-wide'],
    ['replay'],
    ['replay', BOOT, '--target', 'hard'],
    ['replay', BOOT, '--target', `${LONG},window=none`],
    ['replay', 'some/where/in/a/path/that/is/longer/than/a/line/of/the/terminal/can/be.jsonl'],
    ['replay', traces.write('bad.jsonl', [line(), line({ op: 'frob' })])],
  ];
  for (const args of texts) {
    it(`of 40 columns has no wider line, and all of the text: ${['dma-streams', ...args]
      .join(' ')
      .replace(PACKAGE, '')
      .replace(/\/tmp\/\S*\//, '')}`, async () => {
      const { stdout, stderr } = await dmaStreams(args);
      const lines = linesOf(await onTerminal(args, 40));
      expect(tooWide(lines, 40)).to.deep.equal([]);
      expect(addressesIn(lines.join('\n'))).to.deep.equal(addressesIn(stdout + stderr));
      const letters = (text: string): string => text.replace(/[\s\\]/g, '');
      expect(letters(lines.join('\n'))).to.equal(letters(stdout + stderr));
    });
  }

  it('of 80 columns has no wider line either', async () => {
    for (const args of [['replay', BOOT, ...targets('log', LONG)], ['doctor'], ['--help'], ['replay', '--help']]) {
      expect(tooWide(linesOf(await onTerminal(args, 80)), 80)).to.deep.equal([]);
    }
  });
});

describe('what the doctor says of a machine with devices', () => {
  const file = (path: string): DeviceFile => ({ path, access: 'allowed' });
  const works: Trial = { works: true };
  const device = (address: string, driver: string | null): PciDeviceFacts => ({
    address,
    id: '8086:10d3',
    name: 'Intel Corporation 82574L Gigabit Network Connection',
    kind: 'serial bus controller',
    driver,
    bound: driver === 'vfio-pci',
    foreign: driver !== null && driver !== 'vfio-pci',
    file: file('/dev/vfio/devices/vfio0'),
  });
  const cure: Cure = {
    says: 'This user may not open the devices that are assigned. Until the next restart:',
    commands: [
      "echo 'options vfio_iommu_type1 allow_unsafe_interrupts=1' > /etc/modprobe.d/vfio_iommu_type1-unsafe-interrupts.conf",
      'echo 0000:00:04.0 > /sys/bus/pci/devices/0000:00:04.0/driver/unbind',
    ],
    root: true,
  };
  const report: DoctorReport = {
    facts: {
      kernel: '6.12.0',
      architecture: 'x64',
      node: { version: '20.20.2', path: '/usr/bin/node', required: '>=20.19', supported: true },
      addon: { file: null, trial: works },
      software: works,
      iommu: {
        names: '/usr/share/misc/pci.ids',
        units: ['dmar0'],
        groups: [
          {
            number: 1234,
            viable: true,
            firmwareRanges: [],
            file: file('/dev/vfio/1234'),
            devices: [device('0000:00:04.0', 'vfio-pci'), device('10000:e1:00.0', 'a_driver_of_a_long_name')],
          },
        ],
        ungrouped: [device('0000:00:05.0', null)],
        noIommuMode: [],
        interruptRemapping: true,
        virtualMachine: false,
        processor: 'intel',
      },
      vfio: { file: file('/dev/vfio/vfio'), open: works, dmaEntryLimit: 65_535, allowsUnsafeInterrupts: false },
      iommufd: { file: file('/dev/iommu'), open: works, mapsFiles: true, allowsUnsafeInterrupts: false },
      kvm: { file: file('/dev/kvm'), runs: works, slots: 32_764 },
      lockedMemory: null,
      hugePages: [],
      maxMapCount: 65_530,
    },
    checks: [{ name: 'locked memory', state: 'limited', says: `none for ${'/a/long/path'.repeat(6)}`, cures: [cure] }],
    ready: { software: true, type1: ['0000:00:04.0'], iommufd: ['0000:00:04.0'], kvm: true },
    devices: [],
    required: [{ name: 'vfio', met: true }],
  };

  function written(columns: number | undefined): readonly string[] {
    const terminal = terminalOf(columns === undefined ? {} : { columns }, {});
    const chunks: string[] = [];
    const stream = { write: (text: string) => chunks.push(text) > 0 } as unknown as NodeJS.WriteStream;
    const out = new LineWriter(stream, { live: false, limit: terminal.limit });
    for (const text of drawDoctor(report, terminal)) {
      out.writeLine(text);
    }
    out.flush();
    return linesOf(chunks.join(''));
  }

  it('has no line wider than 40 columns, and all of the devices and commands', () => {
    const lines = written(40);
    expect(tooWide(lines, 40)).to.deep.equal([]);
    expect(addressesIn(lines.join('\n'))).to.include.members(['0000:00:04.0', '0000:00:05.0']);
    expect(lines).to.include.members(['  0000:00:04.0  8086:10d3  group 1234', '  0000:00:05.0  8086:10d3  no group']);
    expect(lines.join('\n').replace(/'\\\n'|\\\n *| +/g, '')).to.contain(cure.commands[0]?.replaceAll(' ', ''));
  });

  it('has commands on one line without a terminal', () => {
    expect(written(undefined)).to.include.members(cure.commands.map((command) => `      # ${command}`));
  });
});
