/**
 * Guest memory shared with another process, as with a vhost-user back end: the VMM sends the list of shareable memory with the file
 * descriptors, and sends it again when it changes. The other process maps the files and reads the same bytes.
 *
 * File descriptors are inherited here, because Node cannot pass them over a socket.
 */
import { spawn } from 'node:child_process';
import { MemoryRange, RegionManager, type ShareableRegion } from 'dma-streams';
import { Memfd, RamBlocks } from 'dma-streams/binding';
import { firstValueFrom } from 'rxjs';

const MiB = 1n << 20n;

using memory = new RamBlocks();
using ram = Memfd.create('ram', 16n * MiB);
using own = Memfd.create('BAR', 1n * MiB);
await using manager = new RegionManager({ vaMapper: memory, hostAddresses: 'always' });

await manager.transaction((edit) => {
  edit.addRam({ name: 'ram', range: MemoryRange.ofLength(0x100000, 16n * MiB), backing: ram });
  // Memory of a device is not shareable: shareable() does not contain it.
  const bar = edit.addRegion({ name: 'bar', range: MemoryRange.ofLength(0xe0000000, 1n * MiB), type: 'device' });
  edit.addMapping(bar, {
    rangeInRegion: MemoryRange.ofLength(0, 1n * MiB),
    backing: { mappable: own, fileOffset: 0n },
    writable: true,
  });
  edit.map(bar, { writable: true });
});

const shared: readonly ShareableRegion[] = await firstValueFrom(manager.shareable());
console.log(`shared: ${shared.map(({ range, mappable }) => `${range.toString()} of ${mappable.label}`).join(', ')}`);

// The other process is a plain Node program with the descriptors from 3 upwards. It reads a greeting at a guest address and answers.
const program = `
  import { readSync, writeSync } from 'node:fs';
  const [gpa, length, offset] = process.argv.slice(1, 4).map(BigInt);
  const at = 0x200000n - gpa + offset;
  const heard = Buffer.alloc(5);
  readSync(3, heard, 0, 5, at);
  console.log('the other process reads: ' + heard);
  writeSync(3, 'world', Number(at));
`;
memory.write(0x200000n, Buffer.from('hello'));
const table = shared.flatMap(({ range, fileOffset }) => [range.start, range.length, fileOffset].map(String));
const child = spawn(process.execPath, ['--input-type=module', '-e', program, '--', ...table], {
  stdio: ['ignore', 'inherit', 'inherit', ...shared.map(({ mappable }) => mappable.fd)],
});
await new Promise((resolve) => child.once('exit', resolve));
console.log(`the VMM reads: ${memory.read(0x200000n, 5).toString()}`);
