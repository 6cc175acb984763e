import { expect } from 'chai';
import { isSupported, lookAtAddon, lookAtNode } from '../../../cli/doctor/runtime.js';
import type { DoctorFacts, Trial } from '../../../cli/doctor/report.js';
import { check, draw, factsOf } from './facts.js';
import { FakeMachine } from './fake-machine.js';

describe('what the doctor says of the program itself', () => {
  let facts: DoctorFacts;
  before(async () => {
    using machine = new FakeMachine();
    facts = await factsOf(machine);
  });

  it('names the Node.js that runs it', () => {
    const { node } = facts;
    expect(node).to.deep.equal(lookAtNode());
    expect(node).to.include({ path: process.execPath, supported: true });
    expect(check(facts, 'Node.js')).to.include({ state: 'works' });
    expect(check(facts, 'Node.js').says).to.contain(`${process.versions.node} on Linux ${facts.kernel}`);
  });

  it('compares versions by number, part by part', () => {
    for (const version of ['20.19.0', '20.19.5', '20.100.0', '24.0.0', '100.1.0', '24.0.0-nightly1']) {
      expect(isSupported(version, '>=20.19'), version).to.equal(true);
    }
    for (const version of ['20.18.9', '20.2.0', '9.100.0', '18.20.0']) {
      expect(isSupported(version, '>=20.19'), version).to.equal(false);
    }
    expect(() => isSupported('20.19.0', '^20')).to.throw('"^20"');
  });

  it('tells which version to install where Node.js is too old', () => {
    const old = { ...facts, node: { ...facts.node, version: '18.20.4', supported: false } };
    expect(check(old, 'Node.js')).to.include({ state: 'fails' });
    expect(check(old, 'Node.js').says).to.contain('18.20.4').and.contain('requires >=20.19');
    expect(check(old, 'Node.js').cures.map(({ says }) => says)).to.deep.equal(['Install Node.js 20.19 or later.']);
  });

  it('names the file of the addon, and whether it was built here', () => {
    const { file, trial } = lookAtAddon();
    expect(trial).to.deep.equal({ works: true });
    expect(file?.path).to.match(/\.node$/);
    const built = check(facts, 'native addon');
    expect(built).to.include({ state: 'works', says: `loaded, built on this machine: ${file?.path ?? ''}` });
    const prebuilt = {
      ...facts,
      addon: { ...facts.addon, file: { path: '/x/prebuilds/linux-x64/a.node', kind: 'prebuilt' as const } },
    };
    expect(check(prebuilt, 'native addon').says).to.equal('loaded, prebuilt: /x/prebuilds/linux-x64/a.node');
  });

  const fails = (message: string, hint: string | null = null): Trial => ({
    works: false,
    code: 'ERR_UNKNOWN',
    message,
    hint,
  });

  it('says once how to build an addon that does not load, not in every row that requires it', () => {
    const broken = fails('the native addon is not built', 'Build it.');
    const without = {
      ...facts,
      addon: { file: null, trial: fails('none for linux-x64', 'Build it.') },
      software: broken,
      vfio: { ...facts.vfio, open: broken },
      iommufd: { ...facts.iommufd, open: broken },
      kvm: { ...facts.kvm, runs: broken },
    };
    for (const name of ['software IOMMU', 'VFIO type1', 'iommufd', 'KVM']) {
      expect(check(without, name)).to.deep.include({ state: 'fails', says: 'not tried: requires the native addon' });
    }
    const text = draw(without).join('\n');
    expect(text.match(/Build it\./g)).to.have.length(1);
    expect(text).to.match(/✗ native addon +none for linux-x64/);
  });

  it('recognizes an addon of another version of the package', () => {
    const stale = {
      ...facts,
      software: fails('native(...).ramBlocksCreate is not a function'),
      kvm: { ...facts.kvm, runs: fails('native(...).kvmOpen is not a function') },
    };
    const addon = check(stale, 'native addon');
    expect(addon).to.include({ state: 'fails' });
    expect(addon.says).to.match(/is of another version of the package: it has no ramBlocksCreate$/);
    expect(addon.cures[0]?.says).to.contain('npm run build:native');
    expect(check(stale, 'KVM').says).to.equal('not tried: requires the native addon');
  });
});
