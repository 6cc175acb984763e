import { expect } from 'chai';
import { Iommufd, Kvm, Memfd, RamBlocks, VfioDevice, type KvmVcpu, type KvmVm } from '../../../binding/index.js';
import { MemoryRange, RegionManager, type Region } from '../../../streams/index.js';
import { IommufdTarget, KvmTarget } from '../../../targets/index.js';
import { CODE, PROGRAM } from '../../support/kvm-machine.js';
import { copyByDma, enable, FIRST } from '../support/edu.js';

/** Where the slot of another user of the VM is in the way, and where the IOMMU maps nothing. */
const DIMM = MemoryRange.of(0x100_0000, 0x140_0000);
const INTERRUPTS = MemoryRange.of(0xfee0_0000, 0xfee0_1000);
const BAR = MemoryRange.of(0xe000_0000, 0xe010_0000);

describe('a guest and a device see the same memory, through one manager', () => {
  let kvm: Kvm;
  let vm: KvmVm;
  let vcpu: KvmVcpu;
  let memory: RamBlocks;
  let manager: RegionManager;
  let iommufd: Iommufd;
  let device: VfioDevice;
  let target: KvmTarget;
  let iommu: IommufdTarget;
  const around: string[] = [];
  const warnings: unknown[] = [];
  const memfds: Memfd[] = [];
  /** What pauses the vCPU: ends the run that is going on. */
  let running: ReturnType<KvmVcpu['run']> | undefined;

  beforeEach(async () => {
    around.length = warnings.length = 0;
    kvm = Kvm.open();
    vm = kvm.createVm();
    vcpu = vm.createVcpu(0);
    memory = new RamBlocks();
    manager = new RegionManager({
      vaMapper: memory,
      onWarning: (warning) => warnings.push(warning),
      warnAfter: Infinity,
    });
    iommufd = Iommufd.open();
    device = VfioDevice.openCdev(FIRST, iommufd);
    const ioas = iommufd.allocIoas();
    device.attach(ioas);
    enable(device);
    target = new KvmTarget(vm, {
      around: {
        pause: async () => {
          around.push('pause');
          vcpu.interrupt();
          await running;
        },
        resume: () => {
          around.push('resume');
        },
      },
    });
    iommu = new IommufdTarget(ioas, { by: 'va' });
    await manager.attach(target);
    await manager.attach(iommu);
    await plug('ram', MemoryRange.of(0, 0x10_0000));
    around.length = 0;
  });

  afterEach(async () => {
    running = undefined;
    await manager.close();
    vcpu.close();
    vm.close();
    kvm.close();
    device.close();
    iommufd.close();
    memory.close();
    memfds.splice(0).forEach((memfd) => {
      memfd.close();
    });
  });

  async function plug(name: string, range: MemoryRange): Promise<Region> {
    const mappable = Memfd.create(name, range.length);
    memfds.push(mappable);
    const region = await manager.addRegion({ name, range, type: 'ram' });
    const rangeInRegion = MemoryRange.ofLength(0, Number(range.length));
    await region.addMapping({ rangeInRegion, backing: { mappable, fileOffset: 0n }, writable: true });
    try {
      await region.map({ writable: true });
    } catch (error) {
      await region.remove();
      throw error;
    }
    return region;
  }

  /** Runs real-mode code with data segments at `data`, up to its first exit. */
  function start(program: readonly number[], data: bigint): ReturnType<KvmVcpu['run']> {
    memory.write(CODE, Uint8Array.from(program));
    vcpu.setUpRealMode({ entry: Number(CODE) });
    const { ds } = vcpu.specialRegisters;
    vcpu.setSpecialRegisters({ ds: { ...ds, base: data } });
    return vcpu.run();
  }

  it('what a device wrote by DMA, the guest reads, and the other way round', async () => {
    memory.write(0x5000n, Buffer.from([0x77, 1, 2, 3]));
    await copyByDma(device, 0x5000n, 0x8000n, 4);
    expect(await start(PROGRAM.read, 0x8000n)).to.deep.equal({ kind: 'halt' });
    expect(Number(vcpu.registers.rax & 0xffn)).to.equal(0x77);
    await start(PROGRAM.write, 0x9000n);
    await copyByDma(device, 0x9000n, 0xa000n, 4);
    expect(memory.read(0xa000n, 1)[0]).to.equal(0x5a);
  });

  it('memory is plugged and unplugged while the guest runs; each set pauses it once', async () => {
    // wait: mov al, [0]; cmp al, 0x42; jne wait; hlt
    memory.write(0x5000n, Buffer.from([0]));
    running = start([0xa0, 0, 0, 0x3c, 0x42, 0x75, 0xf9, 0xf4], 0x5000n);
    const dimm = await plug('dimm', DIMM);
    expect(await running).to.deep.equal({ kind: 'interrupted' });
    expect(around).to.deep.equal(['pause', 'resume']);
    running = vcpu.run();
    await dimm.remove();
    expect(await running).to.deep.equal({ kind: 'interrupted' });
    expect(around).to.deep.equal(['pause', 'resume', 'pause', 'resume']);
    running = vcpu.run();
    memory.write(0x5000n, Buffer.from([0x42]));
    expect(await running).to.deep.equal({ kind: 'halt' });
  });

  it('a slot that cannot be set is undone at the IOMMU, and a map that the IOMMU refuses at the slots', async () => {
    const before = [target.mappedRanges().map(String), iommu.mappedRanges().map(String)];
    const other = new KvmTarget(vm, { firstSlot: 200, name: 'other' });
    const mappable = Memfd.create('other', DIMM.length);
    memfds.push(mappable);
    const hostVa = memory.ensureMapped({
      ...{ range: DIMM, region: 'other', type: 'ram', writable: true },
      backing: { mappable, fileOffset: 0n },
    });
    void other.mapDma({
      range: MemoryRange.ofLength(DIMM.start, 0x1000),
      region: 'other',
      type: 'ram',
      writable: true,
      fileOffset: 0n,
      hostVa,
    });
    memory.release(DIMM);
    const slot = await plug('dimm', DIMM).catch((reason: unknown) => reason);
    expect(slot).to.include({ code: 'EEXIST', target: 'kvm', request: 'KVM_SET_USER_MEMORY_REGION' });
    expect([target.mappedRanges().map(String), iommu.mappedRanges().map(String)]).to.deep.equal(before);
    const refused = await plug('window', INTERRUPTS).catch((reason: unknown) => reason);
    expect(refused).to.include({ code: 'EINVAL', target: 'iommufd' });
    expect([target.mappedRanges().map(String), iommu.mappedRanges().map(String)]).to.deep.equal(before);
    void other.unmapDma(DIMM);
    const dimm = await plug('dimm', DIMM);
    expect(target.slotOf(DIMM.start)).to.equal(1);
    await dimm.remove();
  });

  it('the BAR of a device behind a slot: the guest reads and writes its registers', async () => {
    const region = await manager.addRegion({ name: 'bar', range: BAR, type: 'device' });
    const rangeInRegion = MemoryRange.ofLength(0, Number(BAR.length));
    const { offset: fileOffset } = device.region(0);
    await region.addMapping({ rangeInRegion, backing: { mappable: device, fileOffset }, writable: true });
    await region.map({ writable: true });
    expect(target.slotOf(BAR.start)).to.be.a('number');
    // mov eax, [0]; mov dword [4], 0x12345678; hlt
    const program = [0x66, 0xa1, 0, 0, 0x66, 0xc7, 6, 4, 0, 0x78, 0x56, 0x34, 0x12, 0xf4];
    expect(await start(program, BAR.start)).to.deep.equal({ kind: 'halt' });
    expect(Number(vcpu.registers.rax)).to.equal(0x10000ed);
    // The register inverts what is written to it.
    expect(device.readBar(0, 4n, 4).readUInt32LE()).to.equal(~0x12345678 >>> 0);
    expect(warnings).to.have.lengthOf(1); // iommufd cannot map a BAR by address.
    await region.remove();
  });
});
