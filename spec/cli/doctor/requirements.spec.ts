import { expect } from 'chai';
import { reportOf } from '../../../cli/doctor/diagnose.js';
import type { Check } from '../../../cli/doctor/report.js';
import { evaluate, parseRequirements, REQUIREMENT_NAMES } from '../../../cli/doctor/requirements.js';
import { UsageError } from '../../../cli/errors.js';
import { drawChecks, drawCures } from '../../../cli/output/doctor-checks.js';
import { drawRequired } from '../../../cli/output/doctor-text.js';
import { terminalOf } from '../../../cli/output/terminal.js';
import { factsOf } from './facts.js';
import { FakeMachine } from './fake-machine.js';

const PLAIN = terminalOf({}, {});

describe('the requirements of a script', () => {
  it('are words, in one list or several, each counted once', () => {
    expect(parseRequirements([])).to.deep.equal([]);
    expect(parseRequirements(['vfio, kvm', 'kvm', 'iommu'])).to.deep.equal(['vfio', 'kvm', 'iommu']);
    expect(() => parseRequirements(['vfio', 'gpu'])).to.throw(UsageError, 'unknown requirement "gpu"');
  });

  it('have a check each, so that none of them is missed by a new name', async () => {
    using machine = new FakeMachine();
    const { checks } = reportOf(await factsOf(machine));
    const works = checks.map((check) => ({ ...check, state: 'works' as const }));
    const all = parseRequirements([REQUIREMENT_NAMES]);
    expect(all).to.have.length.at.least(8);
    expect(evaluate(all, works).filter(({ met }) => !met)).to.deep.equal([]);
    const fail = checks.map((check) => ({ ...check, state: 'fails' as const }));
    expect(evaluate(all, fail).filter(({ met }) => met)).to.deep.equal([]);
  });

  it('are met by something with restrictions, except for limits, which are nothing but restrictions', () => {
    const limited = (name: string): Check => ({ name, state: 'limited', says: '', cures: [] });
    const checks = ['IOMMU', 'devices', 'locked memory', 'huge pages'].map(limited);
    expect(evaluate(['iommu', 'devices', 'memlock', 'hugepages'], checks).map(({ met }) => met)).to.deep.equal([
      ...[true, true],
      ...[false, false],
    ]);
  });

  it('are answered in the last line', () => {
    const [vfio, kvm] = [
      { name: 'vfio', met: false },
      { name: 'kvm', met: true },
    ];
    expect(drawRequired([], PLAIN)).to.deep.equal([]);
    expect(drawRequired([kvm], PLAIN)).to.deep.equal(['✓ Required and met: kvm.']);
    expect(drawRequired([vfio, kvm], PLAIN)).to.deep.equal(['✗ Required, but not met: vfio.']);
  });
});

describe('a cure of several checks', () => {
  it('is shown once, with the names of all of them; different cures of one check are all shown', () => {
    const build = { says: 'Build it.', commands: ['make'], root: false };
    const other = { says: 'Build it.', commands: ['make clean'], root: false };
    const checks: readonly Check[] = [
      { name: 'addon', state: 'fails', says: '', cures: [build] },
      { name: 'KVM', state: 'fails', says: '', cures: [build, other] },
    ];
    expect(drawChecks(checks, PLAIN)).to.have.length(2);
    expect(drawCures(checks, PLAIN)).to.deep.equal([
      'What to do  # as root, $ as any user',
      '  - addon, KVM: Build it.',
      '      $ make',
      '  - KVM: Build it.',
      '      $ make clean',
      '',
    ]);
  });
});
