import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { findPciDevice, Iommufd, VfioContainer, VfioDevice, VfioGroup } from '../../binding/index.js';
import { bind } from '../../cli/bind/bind.js';
import { THIS_KERNEL } from '../../cli/bind/driver-system.js';
import { unbind } from '../../cli/bind/unbind.js';
import { Lines } from '../cli/bind/fake-kernel.js';
import { dmaStreams } from '../cli/support/command.js';
import { rejected } from '../cli/support/rejected.js';
import { FIRST } from './support/edu.js';

/** Two devices behind a bridge, in one group, with drivers. */
const NEIGHBOURS = ['0000:01:01.0', '0000:01:02.0'] as const;
const BRIDGE = '0000:00:06.0';
const [ONE] = NEIGHBOURS;

describe('dma-streams bind and unbind, with the kernel', function () {
  this.timeout(120_000);

  const drivers = (): readonly (string | undefined)[] => NEIGHBOURS.map((address) => findPciDevice(address).driver);

  it('bind a group whose devices have drivers, so that it can be assigned, and give it back to them', async () => {
    const before = drivers();
    expect(before).to.not.include(undefined);
    await bind(ONE, { group: true }, THIS_KERNEL, new Lines());
    expect(drivers()).to.deep.equal(['vfio-pci', 'vfio-pci']);
    {
      using container = VfioContainer.open();
      using group = VfioGroup.forDevice(ONE);
      container.addGroup(group);
    }
    const out = new Lines();
    await unbind(ONE, { group: true }, THIS_KERNEL, out);
    expect(drivers()).to.deep.equal(before);
    expect(out.lines).to.include(`${ONE} is given back to ${before[0] ?? ''}`);
  });

  it('undo everything where the kernel accepts one device of two not', async () => {
    const before = drivers();
    const system = {
      ...THIS_KERNEL,
      perform: async (step: Parameters<typeof THIS_KERNEL.perform>[0]) => {
        // A name that no driver has: the probe finds none, as if vfio-pci had rejected the second device.
        const wrong = step.kind === 'write' && step.path.includes(NEIGHBOURS[1]) && step.line === 'vfio-pci';
        await THIS_KERNEL.perform(wrong ? { ...step, line: 'no-such-driver' } : step);
      },
    };
    const { message } = await rejected(bind(ONE, { group: true }, system, new Lines()));
    expect(message).to.contain(`${NEIGHBOURS[1]}: vfio-pci did not accept it`).and.contain('everything is as it was');
    expect(drivers()).to.deep.equal(before);
  });

  it('leave a bridge as it was, which vfio-pci accepts not even by force', async () => {
    const before = findPciDevice(BRIDGE).driver;
    const { message } = await rejected(bind(BRIDGE, { force: true }, THIS_KERNEL, new Lines()));
    expect(message).to.contain('everything is as it was before');
    expect(findPciDevice(BRIDGE).driver).to.equal(before);
  });

  it('refuse the device of the root file system', async () => {
    const { message } = await rejected(bind('0000:00:02.0', {}, THIS_KERNEL, new Lines()));
    expect(message).to.contain('nothing was changed').and.contain('is mounted on /');
  });

  it('refuse to take a device from a process that has it open, as a device or as a group', async () => {
    for (const open of [
      () => {
        const iommufd = Iommufd.open();
        const device = VfioDevice.openCdev(FIRST, iommufd);
        return [device, iommufd];
      },
      () => [VfioGroup.forDevice(FIRST)],
    ]) {
      const opened = open();
      const { message } = await rejected(unbind(FIRST, {}, THIS_KERNEL, new Lines()));
      expect(message).to.contain(`process ${process.pid} (`);
      opened.forEach((one) => one[Symbol.dispose]());
    }
    expect(findPciDevice(FIRST).driver).to.equal('vfio-pci');
  });

  it('print commands for a shell that do the same; the command binds the device again', async () => {
    const out = new Lines();
    await unbind(FIRST, { dryRun: true }, THIS_KERNEL, out);
    execFileSync('/bin/sh', ['-e', '-c', out.lines.join('\n')]);
    expect(findPciDevice(FIRST).driver).to.equal(undefined);
    const bound = await dmaStreams(['bind', FIRST]);
    expect(bound).to.deep.equal({
      status: 0,
      stdout: `${FIRST} is bound to vfio-pci (before: no driver)\n`,
      stderr: '',
    });
    expect(findPciDevice(FIRST).driver).to.equal('vfio-pci');
  });
});
