import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { findPciDevice, Memfd } from '../../binding/index.js';
import { DmaError, MemoryRange, type Attachment, type DmaTarget, type Region } from '../../streams/index.js';
import { BINDING, ROOT, STREAMS } from '../binding/support/child.js';
import { openDescriptors } from '../binding/support/descriptors.js';
import { ledgerOf, rejectionOf, viewOf } from '../streams/support/phrases.js';
import { pinnedKilobytes, unmapInKernel } from './support/accounts.js';
import { FIRST, Machine, type1, ways, type Way } from './support/machine.js';

const ENTRY_LIMIT = '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit';
const NOBODY = 65534;
const page = (number: number, count = 1): MemoryRange => MemoryRange.ofPages(number, number + count);

/** The target without the look at a whole set beforehand: so that the kernel refuses a map after it took others. */
function unchecked(target: DmaTarget): DmaTarget {
  return {
    name: target.name,
    needsVa: target.needsVa === true,
    mapDma: target.mapDma.bind(target),
    unmapDma: target.unmapDma.bind(target),
  };
}

interface State {
  readonly pinned: readonly [number, number];
  readonly ledger: readonly string[];
  readonly view: readonly string[];
  readonly entries: number | undefined;
  readonly descriptors: number;
}

describe('after a failure that a real limit has caused', function () {
  this.timeout(120_000);
  let way: Way;
  let machine: Machine;
  let attachment: Attachment | undefined;

  const state = (): State => ({
    pinned: pinnedKilobytes(),
    ledger: attachment === undefined ? [] : ledgerOf(attachment),
    view: viewOf(machine.manager),
    entries: way.container?.info.dmaEntriesAvailable,
    descriptors: openDescriptors(),
  });

  async function begin(make: () => Way): Promise<void> {
    way = make();
    machine = await Machine.create();
    await machine.attachVa();
    way.openDevice();
  }

  afterEach(async () => {
    if (attachment !== undefined) {
      const held = attachment.ledger().map(({ range }) => range);
      expect(unmapInKernel(way, held)).to.deep.equal([...held.map(({ length }) => length), 0n]);
    }
    attachment = undefined;
    await machine[Symbol.asyncDispose]();
    way.close();
    expect(pinnedKilobytes()).to.deep.equal([0, 0]);
  });

  for (const make of ways()) {
    const probe = make();
    const { name } = probe;
    probe.close();

    it(`${name}: a reserved range in the middle of a set leaves nothing, and the rest works without it`, async () => {
      await begin(make);
      attachment = await machine.manager.attach(unchecked(way.target));
      await machine.back(page(0, 4));
      const range = MemoryRange.of(0xfed00000, 0xff000000);
      const region = await machine.manager.addRegion({ name: 'across', range, type: 'ram' });
      await region.map({ writable: true });
      const before = state();
      const add = (pages: readonly number[]): Promise<void> =>
        machine.manager.transaction((edit) => {
          edit.removeMappings(machine.ram, page(0, 4));
          for (const number of pages) {
            const backing = { mappable: machine.memfd, fileOffset: BigInt(number) * 4096n };
            edit.addMapping(region, { rangeInRegion: page(number), backing, writable: true });
          }
        });

      const error = await rejectionOf(add([0, 2, 0x100, 0x210]));
      expect(error).to.be.instanceOf(DmaError).and.include({ code: 'EINVAL', region: 'across' });
      expect(state()).to.deep.equal(before);
      await add([0, 2, 0x210]);
      expect(attachment.ledger()).to.have.length(3);
    });

    it(`${name}: memory that its file no longer has fails the attach, which leaves nothing`, async () => {
      await begin(make);
      const path = `/dev/shm/unbacked-${process.pid}`;
      const fd = openSync(path, 'w+');
      ftruncateSync(fd, 0x10000);
      const file = Memfd.from(fd, 'shrunk');
      const region: Region = await machine.manager.addRegion({
        name: 'shrunk',
        range: MemoryRange.ofLength(0x2000000n, 0x10000n),
        type: 'ram',
      });
      await region.map({ writable: true });
      const backing = { mappable: file, fileOffset: 0n };
      await region.addMapping({ rangeInRegion: page(0, 16), backing, writable: true });
      await machine.back(page(0, 4));
      ftruncateSync(fd, 0x8000);
      const before = state();

      // Pinning a file, the kernel finds the offset invalid; pinning addresses, that nothing is behind them.
      const code = way.ioas !== undefined && !way.target.needsVa ? 'EINVAL' : 'EFAULT';
      const error = await rejectionOf(machine.manager.attach(unchecked(way.target)));
      expect(error).to.be.instanceOf(DmaError).and.include({ code, region: 'shrunk' });
      expect(error['hint']).to.be.a('string');
      expect(state()).to.deep.equal(before);

      ftruncateSync(fd, 0x10000);
      attachment = await machine.manager.attach(unchecked(way.target));
      expect(attachment.ledger()).to.have.length(2);
      closeSync(fd);
      unlinkSync(path);
      file.close();
    });
  }

  it('type1: the entry after the last fails the whole set, and one fewer works', async () => {
    const limit = readFileSync(ENTRY_LIMIT, 'utf8');
    writeFileSync(ENTRY_LIMIT, '8');
    try {
      await begin(type1);
    } finally {
      writeFileSync(ENTRY_LIMIT, limit);
    }
    expect(way.container?.info.dmaEntriesAvailable).to.equal(8);
    attachment = await machine.manager.attach(unchecked(way.target));
    await machine.back(page(0));
    const before = state();
    const add = (count: number): Promise<void> =>
      machine.manager.transaction((edit) => {
        for (let number = 1; number <= count; number++) {
          const rangeInRegion = page(number * 2);
          const backing = { mappable: machine.memfd, fileOffset: rangeInRegion.start };
          edit.addMapping(machine.ram, { rangeInRegion, backing, writable: true });
        }
      });
    expect(await rejectionOf(add(8)))
      .to.be.instanceOf(DmaError)
      .and.include({ code: 'ENOSPC' });
    expect(state()).to.deep.equal(before);
    await add(7);
    expect(way.container?.info.dmaEntriesAvailable).to.equal(0);
  });
});

