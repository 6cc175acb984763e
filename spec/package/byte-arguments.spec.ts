import { MemoryRange, RegionManager, type MappingParams } from '../../streams/index.js';
import { AddressSpace, DmaBatch, identityPageTables, Memfd, RamBlocks } from '../../binding/index.js';
import { SoftIommuTarget } from '../../targets/index.js';
import { checkTarget, FakeMappable } from '../../testing/index.js';
import { describeByteArguments } from '../support/byte-arguments.js';

const range = MemoryRange.of(0, 0x10000);
const file = new FakeMappable('file');

/** What a manager has mapped after a command. */
async function mappingsAfter(command: (manager: RegionManager) => Promise<unknown>): Promise<unknown> {
  const manager = new RegionManager();
  await command(manager);
  return manager.snapshot().mappings.map((mapping) => JSON.stringify(mapping));
}

function withMapping(params: Partial<MappingParams>): Promise<unknown> {
  return mappingsAfter(async (manager) => {
    const region = await manager.addRegion({ name: 'ram', range, type: 'ram' });
    await region.map({ writable: true });
    const backing = { mappable: file, fileOffset: 0n };
    await region.addMapping({ rangeInRegion: range, backing, writable: true, ...params });
  });
}

function withMemory<T>(use: (memory: RamBlocks) => T): T {
  using memory = new RamBlocks();
  memory.ensureMapped({ range, region: 'ram', type: 'ram', writable: true, backing: 'private' });
  return use(memory);
}

function withDma<T>(use: (iommu: SoftIommuTarget) => T): T {
  using ram = Memfd.create('ram', 0x10000);
  const iommu = new SoftIommuTarget();
  iommu.mapDma({ range, region: 'ram', type: 'ram', writable: true, mappable: ram, fileOffset: 0n });
  return use(iommu);
}

describe('An address, an offset or a size', () => {
  describeByteArguments({
    'MemoryRange.of': { what: 'start', good: 0x1000, call: (start) => MemoryRange.of(start, 0x10000) },
    'MemoryRange.of, end': { what: 'end', good: 0x1000, call: (end) => MemoryRange.of(0, end) },
    'MemoryRange.ofLength': { what: 'start', good: 0x1000, call: (start) => MemoryRange.ofLength(start, 0x1000) },
    'MemoryRange.ofLength, length': { what: 'length', good: 0x1000, call: (length) => MemoryRange.ofLength(0, length) },
    'MemoryRange.inside': { what: 'start', good: 0x1001, call: (start) => MemoryRange.inside(start, 1n << 60n) },
    'MemoryRange.inside, end': { what: 'end', good: 0x1001, call: (end) => MemoryRange.inside(0, end) },
    'range.shift': { what: 'offset', good: 0x1000, call: (offset) => range.shift(offset), isSigned: true },
    'addRam, fileOffset': {
      what: 'fileOffset of a mapping in region "ram"',
      good: 0x1000,
      call: (fileOffset) =>
        mappingsAfter((manager) => manager.addRam({ name: 'ram', range, backing: file, fileOffset })),
      isOptional: true,
    },
    'addRam, granule': {
      what: 'granule of the mapping 0x0-0x10000 in region "ram"',
      good: 0x1000,
      call: (granule) => mappingsAfter((manager) => manager.addRam({ name: 'ram', range, backing: file, granule })),
      isOptional: true,
      isUnlimited: true,
    },
    'addMapping, fileOffset': {
      what: 'fileOffset of a mapping in region "ram"',
      good: 0x1000,
      call: (fileOffset) => withMapping({ backing: { mappable: file, fileOffset } }),
    },
    'addMapping, granule': {
      what: 'granule of the mapping 0x0-0x10000 in region "ram"',
      good: 0x1000,
      call: (granule) => withMapping({ granule }),
      isOptional: true,
      isUnlimited: true,
    },
    'Memfd.create': {
      what: 'size',
      good: 0x1000,
      call: (size) => {
        using memfd = Memfd.create('m', size);
        return memfd.size;
      },
    },
    'new AddressSpace': {
      what: 'size',
      good: 0x1000,
      call: (size) => {
        using space = new AddressSpace({ size });
        return space.size;
      },
    },
    'memory.read': { what: 'gpa', good: 0x10, call: (gpa) => withMemory((memory) => memory.read(gpa, 4)) },
    'memory.read, length': {
      what: 'length',
      good: 4,
      call: (length) => withMemory((memory) => memory.read(0, length)),
    },
    'memory.write': {
      what: 'gpa',
      good: 0x10,
      call: (gpa) =>
        withMemory((memory) => {
          memory.write(gpa, Buffer.from('abc'));
          return memory.read(0, 0x20);
        }),
    },
    'batch.mapFile': {
      what: 'fileOffset',
      good: 0x1000,
      call: (fileOffset) => {
        const batch = new DmaBatch();
        batch.mapFile(range, 3, fileOffset, true);
        return batch.length;
      },
    },
    identityPageTables: { what: 'at', good: 0x1000, call: (at) => identityPageTables(at, 1) },
    'iommu.read': { what: 'iova', good: 0x10, call: (iova) => withDma((iommu) => iommu.read(iova, 4)) },
    'iommu.read, length': { what: 'length', good: 4, call: (length) => withDma((iommu) => iommu.read(0, length)) },
    'iommu.write': {
      what: 'iova',
      good: 0x10,
      call: (iova) =>
        withDma((iommu) => {
          iommu.write(iova, Buffer.from('abc'));
          return iommu.read(0, 0x20);
        }),
    },
    'new FakeMappable': {
      what: 'size',
      good: 0x1000,
      call: (size) => new FakeMappable('f', size).size,
      isOptional: true,
    },
    checkTarget: {
      what: 'pageSize of checkTarget',
      good: 0x1000,
      call: (pageSize) => checkTarget(() => new SoftIommuTarget(), { pageSize }).length,
      isOptional: true,
    },
  });
});
