import { expect } from 'chai';
import { Kvm, Memfd, RamBlocks, type KvmVm } from '../../binding/index.js';
import { KvmTarget } from '../../targets/index.js';
import { checkTarget } from '../../testing/index.js';
import { needsKvm } from '../support/kvm-machine.js';

describe('KvmTarget keeps the contract of DmaTarget', function () {
  before(function () {
    needsKvm(this);
  });
  const open = new Map<KvmTarget, KvmVm>();
  const checks = checkTarget(
    () => {
      using kvm = Kvm.open();
      const vm = kvm.createVm();
      const target = new KvmTarget(vm);
      open.set(target, vm);
      return target;
    },
    {
      mappable: () => Memfd.create('memory of the checks', 64n << 12n),
      vaMapper: () => new RamBlocks(),
      refused: '0x10000000000000-0x10000000001000',
      close: (target) => {
        open.get(target)?.close();
        open.delete(target);
      },
    },
  );

  it('has a check of each subject', () => {
    expect(checks.length).to.be.greaterThan(30);
  });

  for (const { name, run } of checks) {
    it(name, run);
  }
});
