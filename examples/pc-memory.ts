/**
 * The memory of a PC, where regions overlap in any way: the VGA window and the BIOS over RAM, the PAM areas (shadow RAM, which the firmware
 * writes and then protects), the PCI window with a BAR, and flash. A log shows the pieces of RAM that appear, and how they are joined again.
 *
 * At the end, the same overlay over RAM with a granule: only one granule is unmapped and mapped again.
 */
import { MemoryRange, RegionManager, type Region, type RegionEdit } from 'dma-streams';
import { Memfd, RamBlocks } from 'dma-streams/binding';
import { LoggingTarget, SoftIommuTarget } from 'dma-streams/targets';

const KiB = 1n << 10n;
const MiB = 1n << 20n;
const GiB = 1n << 30n;

using memory = new RamBlocks();
using ram = Memfd.create('ram', 4n * GiB);
using flash = Memfd.create('flash', 4n * MiB);
using vram = Memfd.create('vram', 16n * MiB);

await using manager = new RegionManager({
  overlap: 'any',
  vaMapper: memory,
  hostAddresses: 'always',
  onWarning: (warning) => {
    console.warn(`warning: ${warning.message}`);
  },
});
const iommu = new SoftIommuTarget({ name: 'iommu' });
await manager.attach(iommu);
await manager.attach(new LoggingTarget());

interface Memory {
  readonly file: Memfd;
  readonly offset: bigint;
  readonly writable?: boolean;
  readonly granule?: bigint;
}

/** Adds a region and maps it. Without memory it is a hole, which covers what is below it. */
function show(edit: RegionEdit, name: string, range: MemoryRange, priority: number, memory?: Memory): Region {
  const region = edit.addRegion({ name, range, priority, type: memory?.file === vram ? 'device' : 'ram' });
  if (memory !== undefined) {
    const { file, offset, writable = true, granule } = memory;
    edit.addMapping(region, {
      rangeInRegion: MemoryRange.ofLength(0, range.length),
      backing: { mappable: file, fileOffset: offset },
      writable,
      ...(granule === undefined ? {} : { granule }),
    });
  }
  edit.map(region, { writable: true });
  return region;
}

console.log(
  'power on: RAM, the VGA window and the BIOS above it, and below it the PCI window, which shows where nothing else does',
);
// The last 8 MiB below 3 GiB belong to the graphics device.
const lowEnd = 3n * GiB - 8n * MiB;
const bios = MemoryRange.of(0xe0000, 0x100000);
const low = await manager.transaction((edit) => {
  show(edit, 'ram high', MemoryRange.ofLength(4n * GiB, 1n * GiB), 0, { file: ram, offset: 3n * GiB });
  show(edit, 'vga', MemoryRange.of(0xa0000, 0xc0000), 1);
  show(edit, 'bios', bios, 1, { file: flash, offset: 4n * MiB - bios.length, writable: false });
  show(edit, 'flash', MemoryRange.of(4n * GiB - 4n * MiB, 4n * GiB), 0, { file: flash, offset: 0n, writable: false });
  show(edit, 'pci', MemoryRange.of(lowEnd, 4n * GiB), -1);
  return show(edit, 'ram', MemoryRange.of(0, lowEnd), 0, { file: ram, offset: 0n });
});
console.log(`ram shows at ${low.activeMappings.map(({ range }) => range.toString()).join(' and ')}`);

console.log('PAM: the firmware makes RAM visible in place of the BIOS, copies itself, and protects it');
const pam = await manager.transaction((edit) => show(edit, 'pam', bios, 2, { file: ram, offset: bios.start }));
memory.write(bios.start, Buffer.from('shadow'));
await pam.map({ writable: false });

console.log('a BAR is placed in the PCI window, and then over RAM, half of it');
const showBar = (edit: RegionEdit, start: bigint): Region =>
  show(edit, 'vram', MemoryRange.ofLength(start, 16n * MiB), 1, { file: vram, offset: 0n });
const placed = await manager.transaction((edit) => showBar(edit, 0xd0000000n));
const moved = await manager.transaction((edit) => {
  edit.removeRegion(placed);
  return showBar(edit, 3n * GiB - 16n * MiB);
});
console.log('it goes away: RAM is whole again there');
await moved.remove();
console.log(`device DMA finds the shadow in RAM: ${iommu.read(bios.start, 6).toString()}`);

console.log('a page over the RAM above 4 GiB: all of this RAM is unmapped for a moment');
const page = MemoryRange.ofLength(4n * GiB + 5n * MiB, 4n * KiB);
const overlay = await manager.transaction((edit) => show(edit, 'page', page, 1));
await overlay.remove();

console.log('the same with RAM in granules of 256 MiB: three of them are not touched');
const high = await manager.transaction((edit) =>
  show(edit, 'granules', MemoryRange.ofLength(5n * GiB, 1n * GiB), 0, {
    file: ram,
    offset: 3n * GiB,
    granule: 256n * MiB,
  }),
);
const other = await manager.transaction((edit) => show(edit, 'page', page.shift(1n * GiB), 1));
await other.remove();
console.log(`iommu holds ${high.activeMappings.length} pieces of it, ${iommu.entries} mappings in all`);
