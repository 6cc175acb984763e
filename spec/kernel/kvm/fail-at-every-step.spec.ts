import { expect } from 'chai';
import { Kvm, Memfd, RamBlocks, type Ioas, type KvmVm } from '../../../binding/index.js';
import { IommufdTarget, KvmTarget } from '../../../targets/index.js';
import { runChild } from '../../binding/support/child.js';
import { checkLastingFault, checkOneFault, forEveryCall } from '../../streams/support/fault-checks.js';
import { OPERATIONS } from '../../streams/support/fault-operations.js';
import type { World } from '../../streams/support/fault-scene.js';
import { FaultyTarget } from '../../streams/support/faults.js';
import { texts } from '../../streams/support/phrases.js';
import { FaultyNative } from '../../support/faulty-native.js';
import { WatchedSpace } from '../../support/watched-space.js';
import { unmapInKernel } from '../support/accounts.js';
import { FIRST, SECOND } from '../support/edu.js';
import { iommufd, type Way } from '../support/machine.js';

/** A virtual machine and a device behind one manager; another device is attached later. */
const SETTING = { targets: 2, reply: 'sync', va: 'all' } as const;
const PLAYED = ['map', 'attach', 'transaction of ten mixed changes', 'close'];

describe('failing at every step, with a virtual machine and devices', function () {
  this.timeout(300_000);
  let memfd: Memfd;
  let memory: RamBlocks;
  let kvm: Kvm;
  let vm: KvmVm;
  let ways: readonly Way[];
  let injected: FaultyNative | undefined;
  const failed = new Set<string>();
  const behind = new Map<FaultyTarget, KvmTarget | IommufdTarget>();

  const world: World = {
    get file() {
      return memfd;
    },
    vaMapper(plan) {
      injected?.[Symbol.dispose]();
      behind.clear();
      injected = new FaultyNative(plan, { failed });
      return new WatchedSpace(memory);
    },
    target(plan, va, options) {
      const name = options.name ?? '';
      const way = ways[behind.size - 1];
      const target =
        way === undefined ? new KvmTarget(vm, { name }) : new IommufdTarget(way.ioas as Ioas, { name, by: 'va' });
      // Whole sets are not checked beforehand: the kernel is to refuse them, in the middle.
      const inner = {
        name: target.name,
        mapDma: target.mapDma.bind(target),
        unmapDma: target.unmapDma.bind(target),
      };
      const faulty = new FaultyTarget(plan, va, { ...options, needsVa: true, inner });
      behind.set(faulty, target);
      return faulty;
    },
    check(target) {
      expect(texts(behind.get(target)?.mappedRanges() ?? [])).to.deep.equal(texts(target.held()));
    },
  };

  before(() => {
    memfd = Memfd.create('every-step', 0x100000n);
    memory = new RamBlocks();
    kvm = Kvm.open();
    vm = kvm.createVm();
    ways = [iommufd('va'), iommufd('va')];
    ways[0]?.openDevice(FIRST);
    ways[1]?.openDevice(SECOND);
  });

  afterEach(() => {
    injected?.[Symbol.dispose]();
    for (const way of ways) {
      expect(unmapInKernel(way, []), 'what the IOMMU has left').to.deep.equal([0n]);
    }
    expect(vm.memorySlots().free, 'slots that are free again').to.equal(vm.slots);
  });

  after(() => {
    ways.forEach((way) => {
      way.close();
    });
    vm.close();
    kvm.close();
    memory.close();
    memfd.close();
    for (const one of ['kvmSlots', 'ioas']) {
      expect(
        [...failed].some((name) => name.startsWith(one) && name.endsWith('unner')),
        `${one} failed`,
      ).to.equal(true);
    }
  });

  for (const name of PLAYED) {
    const operation = OPERATIONS[name];
    if (operation === undefined) {
      throw new Error(`there is no operation "${name}"`);
    }
    it(`${name}: call 0, 1, 2 … fails: all is as before, or as after, in the slots and at the IOMMU, too`, async () => {
      await forEveryCall(SETTING, operation, false, checkOneFault, world);
    });
  }

  it('every call from 0, 1, 2 … on fails: heal() mends it', async () => {
    const operation = OPERATIONS['transaction of ten mixed changes'];
    if (operation !== undefined) {
      await forEveryCall(SETTING, operation, true, checkLastingFault, world);
    }
  });
});

describe('a process that ends while its guest runs, and a device maps the same memory', () => {
  const PROGRAM = `
    const { Iommufd, Kvm, Memfd, RamBlocks, VfioDevice } = await import(BINDING);
    const { MemoryRange, RegionManager } = await import(STREAMS);
    const { IommufdTarget, KvmTarget } = await import(new URL('../targets/index.js', STREAMS).href);
    const vm = Kvm.open().createVm();
    const iommufd = Iommufd.open();
    const ioas = iommufd.allocIoas();
    VfioDevice.openCdev('${FIRST}', iommufd).attach(ioas);
    const memory = new RamBlocks();
    const manager = new RegionManager({ vaMapper: memory });
    await manager.attach(new KvmTarget(vm));
    await manager.attach(new IommufdTarget(ioas, { by: 'va' }));
    const range = MemoryRange.of(0, 0x100000);
    const region = await manager.addRegion({ name: 'ram', range, type: 'ram' });
    const mappable = Memfd.create('ram', range.length);
    await region.addMapping({ rangeInRegion: range, backing: { mappable, fileOffset: 0n }, writable: true });
    await region.map({ writable: true });
    memory.write(0x1000n, Uint8Array.of(0xeb, 0xfe)); // jmp to itself
    const vcpu = vm.createVcpu(0);
    vcpu.setUpRealMode({ entry: 0x1000 });
    const running = vcpu.run();
    await sleep(100);`;

  for (const [how, end, result] of [
    ['by SIGKILL', "process.kill(process.pid, 'SIGKILL'); await running;", { signal: 'SIGKILL' }],
    ['by process.exit', 'process.exit(3);', { status: 3 }],
    ['by an error', "throw new Error('on purpose');", { status: 1 }],
  ] as const) {
    it(`leaves the device and KVM to the next one: ${how}`, function () {
      this.timeout(120_000);
      expect(runChild(`${PROGRAM} ${end}`)).to.include(result);
      const way = iommufd('va');
      way.openDevice(FIRST);
      way.close();
      using kvm = Kvm.open();
      using vm = kvm.createVm();
      expect(vm.memorySlots().free).to.equal(vm.slots);
    });
  }
});