describe('at the limit of locked memory', () => {
  for (const [kind, open] of [
    [
      'type1',
      `const container = VfioContainer.open(); const group = VfioGroup.forDevice('${FIRST}'); container.addGroup(group);
       const device = group.openDevice('${FIRST}'); const target = new VfioType1Target(container);`,
    ],
    [
      'iommufd by va',
      `const iommufd = Iommufd.open(); const ioas = iommufd.allocIoas(); const device = VfioDevice.openCdev('${FIRST}', iommufd);
       device.attach(ioas); const target = new IommufdTarget(ioas, { by: 'va' });`,
    ],
  ] as const) {
    it(`${kind}: a process without CAP_IPC_LOCK fails the set that is too much, is left with what it had pinned, and goes on`, () => {
      const device = findPciDevice(FIRST);
      for (const file of [
        `/dev/vfio/${device.iommuGroup}`,
        `/dev/vfio/devices/vfio${device.vfioNumber}`,
        '/dev/iommu',
      ]) {
        chownSync(file, NOBODY, NOBODY);
      }
      chmodSync('/dev/vfio/vfio', 0o666);
      const program = `
        import { readFileSync } from 'node:fs';
        import { AddressSpace, Iommufd, Memfd, VfioContainer, VfioDevice, VfioGroup } from '${BINDING}';
        import { MemoryRange, RegionManager } from '${STREAMS}';
        import { IommufdTarget, VfioType1Target } from '${new URL('../../targets/index.js', import.meta.url).href}';
        const pinned = () => [...readFileSync('/proc/self/status', 'utf8').matchAll(/^Vm(?:Lck|Pin):\\s+(\\d+)/gm)].map(([, kb]) => kb).join('+');
        ${open}
        const space = new AddressSpace({ size: 1n << 34n });
        const memfd = Memfd.create('ram', 8n << 20n);
        const manager = new RegionManager({ vaMapper: space });
        const attachment = await manager.attach({
          name: 'unchecked', needsVa: true, mapDma: target.mapDma.bind(target), unmapDma: target.unmapDma.bind(target),
        });
        const region = await manager.addRegion({ name: 'ram', range: MemoryRange.of(0, 8 << 20), type: 'ram' });
        await region.map({ writable: true });
        const add = (...megabytes) => manager.transaction((edit) => {
          for (const mb of megabytes) {
            const rangeInRegion = MemoryRange.ofLength(mb << 20, 1 << 20);
            edit.addMapping(region, { rangeInRegion, backing: { mappable: memfd, fileOffset: rangeInRegion.start }, writable: true });
          }
        });
        await add(0);
        const say = () => console.log(pinned(), attachment.ledger().length, manager.snapshot().mappings.length);
        say();
        await add(1, 2, 3, 4, 5).then(() => console.log('all of it'), (error) => console.log(error.code, /ulimit -l/.test(error.hint)));
        say();
        await add(1, 2);
        say();
        await manager.close();
        console.log(pinned());
        device.close();`;
      const child = spawnSync(
        'sh',
        ['-c', 'ulimit -l 4096; exec "$0" "$@"', process.execPath, '--input-type=module', '-e', program],
        { encoding: 'utf8', uid: NOBODY, gid: NOBODY, cwd: ROOT, timeout: 60_000 },
      );
      expect(child.status, child.stderr).to.equal(0);
      const [locked, pinned] = kind === 'type1' ? (['1024+0', '3072+0'] as const) : (['0+1024', '0+3072'] as const);
      expect(child.stdout.trim().split('\n')).to.deep.equal([
        `${locked} 1 1`,
        'ENOMEM true',
        `${locked} 1 1`,
        `${pinned} 3 3`,
        '0+0',
      ]);
    }).timeout(120_000);
  }
});
