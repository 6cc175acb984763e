import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { findPciDevice, Iommufd, VfioContainer, VfioDevice, VfioGroup } from '../../binding/index.js';
import { dmaError } from '../binding/support/thrown.js';
import { SECOND } from './support/edu.js';

/** The commands of a hint, as a person would copy them. */
function commandsOf(hint: string | undefined): string {
  const commands = /As root: (.*)$/.exec(hint ?? '')?.[1];
  expect(commands, hint).to.be.a('string');
  return commands ?? '';
}

describe('a device that is not bound to vfio-pci', () => {
  beforeEach(() => {
    writeFileSync(`/sys/bus/pci/devices/${SECOND}/driver_override`, '\n');
    writeFileSync(`/sys/bus/pci/devices/${SECOND}/driver/unbind`, SECOND);
  });

  it('is cured by the commands that the hint gives, for its group', () => {
    const error = dmaError(() => VfioGroup.forDevice(SECOND));
    expect(error).to.include({ code: 'ENOENT', syscall: 'open' });
    execFileSync('/bin/sh', ['-c', commandsOf(error.hint)], { stdio: 'ignore' });
    using container = VfioContainer.open();
    using group = VfioGroup.forDevice(SECOND);
    container.addGroup(group);
    group.openDevice(SECOND).close();
  });

  it('is cured by the commands that the hint gives, for its own file', () => {
    using iommufd = Iommufd.open();
    const error = dmaError(() => VfioDevice.openCdev(SECOND, iommufd));
    expect(error).to.include({ code: 'ENOENT', syscall: 'open' });
    execFileSync('/bin/sh', ['-c', commandsOf(error.hint)], { stdio: 'ignore' });
    VfioDevice.openCdev(SECOND, iommufd).close();
    expect(findPciDevice(SECOND).driver).to.equal('vfio-pci');
  });
});
