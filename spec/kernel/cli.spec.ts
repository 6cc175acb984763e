import { execFileSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { expect } from 'chai';
import type { DoctorReport } from '../../cli/doctor/report.js';
import { dmaStreams, line, PACKAGE, TemporaryTraces } from '../cli/support/command.js';
import { FIRST, SECOND } from './support/edu.js';
import { mapsFiles } from './support/machine.js';

const NOBODY = 65534;

interface Summary {
  readonly op: string;
  readonly targets: readonly { readonly name: string; readonly maps: number; readonly failed: number }[];
  readonly dma: { readonly checked: number; readonly failed: number; readonly hardware?: readonly object[] };
}

describe('dma-streams on a machine with an IOMMU', function () {
  this.timeout(180_000);

  describe('doctor', () => {
    it('shows two devices bound and ready, and what the kernel can do', async () => {
      const { status, stdout } = await dmaStreams(['doctor', '--json']);
      const { facts, ready, checks } = JSON.parse(stdout) as DoctorReport;
      expect(status).to.equal(0);
      expect(ready).to.deep.equal({ software: true, type1: [FIRST, SECOND], iommufd: [FIRST, SECOND], kvm: true });
      expect(facts.iommu.units).to.deep.equal(['dmar0']);
      const devices = facts.iommu.groups.flatMap((group) => group.devices);
      expect(devices.filter(({ bound }) => bound).map(({ id }) => id)).to.deep.equal(['1234:11e8', '1234:11e8']);
      expect(facts.vfio.dmaEntryLimit).to.equal(65_535);
      expect(facts.iommufd.mapsFiles).to.equal(mapsFiles());
      expect(checks.filter(({ state }) => state === 'fails')).to.deep.equal([]);
    });

    it('tells somebody who may not open them what to change', () => {
      const script = `${PACKAGE}dist/cli/main.js`;
      const stdout = execFileSync(process.execPath, [script, 'doctor'], { uid: NOBODY, gid: NOBODY }).toString();
      expect(stdout).to.match(/✗ devices .*0 of them\s+ready/);
      expect(stdout).to.match(/# chown \S+ \/dev\/vfio\/\d+\n/);
      expect(stdout).to.match(/iommufd: As root: chown .* \/dev\/iommu/);
      expect(stdout)
        .to.match(/KVM: .*\bkvm\b/)
        .and.contain('No real IOMMU can be used yet.');
    });
  });

  describe('replay', () => {
    let traces: TemporaryTraces;
    let trace: string;
    before(() => {
      traces = new TemporaryTraces();
      trace = traces.write('small.jsonl', [
        line({ start: '0x0', end: '0xa0000' }),
        line({ start: '0xc0000', end: '0xe0000', name: 'rom', kind: 'rom' }),
        line({ ms: 1, commit: 1, start: '0x100000', end: '0x500000', offset: '0x100000' }),
        line({ ms: 2, commit: 2, op: 'remove', start: '0x0', end: '0xa0000' }),
        line({ ms: 2, commit: 2, start: '0x0', end: '0x80000' }),
        line({ ms: 3, commit: 3, start: '0xfd000000', end: '0xfd001000', name: 'bar', kind: 'ramd' }),
      ]);
    });
    after(() => {
      traces[Symbol.dispose]();
    });

    it('through both real IOMMU interfaces, checked by the DMA of the devices themselves', async () => {
      const args = ['replay', trace, '--json', '--target', `vfio:${FIRST}`, '--target', `iommufd:${SECOND}`];
      const { status, stdout, stderr } = await dmaStreams([...args, '--target', 'soft']);
      expect(stderr).to.equal('');
      expect(status).to.equal(0);
      const summary = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Summary;
      expect(summary.targets.map(({ name, maps, failed }) => [name, maps, failed])).to.deep.equal([
        [`vfio:${FIRST}`, 5, 0],
        [`iommufd:${SECOND}`, 5, 0],
        ['soft', 5, 0],
      ]);
      // Four mappings, one of them read-only. Each device: both ends both ways, and two writes that are lost; the software: three more each.
      expect(summary.dma).to.deep.equal({
        checked: 2 * (4 * 2 * 2 + 2) + (4 * 3 * 2 + 3),
        failed: 0,
        hardware: [
          { target: `vfio:${FIRST}`, address: FIRST, mappings: 4, of: 4 },
          { target: `iommufd:${SECOND}`, address: SECOND, mappings: 4, of: 4 },
        ],
      });
    });

    it('programs a container of its own for each device, though the devices could share one', async () => {
      const args = ['replay', trace, '--json', '--target', `vfio:${FIRST}`, '--target', `vfio:${SECOND}`];
      const { status, stdout } = await dmaStreams(args);
      const summary = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Summary;
      expect(summary.targets.map(({ name, maps }) => [name, maps])).to.deep.equal([
        [`vfio:${FIRST}`, 5],
        [`vfio:${SECOND}`, 5],
      ]);
      expect(summary.dma.hardware).to.have.length(2);
      expect(status).to.equal(0);
    });

    it('says in words that the device did the DMA, with a device that was free again', async () => {
      const small = traces.write('page.jsonl', [line({ end: '0x1000' })]);
      const { status, stdout } = await dmaStreams(['replay', small, '--target', `iommufd:${FIRST}`]);
      expect(stdout.replace(/\s+/g, ' ')).to.contain(
        `Behind iommufd:${FIRST} the device ${FIRST} (edu) performs the DMA`,
      );
      expect(status).to.equal(0);
    });

    it('names the target, the reason and the cure of a BAR above the aperture, and ends with 1', async () => {
      const bar = traces.write('bar.jsonl', [
        line(),
        line({ commit: 1, start: '0x380000000000', end: '0x380000100000', name: 'bar', kind: 'ramd' }),
      ]);
      const { status, stdout } = await dmaStreams(['replay', bar, '--target', `vfio:${FIRST}`]);
      expect(stdout.replace(/\s+/g, ' '))
        .to.contain(`"bar" skipped at vfio:${FIRST}: EINVAL: `)
        .and.contain('it reaches above the aperture 0x8000000000')
        .and.contain('put the memory below 0x8000000000');
      expect(stdout).to.match(/1 section skipped at vfio:0000:00:04\.0\.\n$/);
      expect(status).to.equal(1);
    });

    it('refuses a trace that needs more memory than there is, before it begins, and a software IOMMU takes it', async () => {
      const large = traces.write('large.jsonl', [line({ start: '0x100000000', end: '0x1100000000' })]);
      const refused = await dmaStreams(['replay', large, '--target', 'log', '--target', `vfio:${FIRST}`]);
      expect(refused.stderr).to.match(/^dma-streams: ENOMEM: .* takes 64\.5 GiB, and this machine has .* left/);
      expect(refused.stdout).to.equal('');
      expect(refused.status).to.equal(1);
      expect((await dmaStreams(['replay', large, '--target', 'soft', '--quiet'])).status).to.equal(0);
    });

    it('ends with 1 and the cure where a device is not bound, or taken', async () => {
      const devices = '/sys/bus/pci/devices';
      const unbound = readdirSync(devices).find((address) => {
        try {
          return readlinkSync(`${devices}/${address}/driver`).endsWith('virtio-pci');
        } catch {
          return false;
        }
      });
      for (const [targets, message] of [
        [[`vfio:${unbound ?? ''}`], /is bound to virtio-pci\. As root: modprobe vfio-pci; echo/],
        [[`vfio:${FIRST}`, `iommufd:${FIRST}`], /EBUSY: cannot open 0000:00:04\.0/],
      ] as const) {
        const { status, stdout, stderr } = await dmaStreams([
          'replay',
          trace,
          ...targets.flatMap((target) => ['--target', target]),
        ]);
        expect(stderr).to.match(message);
        expect(stdout).to.equal('');
        expect(status).to.equal(1);
      }
    });
  });
});
