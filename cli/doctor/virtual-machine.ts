import { Kvm, Memfd, RamBlocks } from '../../binding/index.js';
import { MemoryRange, RegionManager } from '../../streams/index.js';
import { KvmTarget } from '../../targets/index.js';

const PAGE = MemoryRange.ofPages(1, 2);
/** The instruction `hlt`. */
const HALT = 0xf4;

/**
 * Creates a virtual machine with a page of memory, and runs a guest of one instruction; on other processors than x86 only the former.
 *
 * @returns the number of memory slots that a virtual machine can have
 * @throws the error of the step that failed; all resources are released
 */
export async function tryVirtualMachine(): Promise<number> {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  using memory = new RamBlocks();
  using file = Memfd.create('doctor', PAGE.length);
  await using manager = new RegionManager({ vaMapper: memory });
  await manager.attach(new KvmTarget(vm));
  await manager.transaction((edit) => {
    const rangeInRegion = MemoryRange.ofLength(0n, PAGE.length);
    const region = edit.addRegion({ name: 'doctor', range: PAGE, type: 'ram' });
    edit.addMapping(region, { rangeInRegion, backing: { mappable: file, fileOffset: 0n }, writable: true });
    edit.map(region, { writable: true });
  });
  if (process.arch === 'x64') {
    memory.write(PAGE.start, Buffer.from([HALT]));
    using vcpu = vm.createVcpu(0);
    vcpu.setUpRealMode({ entry: Number(PAGE.start) });
    const { kind } = await vcpu.run();
    if (kind !== 'halt') {
      throw new Error(`a guest of one instruction ended with "${kind}" instead of "halt"`);
    }
  }
  return vm.slots;
}
