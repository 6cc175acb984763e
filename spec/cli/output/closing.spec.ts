import { expect } from 'chai';
import { closingLine, describeBackEnds, describeDmaCheck, describeGone } from '../../../cli/output/closing.js';
import { terminalOf } from '../../../cli/output/terminal.js';
import { succeeded, type ReplayReport } from '../../../cli/replay/report.js';

const target = { name: 'soft', description: '', maps: 1, unmaps: 0, failed: 0, held: [] };
const commit = { number: 0, ms: 0, removes: [], adds: [], holes: 0 };
const passed = { checked: 6, failed: 0, targets: ['soft'], faults: 0, failures: [] };

const well: ReplayReport = {
  trace: {
    path: 't',
    lineCount: 1,
    commits: [commit],
    blocks: new Map(),
    holes: 0,
    rounded: undefined,
    hasPriorities: false,
  },
  mappings: [],
  layers: { covered: [], windows: [] },
  targets: [target],
  failedCommits: 0,
  failures: [],
  skipped: [],
  dma: passed,
  backEnds: [],
  gone: [],
  milliseconds: 12,
};

describe('how a replay ended', () => {
  it('is well when every commit, call, check and the closing went well', () => {
    expect(succeeded(well)).to.equal(true);
    for (const failure of [
      { failedCommits: 1 },
      { targets: [target, { ...target, failed: 1 }] },
      { dma: { ...passed, failed: 1 } },
      { closingError: new Error('stuck') },
      { interrupted: { commits: 1, during: 'DMA check' } },
      { gone: [{ target: 'disk', commit: 0, reason: 'ended' }] },
    ] as const) {
      expect(succeeded({ ...well, ...failure }), Object.keys(failure).join()).to.equal(false);
    }
  });

  it('says how far it came when it was interrupted, and whether everything was unmapped', () => {
    const interrupted = { ...well, interrupted: { commits: 1, during: 'commits' } } as const;
    expect(closingLine(interrupted)).to.equal('Interrupted after commit 1 of 1; target unmapped and detached.');
    expect(
      closingLine({ ...interrupted, targets: [target, target], interrupted: { commits: 0, during: 'DMA check' } }),
    ).to.equal('Interrupted after commit 0 of 1 (DMA check); targets unmapped and detached.');
    expect(closingLine({ ...interrupted, closingError: new Error('busy') })).to.equal(
      'Interrupted after commit 1 of 1, not everything could be unmapped at the end: busy.',
    );
  });

  it('is said in a sentence', () => {
    expect(closingLine(well)).to.equal('The commit reached the target, and the DMA check passed. 12 ms.');
    expect(closingLine({ ...well, dma: undefined })).to.equal('The commit reached the target. 12 ms.');
    expect(closingLine({ ...well, dma: { ...passed, checked: 0 } })).to.equal(
      'The commit reached the target, and nothing is mapped. 12 ms.',
    );
    expect(closingLine({ ...well, dma: { ...passed, failed: 2 }, closingError: new Error('busy') })).to.equal(
      '2 DMA checks failed, not everything could be unmapped at the end: busy.',
    );
  });

  it('says why nothing was checked', () => {
    const terminal = terminalOf({}, {});
    expect(describeDmaCheck({ ...well, dma: undefined }, terminal)[0]).to.match(/^ {2}no device to check with:/);
    const nothing = { ...passed, checked: 0 };
    expect(describeDmaCheck({ ...well, dma: nothing }, terminal)).to.deep.equal([
      '  nothing is mapped, so there is nothing to check',
    ]);
  });

  it('says what hardware did itself, and where', () => {
    const hardware = [
      { target: 'vfio:0000:00:04.0', address: '0000:00:04.0', mappings: 16, of: 40 },
      { target: 'iommufd:0000:00:05.0', address: '0000:00:05.0', mappings: 3, of: 3 },
    ];
    const describe = (...targets: readonly string[]): string =>
      describeDmaCheck({ ...well, dma: { ...passed, targets, hardware } }, terminalOf({}, {}))
        .join(' ')
        .replace(/\s+/g, ' ');
    expect(describe('vfio:0000:00:04.0', 'iommufd:0000:00:05.0'))
      .to.contain('Behind vfio:0000:00:04.0 the device 0000:00:04.0 (edu) performs the DMA')
      .and.contain('at both ends of 16 of 40 mappings.')
      .and.contain('at both ends of every mapping.')
      .and.not.contain('in the middle');
    expect(describe('vfio:0000:00:04.0', 'iommufd:0000:00:05.0', 'soft')).to.contain('in the middle');
  });

  it('names what was checked by DMA and what was not, and says what is known of a back end', () => {
    const check = { target: 'vhost-user:/run/disk.sock', shared: 5, of: 7, answered: true };
    const lines = describeBackEnds({ ...well, backEnds: [check] }, terminalOf({ columns: 40 }, {}));
    expect(lines.filter((line) => line.length > 40)).to.deep.equal([]);
    expect(lines.join('').replace(/ +/g, ' ').trim()).to.equal(
      'Checked by DMA: soft. Not checked by DMA: vhost-user:/run/disk.sock. A back end performs DMA only for a driver in the guest. ' +
        'It shares 5 of 7 mappings, the others being read-only or memory of devices, and has answered after the last commit.',
    );
    const gone = { ...check, answered: false };
    expect(describeBackEnds({ ...well, dma: undefined, backEnds: [gone] }, terminalOf({}, {})).join(' '))
      .to.match(/^ {2}Not checked/)
      .and.match(/It is gone\.$/);
    expect(describeBackEnds(well, terminalOf({}, {}))).to.deep.equal([]);
  });

  it('says which targets are gone, since when, why, and what to do', () => {
    const gone = { target: 'disk', reason: 'it ended', hint: 'Start it again.' };
    const since = [{ commit: 7 }, { during: 'DMA check' }, { during: 'closing' }] as const;
    const lines = describeGone(
      since.map((when) => ({ ...gone, ...when })),
      terminalOf({}, {}),
    );
    expect(lines.filter((line) => line.includes('gone')).map((line) => line.replace(/: .*/, ''))).to.deep.equal([
      '  disk is gone since commit 7',
      '  disk is gone since the DMA check',
      '  disk is gone since the end, when all was unmapped',
    ]);
    expect(lines[0]).to.match(/: it ended\. Start it again\.$/);
    expect(closingLine({ ...well, gone: [{ ...gone, commit: 7 }] })).to.equal('disk is gone since commit 7.');
  });

  it('names the checks that failed', () => {
    const failures = [{ target: 'soft', address: 0xff0n, what: 'the host finds other bytes there' }];
    const lines = describeDmaCheck({ ...well, dma: { ...passed, failed: 3, failures } }, terminalOf({}, {}));
    expect(lines.slice(-3)).to.deep.equal([
      '  6 checks at 1 device: 3 failed',
      '    soft at 0xff0: the host finds other bytes there',
      '    and 2 more',
    ]);
  });
});
