import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { findPciDevice, VfioContainer, VfioGroup } from '../../binding/index.js';
import { DmaError, DmaMapError, DmaUnmapError, MemoryRange } from '../../streams/index.js';
import { AssignedDevices, VfioType1Target } from '../../targets/index.js';
import { BINDING, STREAMS } from '../binding/support/child.js';
import { copyByDma, enable, FIRST, SECOND } from './support/edu.js';
import { Machine, ways } from './support/machine.js';
import { pinned } from './support/workbench.js';

const TARGETS = new URL('../../targets/index.js', import.meta.url).href;
const at = (number: number): bigint => Machine.RAM.start + BigInt(number) * 4096n;
const page = (number: number, count = 1): MemoryRange => MemoryRange.ofPages(number, number + count);

async function failure(promise: Promise<unknown>): Promise<DmaError> {
  const error: unknown = await promise.catch((thrown: unknown) => thrown);
  expect(error).to.be.instanceOf(DmaError);
  return error as DmaError;
}

describe('what goes wrong with devices', () => {
  let machine: Machine;

  beforeEach(async () => {
    machine = await Machine.create();
    await machine.attachVa();
    await machine.back(page(0, 4));
  });

  afterEach(async () => {
    await machine[Symbol.asyncDispose]();
    expect(pinned()).to.equal(0);
  });

  for (const through of ['type1', 'iommufd'] as const) {
    it(`${through}: a device that is not there, not a device, or bound to no driver`, async () => {
      await using assigned = new AssignedDevices(machine.manager);
      const missing = await failure(assigned.add('0000:00:1e.7', { through }));
      expect(missing).to.include({ code: 'ENODEV' });
      expect(missing.hint).to.contain('lspci -D');
      const malformed: unknown = await assigned.add('eth0', { through }).catch((thrown: unknown) => thrown);
      expect(malformed).to.be.instanceOf(RangeError);
      const bound = `/sys/bus/pci/devices/${SECOND}`;
      writeFileSync(`${bound}/driver_override`, '\n');
      writeFileSync(`${bound}/driver/unbind`, SECOND);
      try {
        const unbound = await failure(assigned.add(SECOND, { through }));
        expect(unbound).to.include({ code: 'ENOENT', syscall: 'open' });
        expect(unbound.hint).to.match(/has no driver\. As root: modprobe vfio-pci; echo vfio-pci > .*driver_override/);
      } finally {
        writeFileSync(`${bound}/driver_override`, 'vfio-pci');
        writeFileSync('/sys/bus/pci/drivers_probe', SECOND);
      }
      await assigned.add(SECOND, { through });
    });

    it(`${through}: a device that is open elsewhere, and works once it is not`, async () => {
      await using assigned = new AssignedDevices(machine.manager);
      await using others = new AssignedDevices(machine.manager);
      const theirs = await others.add(FIRST, { through });
      const error = await failure(assigned.add(FIRST, { through }));
      expect(error.code).to.be.oneOf(['EBUSY', 'EINVAL']);
      expect(error.hint).to.match(/open once only.*fuser -v/);
      await theirs.remove();
      await assigned.add(FIRST, { through });
    });

    it(`${through}: a device that is unplugged under us works until it is given back, then it is gone`, async () => {
      await using assigned = new AssignedDevices(machine.manager);
      const first = await assigned.add(FIRST, { through });
      const second = await assigned.add(SECOND, { through });
      enable(first.device);
      enable(second.device);
      machine.space.write(at(0), Buffer.from('unplugged'));
      // The kernel waits for us to close it.
      const unplug = spawn('sh', ['-c', `echo 1 > /sys/bus/pci/devices/${SECOND}/remove`], { stdio: 'ignore' });
      const unplugged = once(unplug, 'exit');
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await copyByDma(second.device, at(0), at(1), 9);
      expect(machine.space.read(at(1), 9).toString()).to.equal('unplugged');
      expect(unplug.exitCode, 'the kernel waits').to.equal(null);

      await second.remove();
      expect(await unplugged).to.deep.equal([0, null]);
      expect(existsSync(`/sys/bus/pci/devices/${SECOND}`)).to.equal(false);
      expect(await failure(assigned.add(SECOND, { through }))).to.include({ code: 'ENODEV' });
      await copyByDma(first.device, at(1), at(2), 9);
      expect(machine.space.read(at(2), 9).toString(), 'the other one goes on').to.equal('unplugged');

      writeFileSync('/sys/bus/pci/rescan', '1');
      writeFileSync(`/sys/bus/pci/devices/${SECOND}/driver_override`, 'vfio-pci');
      writeFileSync('/sys/bus/pci/drivers_probe', SECOND);
      expect(findPciDevice(SECOND).driver).to.equal('vfio-pci');
      const again = await assigned.add(SECOND, { through });
      enable(again.device);
      await copyByDma(again.device, at(2), at(3), 9);
      expect(machine.space.read(at(3), 9).toString()).to.equal('unplugged');
    });

    it(`${through}: a device that was put back to its state after power-on does no DMA, says so, and can be had again`, async () => {
      await using assigned = new AssignedDevices(machine.manager);
      const { device } = await assigned.add(FIRST, { through });
      enable(device);
      // The command register as after a reset: no memory decoding, no bus mastering.
      device.writeConfig(4, Buffer.alloc(2));
      let error: unknown;
      try {
        device.readBar(0, 0n, 4);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).to.be.instanceOf(DmaError).and.to.include({ code: 'EIO', syscall: 'pread' });
      expect((error as DmaError).hint).to.match(/memory decoding may be off/);
      await machine.ram.removeMappings(page(0, 4));
      await machine.back(page(0, 4));
      enable(device);
      machine.space.write(at(0), Buffer.from('again'));
      await copyByDma(device, at(0), at(1), 5);
      expect(machine.space.read(at(1), 5).toString()).to.equal('again');
    });
  }

  it('a container that is closed under its target: commands fail and are undone, and what it maps is kept alive', async () => {
    const own = await Machine.create();
    await own.back(page(0, 4));
    const container = VfioContainer.open();
    const group = VfioGroup.forDevice(FIRST);
    container.addGroup(group);
    const attachment = await own.manager.attach(new VfioType1Target(container));
    container.close();
    const error = await failure(own.back(page(8)));
    expect(error).to.be.instanceOf(DmaMapError).and.to.include({ code: 'ERR_CLOSED', target: 'vfio' });
    expect(error.message).to.contain('closed');
    expect(own.manager.snapshot().mappings).to.have.length(1);
    // The group is in the container still, and devices reach the memory: that it cannot be unmapped any more is said, not hidden.
    const stuck = await failure(attachment.detach());
    expect(stuck).to.be.instanceOf(DmaUnmapError).and.to.include({ code: 'ERR_CLOSED' });
    expect((stuck as DmaUnmapError).stuck.map(({ range }) => range.toString())).to.deep.equal(['0x100000-0x104000']);
    expect((await failure(own.manager.attach(new VfioType1Target(container)))).code).to.equal('ERR_CLOSED');
    expect(await failure(own.manager.close())).to.be.instanceOf(DmaUnmapError);
    expect(pinned()).to.equal(4 * 4096);
    group.close();
    expect(pinned(), 'it goes with the last group').to.equal(0);
    own.space.close();
    own.memfd.close();
  });

  it('a group that is in another container', async () => {
    using container = VfioContainer.open();
    using other = VfioContainer.open();
    using group = VfioGroup.forDevice(FIRST);
    container.addGroup(group);
    expect(() => {
      other.addGroup(group);
    }).to.throw(DmaError, /cannot add IOMMU group/);
    const error = await failure(machine.manager.attach(new VfioType1Target(other)));
    expect(error.hint).to.contain('addGroup');
    await (await machine.manager.attach(new VfioType1Target(container))).detach();
  });
});

