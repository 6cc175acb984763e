/**
 * A virtual machine on KVM: RAM below and above a hole, a ROM with the code of the guest, a device whose registers are JavaScript, a memory
 * module that is plugged in while the guest runs, an overlay over its RAM, and DMA of a device into memory that the guest then reads.
 *
 * The guest is a program of 39 bytes in real mode (`tiny-vmm/guest-code.ts`). It says the texts that it finds at the addresses it is told,
 * byte by byte, to a port. All that it says it has read in its own memory, or got from the device.
 *
 * In a clone of the repository `npm run vmm` runs it on this machine, `npm run lab -- npm run vmm` in a guest that has KVM, and a real IOMMU for
 * the device.
 */
import { writeSync } from 'node:fs';
import { DmaError, MemoryRange, RegionManager, type Region } from 'dma-streams';
import { Kvm, Memfd, RamBlocks } from 'dma-streams/binding';
import { KvmTarget } from 'dma-streams/targets';
import { openDmaDevice } from './tiny-vmm/dma-device.js';
import { GUEST_CODE } from './tiny-vmm/guest-code.js';
import { Guest } from './tiny-vmm/guest.js';

const KiB = 1n << 10n;
const LOW = MemoryRange.ofLength(0x0, 256n * KiB);
const DEVICE = MemoryRange.ofLength(0x40000, 4n * KiB);
const HIGH = MemoryRange.ofLength(0x80000, 128n * KiB);
const MODULE = MemoryRange.ofLength(0xa0000, 64n * KiB);
const ROM = MemoryRange.ofLength(0xf0000, 64n * KiB);
const OVERLAY = MemoryRange.ofLength(0x20000, 4n * KiB);
/** Where texts are, besides at the beginning of regions. */
const ROM_TEXT = ROM.start + 0x100n;
const SOURCE = LOW.start + 0x10000n;
const DESTINATION = HIGH.start + 0x10000n;

const text = (words: string): Buffer => Buffer.from(`${words}\0`);
const hex = (address: bigint): string => `0x${address.toString(16).padStart(5, '0')}`;
const tell = (what: string, detail = ''): void => {
  console.log(`${what.padEnd(36)}${detail}`.trimEnd());
};

async function main(): Promise<void> {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  using memory = new RamBlocks();
  using ram = Memfd.create('ram', LOW.length + HIGH.length);
  using module = Memfd.create('memory module', MODULE.length);
  using page = Memfd.create('overlay', OVERLAY.length);
  using rom = Memfd.create('rom', ROM.length);
  using device = openDmaDevice();
  using vcpu = vm.createVcpu(0);
  await using manager = new RegionManager({ vaMapper: memory, overlap: 'any' });

  // What the registers of the device spell, one after another.
  const registers = text('the registers of a device');
  const guest = new Guest(vcpu, memory, (address) => registers[Number(address - DEVICE.start)]);

  // KVM first: then the device never reaches memory that the guest does not see. The guest pauses while its memory changes.
  await manager.attach(new KvmTarget(vm, { around: { pause: () => guest.pause(), resume: () => guest.resume() } }));
  await manager.attach(device.target);

  /** Adds memory and shows it. */
  const plug = (name: string, range: MemoryRange, file: Memfd, fileOffset = 0n, writable = true): Promise<Region> =>
    manager.addRam({ name, range, priority: range.equals(OVERLAY) ? 1 : 0, backing: file, fileOffset, writable });

  writeSync(rom.fd, GUEST_CODE, 0, GUEST_CODE.length, 0);
  writeSync(rom.fd, text('the ROM'), 0, null, Number(ROM_TEXT - ROM.start));
  await plug('RAM', LOW, ram);
  await plug('RAM above the hole', HIGH, ram, LOW.length);
  await plug('ROM', ROM, rom, 0n, false);
  console.log('The machine');
  for (const { range, region, writable } of manager.snapshot().mappings) {
    tell(`  ${hex(range.start)} - ${hex(range.end)}`, `${region}${writable ? '' : ', read-only'}`);
  }
  tell(`  ${hex(DEVICE.start)} - ${hex(DEVICE.end)}`, 'registers of a device, in JavaScript');
  tell('  DMA', device.description);

  vcpu.setUpRealMode({ segment: Number(ROM.start / 16n), entry: 0 });
  const running = guest.run();
  const stop = (): void => {
    process.exitCode = 130; // As a shell has it for Ctrl-C.
    guest.stop();
  };
  process.once('SIGINT', stop);

  const story = async (): Promise<void> => {
    const hear = async (address: bigint, isLast = false): Promise<void> => {
      tell(`  the guest reads ${hex(address)}`, `"${await guest.ask(address, isLast)}"`);
    };
    console.log('The guest runs');
    await hear(ROM_TEXT);
    memory.write(HIGH.start, text('RAM above the hole'));
    await hear(HIGH.start);
    await hear(DEVICE.start);

    console.log('A memory module is plugged in while it runs');
    await plug('memory module', MODULE, module);
    memory.write(MODULE.start, text('the memory module'));
    await hear(MODULE.start);

    console.log('An overlay hides a page of RAM, and goes again');
    memory.write(OVERLAY.start, text('RAM'));
    await hear(OVERLAY.start);
    const overlay = await plug('overlay', OVERLAY, page);
    memory.write(OVERLAY.start, text('the overlay'));
    await hear(OVERLAY.start);
    await overlay.remove();
    await hear(OVERLAY.start);

    console.log('The device copies memory by DMA');
    memory.write(SOURCE, text('what the device has copied'));
    await device.copy(SOURCE, DESTINATION, 64);
    await hear(DESTINATION, true);
  };
  const [end] = await Promise.all([running, Promise.race([story(), running])]);
  process.off('SIGINT', stop);
  console.log(`The guest has ${end}`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof DmaError)) {
    throw error;
  }
  console.error(`tiny-vmm: ${error.message}`);
  if (error.hint !== undefined) {
    console.error(error.hint);
  }
  process.exitCode = 1;
}
