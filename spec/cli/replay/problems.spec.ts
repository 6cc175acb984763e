import { expect } from 'chai';
import type { CommitFailure, SkippedSection } from '../../../cli/replay/problems.js';
import { dmaStreams, line, TemporaryTraces } from '../support/command.js';

interface Summary {
  readonly skipped?: readonly SkippedSection[];
  readonly failures?: readonly CommitFailure[];
}

/** Interrupts of x86: the software IOMMU is told to reserve it on other machines, too. */
const WINDOW = { start: '0xfee00000', end: '0xfee01000', name: 'msi' };

describe('what goes wrong in a replay', function () {
  this.timeout(60_000);

  let traces: TemporaryTraces;
  before(() => {
    traces = new TemporaryTraces();
  });
  after(() => {
    traces[Symbol.dispose]();
  });

  describe('names target, section, reason and cure of a BAR that is skipped', () => {
    const bars = [
      line(),
      line({ commit: 7, start: '0x8000000000', end: '0x8000001000', name: 'bar 1', kind: 'ramd' }),
      line({ commit: 7, start: '0x9000000000', end: '0x9000001000', name: 'bar 3', kind: 'ramd' }),
    ];
    const target = 'soft,aperture=0x0-0x8000000000';
    const reason = 'it is not inside the aperture 0x0-0x8000000000';
    const run = (...options: readonly string[]): ReturnType<typeof dmaStreams> =>
      dmaStreams(['replay', traces.write('bars.jsonl', bars), '--target', target, ...options]);

    it('in the log, after the table, and in the last line', async () => {
      const { status, stdout, stderr } = await run('--target', 'log');
      const text = stdout.replace(/\s+/g, ' ');
      for (const name of ['bar 1', 'bar 3']) {
        expect(text).to.contain(`"${name}" skipped at ${target}: EINVAL: ${reason}`);
      }
      expect(text).to.contain('put the memory at guest physical addresses inside');
      expect(text).to.contain(`commit 7: ${target} continues without 0x8000000000-0x8000001000 "bar 1" (EINVAL)`);
      expect(stdout).to.match(/✗ 2 target calls failed, 2 sections skipped at soft,aperture=0x0-0x8000000000\.\n$/);
      expect(stderr).to.equal('');
      expect(status).to.equal(1);
    });

    it('with --quiet, on standard error', async () => {
      const { status, stderr } = await run('--quiet');
      expect(stderr.trimEnd().split('\n')).to.have.length(2);
      expect(stderr).to.contain(`warning: commit 7: "bar 3" skipped at ${target}: EINVAL: ${reason}`);
      expect(stderr).to.contain('; put the memory at guest physical addresses inside');
      expect(status).to.equal(1);
    });

    it('with --json, in the summary', async () => {
      const { status, stdout } = await run('--json');
      const { skipped } = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Summary;
      expect(skipped?.map(({ reason: why, hint, ...place }) => [why?.includes(reason), hint !== undefined, place]))
        .to //
        .deep.equal([
          [true, true, { commit: 7, target, region: 'bar 1', range: '0x8000000000-0x8000001000', code: 'EINVAL' }],
          [true, true, { commit: 7, target, region: 'bar 3', range: '0x9000000000-0x9000001000', code: 'EINVAL' }],
        ]);
      expect(status).to.equal(1);
    });
  });

  it('--json names target, section, reason and cure of a commit that failed in the summary', async () => {
    const target = 'soft,reserved=0xfee00000-0xfef00000';
    const trace = traces.write('reserved.jsonl', [line(), line({ commit: 3, ...WINDOW })]);
    const { stdout } = await dmaStreams(['replay', trace, '--json', '--target', target]);
    const { failures } = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Summary;
    expect(failures).to.have.length(1);
    expect(failures?.[0]).to.deep.include({
      commit: 3,
      tookEffect: false,
      target,
      region: 'msi',
      range: '0xfee00000-0xfee01000',
      code: 'EINVAL',
    });
    expect(failures?.[0]?.reason).to.match(/overlaps the reserved range/);
    expect(failures?.[0]?.hint).to.match(/leave a hole/);
  });
});