describe('a process that is killed in mid-attach', () => {
  for (const make of ways()) {
    const { name } = ((): { readonly name: string } => {
      const way = make();
      way.close();
      return way;
    })();
    const through = name === 'type1' ? 'type1' : 'iommufd';
    const by = name.split(' ').at(-1) ?? '';

    it(`leaves a clean start to the next one, ${name}`, async () => {
      const source = `
        import { AddressSpace, Memfd } from ${JSON.stringify(BINDING)};
        import { MemoryRange, RegionManager } from ${JSON.stringify(STREAMS)};
        import { AssignedDevices } from ${JSON.stringify(TARGETS)};
        const manager = new RegionManager({ vaMapper: new AddressSpace({ size: 1n << 34n }) });
        const memfd = Memfd.create('ram', 64n << 20n);
        await manager.transaction((edit) => {
          const region = edit.addRegion({ name: 'ram', range: MemoryRange.ofLength(0n, 1n << 33n), type: 'ram' });
          edit.map(region, { writable: true });
          for (let row = 1n; row < 32n; row++) {
            const rangeInRegion = MemoryRange.ofLength(row << 27n, 64n << 20n);
            edit.addMapping(region, { rangeInRegion, backing: { mappable: memfd, fileOffset: 0n }, writable: true });
          }
        });
        const assigned = new AssignedDevices(manager, { by: '${by === 'type1' ? 'auto' : by}' });
        await assigned.add('${FIRST}', { through: '${through}', onProgress: () => console.log('mapping') });
        console.log('done');`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [said] = (await once(child.stdout, 'data')) as [Buffer];
      child.kill('SIGKILL');
      expect((await once(child, 'exit'))[1]).to.equal('SIGKILL');
      expect(said.toString()).not.to.contain('done');

      const { stdout } = await promisify(execFile)('sh', ['-c', 'grep -h "VmLck\\|VmPin" /proc/[0-9]*/status']);
      expect(stdout).not.to.match(/:\s+[1-9]/);
      await using machine = await Machine.create();
      await machine.attachVa();
      await machine.back(page(0, 2));
      await using assigned = new AssignedDevices(machine.manager, { by: by === 'type1' ? 'auto' : (by as 'va') });
      const { device } = await assigned.add(FIRST, { through });
      enable(device);
      machine.space.write(at(0), Buffer.from('clean'));
      await copyByDma(device, at(0), at(1), 5);
      expect(machine.space.read(at(1), 5).toString()).to.equal('clean');
    });
  }
});
