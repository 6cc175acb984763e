import { expect } from 'chai';
import { complainer, complaint } from '../../cli/complain.js';
import { diagnose } from '../../cli/doctor/diagnose.js';
import { examine } from '../../cli/doctor/examine.js';
import { readiness } from '../../cli/doctor/readiness.js';
import { drawDoctor } from '../../cli/output/doctor-text.js';
import { terminalOf } from '../../cli/output/terminal.js';
import { printableJson } from '../../cli/output/text.js';
import { dmaStreams, line, TemporaryTraces } from './support/command.js';

/** Clears the screen, rings, colours, turns the direction of writing, and begins a line that looks like the program's. */
const EVIL = '\u001b[2J\u0007\u009b31m\u202e\u2028\u{e0041}\ndma-streams: all is well\r\u0000';

/** Where the IOMMU of a PC has its interrupts. */
const RESERVED = { start: '0xfee00000', end: '0xfef00000' };

/** All but the ends of lines. */
const CONTROL = /[^\P{C}\n]|[\p{Zl}\p{Zp}]/u;

describe('control characters of a name', function () {
  this.timeout(30_000);

  let traces: TemporaryTraces;
  before(() => {
    traces = new TemporaryTraces();
  });
  after(() => {
    traces[Symbol.dispose]();
  });

  const part = line({ name: EVIL, start: '0x300000', end: '0x301800' });
  const warned = [line({ name: EVIL }), part, line({ ...RESERVED, name: EVIL, kind: 'ramd' })];
  const failed = [line({ name: EVIL }), line({ commit: 1, ...RESERVED, name: EVIL })];

  it('do not reach the terminal in a warning, nor in what says that a commit failed', async () => {
    for (const [lines, message] of [
      [warned, /^dma-streams: warning: .*all is well/],
      [failed, /^dma-streams: commit 1 failed: .*all is well/],
    ] as const) {
      for (const options of [['--json'], ['--quiet']]) {
        const trace = traces.write('evil.jsonl', lines);
        const { status, stderr } = await dmaStreams([
          'replay',
          trace,
          '--target',
          'soft,reserved=0xfee00000-0xfef00000',
          ...options,
        ]);
        const written = stderr.trimEnd().split('\n');
        expect(written.at(-1)).to.match(message);
        expect(written.length).to.equal(lines === warned ? 2 : 1);
        for (const text of written) {
          expect(text).to.match(/^dma-streams: (?!all is well)/);
        }
        expect(stderr).not.to.match(CONTROL);
        expect(status).to.equal(1);
      }
    }
  });

  it('do not reach the terminal in the log, the picture, the table, or the heading', async () => {
    for (const lines of [warned, failed]) {
      const trace = traces.write(`evil\u001b[2J\n${EVIL.slice(0, 4)}.jsonl`, lines);
      const { stdout } = await dmaStreams([
        'replay',
        trace,
        '--target',
        'log',
        '--target',
        'soft,reserved=0xfee00000-0xfef00000',
      ]);
      expect(stdout).to.contain('?[2J??31m???');
      expect(stdout).not.to.match(CONTROL);
      expect(stdout.split('\n').filter((text) => text.startsWith('dma-streams:'))).to.deep.equal([]);
    }
  });

  it('are escaped in JSON, which stays the same value', async () => {
    const { stdout } = await dmaStreams(['replay', traces.write('evil.jsonl', failed), '--target', 'log', '--json']);
    expect(stdout).not.to.match(CONTROL);
    const [call] = stdout.split('\n');
    expect((JSON.parse(call ?? '') as { region: string }).region).to.equal(EVIL);
    expect(stdout.trimEnd().split('\n')).to.have.length(5);
    for (const value of [EVIL, [EVIL, { [EVIL]: 1 }], 'Ærø 東京']) {
      const json = printableJson(JSON.stringify(value, undefined, 2));
      expect(JSON.parse(json)).to.deep.equal(value);
      expect(json).not.to.match(CONTROL);
    }
    expect(printableJson('"Ærø 東京"')).to.equal('"Ærø 東京"');
  });

  it('do not reach the terminal from what doctor finds', async () => {
    const facts = await examine();
    const checks = diagnose(facts).map((check) => ({
      ...check,
      says: EVIL,
      cures: [{ says: EVIL, commands: [EVIL], root: true }],
    }));
    const device = {
      ...{ address: EVIL, id: EVIL, name: EVIL, kind: EVIL, driver: EVIL },
      ...{ bound: false, foreign: true, file: null },
    };
    const report = {
      facts: { ...facts, iommu: { ...facts.iommu, ungrouped: [device] } },
      checks,
      ready: readiness(facts),
      devices: [],
      required: [],
    };
    const lines = drawDoctor(report, terminalOf({ columns: 80 }, {}));
    expect(lines.filter((text) => CONTROL.test(text) || text.includes('\n'))).to.deep.equal([]);
    expect(lines.join(' ')).to.contain('?[2J??31m???');
  });

  it('and ends of lines end no message, of those that are written first and those that are left out', () => {
    expect(complaint(`one\ntwo${EVIL}`, {})).to.match(/^dma-streams: one\?two[^\n]*\n$/);
    const written: string[] = [];
    const complain = complainer({ write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream);
    for (let count = 0; count < 30; count++) {
      complain(EVIL);
    }
    expect(written).to.have.length(21);
    expect(written.filter((text) => CONTROL.test(text) || text.indexOf('\n') !== text.length - 1)).to.deep.equal([]);
  });
});
