/**
 * A program that uses every entry of the package by its name. `package.spec.ts` runs it on what is built, `.ci/run` on what is packed and
 * installed.
 */
import { RegionManager } from 'dma-streams';
import { Memfd, RamBlocks } from 'dma-streams/binding';
import { instrument } from 'dma-streams/inspect';
import { QemuSource } from 'dma-streams/sources';
import { MemoryRange } from 'dma-streams/streams';
import { SoftIommuTarget } from 'dma-streams/targets';
import { checkTarget, marbleTest, RecordingTarget } from 'dma-streams/testing';

const ram = Memfd.create('ram', 0x10000n);
const manager = new RegionManager({ vaMapper: new RamBlocks() });
const iommu = new SoftIommuTarget();
await manager.attach(iommu);
const range = MemoryRange.ofLength(0, 0x10000);
const region = await manager.addRegion({ name: 'ram', range, type: 'ram' });
await region.addMapping({ rangeInRegion: range, backing: { mappable: ram, fileOffset: 0n }, writable: true });
await region.map({ writable: true });
iommu.write(0xfffn, Buffer.from('hello'));
console.log(`a device wrote '${iommu.read(0xfffn, 5).toString()}' through the installed package`);
const recording = new RecordingTarget();
await manager.attach(recording);
marbleTest(({ sets, expectSets }) => {
  expectSets(sets('a|', { a: { maps: ['0x0-0x1000'] } })).toBe('a|', { a: '1: map 0x0-0x1000 rw' });
});
const checks = checkTarget(() => new RecordingTarget());
for (const { run } of checks) await run();
console.log(`the test kit made ${checks.length} checks, and a target got '${recording.calls[0]}'`);
await QemuSource.connect('/dev/null').catch((error: unknown) => {
  console.log(`without QEMU: ${String(error)}`);
});
try {
  instrument(manager, {} as never);
} catch (error) {
  console.log(`without a meter: ${String(error)}`); // @opentelemetry/api need not be installed.
}
await manager.close();
