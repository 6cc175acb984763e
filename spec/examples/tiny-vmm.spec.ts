import { expect } from 'chai';
import { hasKvm, needsKvm } from '../support/kvm-machine.js';
import { interruptVmm, runVmm, runVmmWithoutKvm, SAID, saidIn } from '../support/tiny-vmm.js';

describe('examples/tiny-vmm.ts', () => {
  describe('where KVM can be used', () => {
    before(function () {
      needsKvm(this);
    });

    it('runs a guest that reads RAM, ROM, registers, memory that is plugged in, an overlay, and what a device has copied', async function () {
      this.timeout(60_000);
      const { stdout, stderr } = await runVmm();
      expect(stderr).to.equal('');
      expect(saidIn(stdout)).to.deep.equal(SAID);
      expect(stdout.trimEnd().split('\n').at(-1)).to.equal('The guest has halted');
    });

    it('ends by Ctrl-C, with the status of a program that it has ended', async function () {
      this.timeout(60_000);
      const { status, stdout, stderr } = await interruptVmm();
      expect(stderr).to.equal('');
      expect(stdout).to.contain('The guest runs');
      expect(stdout.trimEnd().split('\n').at(-1)).to.equal('The guest has stopped');
      expect(status).to.equal(130);
    });
  });

  it('ends with status 1 and a hint where KVM cannot be used', async function () {
    this.timeout(60_000);
    if (hasKvm() && process.getuid?.() !== 0) {
      console.warn('      only root can hide /dev/kvm from a program: skipped');
      this.skip();
    }
    const { status, stderr } = await runVmmWithoutKvm();
    expect(status).to.equal(1);
    expect(stderr).to.match(/^tiny-vmm: ENOENT: cannot open \/dev\/kvm: .+\n.*(--device \/dev\/kvm|modprobe)/);
  });
});
