import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Cure, DoctorReport } from '../../cli/doctor/report.js';
import { dmaStreams, PACKAGE } from './support/command.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';
import { hasKvm } from '../support/kvm-machine.js';

const GROUPS = '/sys/kernel/iommu_groups';

describe('dma-streams doctor', function () {
  this.timeout(60_000);

  it('--json writes one document with what this machine has', async () => {
    const { status, stdout, stderr } = await dmaStreams(['doctor', '--json']);
    const { facts, checks, ready } = JSON.parse(stdout) as DoctorReport;
    expect(stderr).to.equal('');
    expect(status).to.equal(0);
    expect(ready.software).to.equal(true);
    expect(facts.addon.trial).to.deep.equal({ works: true });
    expect(facts.kernel).to.equal(execFileSync('uname', ['-r']).toString().trim());
    expect(facts.iommu.groups.map(({ number }) => number).sort()).to.deep.equal(
      (existsSync(GROUPS) ? readdirSync(GROUPS) : []).map(Number).sort(),
    );
    expect(facts.vfio.file.access === 'missing').to.equal(!existsSync('/dev/vfio/vfio'));
    expect(facts.iommufd.file.access === 'missing').to.equal(!existsSync('/dev/iommu'));
    expect(facts.kvm.file.access === 'missing').to.equal(!existsSync('/dev/kvm'));
    expect(facts.kvm.runs.works).to.equal(ready.kvm);
    expect(ready.kvm).to.equal(hasKvm());
    // What is wrong with the devices of a machine without an IOMMU is the IOMMU's to cure.
    const uncured = checks.filter(({ state, cures }) => state === 'fails' && cures.length === 0);
    expect(uncured.map(({ name }) => name)).to.deep.equal(facts.iommu.groups.length === 0 ? ['devices'] : []);
  });

  it('says the same for people, within 80 columns but for commands and names, which stay whole', async () => {
    const { checks } = JSON.parse((await dmaStreams(['doctor', '--json'])).stdout) as DoctorReport;
    const { status, stdout, stderr } = await dmaStreams(['doctor'], { env: { COLUMNS: '80' } });
    expect(stderr).to.equal('');
    expect(status).to.equal(0);
    const lines = stdout.split('\n');
    const commands = lines.filter((text) => /^ {6}[#$] /.test(text)).map((text) => text.slice(8));
    const allCures = checks.flatMap(({ cures }) => cures.map((cure) => JSON.stringify(cure)));
    const cures = [...new Set(allCures)].map((cure) => JSON.parse(cure) as Cure);
    expect(commands).to.deep.equal(cures.flatMap((cure) => cure.commands));
    const wide = lines.filter((text) => text.length > 80 && !/^ {6}[#$] |^ +\S+ +[0-9a-f]{4,}:/.test(text));
    expect(wide).to.deep.equal([]);
    const words = stdout.replace(/\s+/g, ' ');
    for (const { name, says } of checks) {
      expect(words).to.contain(`${name} `).and.contain(says);
    }
    for (const { says } of cures) {
      expect(words.split(`: ${says}`)).to.have.length(2);
    }
  });

  it('ends with 1 where the addon is not built, says how to build it, and still looks at the rest', () => {
    const folder = temporaryFolder('dma-streams-spec-');
    try {
      cpSync(join(PACKAGE, 'package.json'), join(folder, 'package.json'));
      symlinkSync(join(PACKAGE, 'node_modules'), join(folder, 'node_modules'));
      for (const part of ['cli', 'streams', 'sources', 'targets', 'binding', 'inspect']) {
        cpSync(join(PACKAGE, 'dist', part), join(folder, 'dist', part), { recursive: true });
      }
      let ended: { readonly status?: number; readonly stdout?: Buffer } = {};
      try {
        execFileSync(process.execPath, [join(folder, 'dist/cli/main.js'), 'doctor'], { stdio: 'pipe' });
      } catch (error) {
        ended = error as typeof ended;
      }
      expect(ended.status).to.equal(1);
      expect(ended.stdout?.toString())
        .to.contain('npm run build:native')
        .and.contain('max_map_count')
        .and.contain('Software IOMMUs do not work on this machine');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('--require ends with 0 where all of it works, and with 1 where something does not', async () => {
    const met = await dmaStreams(['doctor', '--require', 'software']);
    expect(met.status).to.equal(0);
    expect(met.stdout).to.match(/Required and met: software\.\n$/);
    const list = ['doctor', '--require', 'software, kvm', '-r', 'iommu', '--json'];
    const { status, stdout } = await dmaStreams(list);
    const { required, checks } = JSON.parse(stdout) as DoctorReport;
    const works = (name: string): boolean => checks.find((check) => check.name === name)?.state !== 'fails';
    expect(required).to.deep.equal([
      { name: 'software', met: true },
      { name: 'kvm', met: works('KVM') },
      { name: 'iommu', met: works('IOMMU') },
    ]);
    expect(status).to.equal(required.every((one) => one.met) ? 0 : 1);
  });

  it('DEVICE reports about one device; one that does not exist is invalid usage', async () => {
    const missing = await dmaStreams(['doctor', 'ffff:ff:1f.7']);
    expect(missing.stderr).to.match(/^dma-streams: there is no PCI device ffff:ff:1f\.7; this machine has /);
    expect(missing.stdout).to.equal('');
    expect(missing.status).to.equal(2);
    const [address] = existsSync('/sys/bus/pci/devices') ? readdirSync('/sys/bus/pci/devices') : [];
    if (address !== undefined) {
      const { status, stdout } = await dmaStreams(['doctor', address, '--json']);
      const { devices } = JSON.parse(stdout) as DoctorReport;
      expect(devices.map((device) => device.address)).to.deep.equal([address]);
      expect(status).to.equal(devices.every(({ type1, iommufd }) => type1 || iommufd) ? 0 : 1);
    }
  });

  it('--require of something unknown is invalid usage, and lists what there is', async () => {
    for (const value of ['vfoi', '', 'vfio,', 'constructor']) {
      const { status, stdout, stderr } = await dmaStreams(['doctor', '--require', value]);
      expect(stderr, value).to.match(
        /^dma-streams: --require: unknown requirement "[a-z]*"; use one or more of software, iommu, vfio, /,
      );
      expect(stdout).to.equal('');
      expect(status).to.equal(2);
    }
  });

  it('takes one device only', async () => {
    const { status, stdout, stderr } = await dmaStreams(['doctor', '0000:00:00.0', 'now']);
    expect(stderr).to.match(/^dma-streams: too many arguments .*; see dma-streams doctor --help\n$/);
    expect(stdout).to.equal('');
    expect(status).to.equal(2);
  });

  it('--help tells the exit statuses', async () => {
    const { stdout } = await dmaStreams(['doctor', '--help']);
    expect(stdout).to.contain('Exit status').and.contain('at least software IOMMUs work');
  });
});
