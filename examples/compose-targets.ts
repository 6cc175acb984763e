/**
 * The memory of a small machine, as VMM code would set it up: RAM below and above the PCI hole, a BIOS in read-only memory, and the
 * BAR of a device. Three targets are attached, composed in three ways.
 */
import { ensureMapped, fanOut, MemoryRange, onlyType, RegionManager, toTarget } from 'dma-streams';
import { Memfd, RamBlocks } from 'dma-streams/binding';
import { LoggingTarget, SoftIommuTarget } from 'dma-streams/targets';

const MiB = 1n << 20n;
const GiB = 1n << 30n;

using memory = new RamBlocks();
using ram = Memfd.create('ram', 4n * GiB);
using bios = Memfd.create('bios', 1n * MiB);
using bar = Memfd.create('bar', 16n * MiB);

await using manager = new RegionManager({
  vaMapper: memory,
  hostAddresses: 'always',
  onWarning: (warning) => {
    console.warn(`warning: ${warning.message}`);
  },
});

// One target, attached directly.
const iommu = new SoftIommuTarget({ name: 'iommu' });
await manager.attach(iommu);

// The same with an explicit pipeline: an operator before the target passes only RAM.
const ramOnly = new LoggingTarget({ name: 'ram only' });
await manager.attach((changes$) => changes$.pipe(onlyType('ram'), toTarget(ramOnly)));

// Two targets that succeed or fail together, with a host virtual address for every mapping.
const pair = fanOut(toTarget(new SoftIommuTarget({ name: 'left' })), toTarget(new SoftIommuTarget({ name: 'right' })));
await manager.attach((changes$) => changes$.pipe(ensureMapped(memory), pair));

// The whole map becomes visible as one change set, or not at all.
const low = MemoryRange.of(0, 3n * GiB);
const high = MemoryRange.ofLength(4n * GiB, 1n * GiB);
await manager.transaction((edit) => {
  edit.addRam({ name: 'ram low', range: low, backing: ram });
  edit.addRam({ name: 'ram high', range: high, backing: ram, fileOffset: low.length });
  edit.addRam({ name: 'bios', range: MemoryRange.ofLength(0xfff00000n, 1n * MiB), backing: bios, writable: false });
  const pci = edit.addRegion({ name: 'bar 0', range: MemoryRange.ofLength(0xe0000000n, 16n * MiB), type: 'device' });
  edit.addMapping(pci, {
    rangeInRegion: MemoryRange.ofLength(0, 16n * MiB),
    backing: { mappable: bar, fileOffset: 0n },
    writable: true,
  });
  edit.map(pci, { writable: true });
});

// A device writes; the VMM reads the same bytes at the same guest address.
iommu.write(high.start + 5n, Buffer.from('hello'));
console.log('the VMM reads:', memory.read(high.start + 5n, 5).toString());

for (const { target, ledger } of manager.attachments.map((one) => ({ target: one.target, ledger: one.ledger() }))) {
  console.log(`${target} holds ${ledger.map(({ range }) => range.toString()).join(', ')}`);
}
