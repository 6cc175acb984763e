import { statSync } from 'node:fs';
import { expect } from 'chai';
import { Kvm } from '../../../binding/index.js';
import { native } from '../../../binding/native.js';
import { dmaError } from '../support/thrown.js';
import { hasKvm } from '../../support/kvm-machine.js';
import { runChild } from '../support/child.js';

const OPEN = `
  const { Kvm } = await import(BINDING);
  try {
    Kvm.open().close();
    console.log('open');
  } catch ({ code, syscall, hint }) {
    console.log(code, syscall, hint);
  }`;

describe('Kvm.open', () => {
  it('tells a user without permission which group to join', function () {
    if (!hasKvm() || process.geteuid?.() !== 0 || (statSync('/dev/kvm').mode & 0o006) !== 0) {
      console.warn('      needs root, and a /dev/kvm that not everybody may open: skipped');
      this.skip();
    }
    const { stdout, stderr } = runChild(OPEN, { uid: 65_534 });
    expect(stdout, stderr).to.match(/^EACCES open As root: usermod -aG kvm /);
  });

  for (const [errno, hint] of [
    [-2, /\/dev\/kvm is missing|modprobe kvm-amd \(or kvm-intel\).*CONFIG_KVM/],
    [-19, /If the module does not load, the processor has no virtualization/],
    [-1, /device cgroup/],
  ] as const) {
    it(`says what to do when opening fails with errno ${errno}`, () => {
      const addon = native();
      const { kvmOpen } = addon;
      addon.kvmOpen = () => errno;
      try {
        const error = dmaError(() => Kvm.open());
        expect(error).to.include({ errno, syscall: 'open' });
        expect(error.message).to.contain('cannot open /dev/kvm');
        expect(error.hint).to.match(hint);
      } finally {
        addon.kvmOpen = kvmOpen;
      }
    });
  }
});
