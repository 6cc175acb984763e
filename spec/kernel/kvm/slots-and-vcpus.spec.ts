import { expect } from 'chai';
import { hasKvm } from '../../support/kvm-machine.js';

describe('KVM in the guest', () => {
  it('can be opened: what follows is not skipped', () => {
    expect(hasKvm()).to.equal(true);
  });
});

// What runs wherever there is KVM, which the guest always has.
await import('../../binding/kvm/open.spec.js');
await import('../../binding/kvm/byte-arguments.spec.js');
await import('../../binding/kvm/slots.spec.js');
await import('../../binding/kvm/slots-on-threads.spec.js');
await import('../../binding/kvm/vcpu.spec.js');
await import('../../binding/kvm/several-vcpus.spec.js');
await import('../../binding/kvm/cpu-modes.spec.js');
await import('../../binding/kvm/event-fd.spec.js');
await import('../../binding/kvm/vcpu-lifetime.spec.js');
await import('../../binding/kvm/vcpu-turns.spec.js');
await import('../../targets/kvm-target.spec.js');
await import('../../targets/kvm-contract.spec.js');
