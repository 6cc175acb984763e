import { AddressSpace, RamBlocks, type Memfd } from '../../binding/index.js';
import { MemoryRange, RegionManager, type Region, type RegionManagerOptions } from '../../streams/index.js';
import { Caller } from './caller.js';

/** What makes the host virtual addresses. */
export type MapperName = 'RamBlocks' | 'AddressSpace';

/** A manager with one visible region at 4 GiB, and the caller that changes it. */
export class BenchMachine extends Caller<Region, RegionManager> implements AsyncDisposable {
  static readonly #START = 1n << 32n;
  static readonly #SPACE = 1n << 38n;
  /** In the region, behind all others. */
  static readonly #KEPT = 1n << 37n;
  readonly #memory: RamBlocks | AddressSpace;

  private constructor(memfd: Memfd, memory: RamBlocks | AddressSpace, manager: RegionManager, region: Region) {
    super(memfd, manager, region);
    this.#memory = memory;
  }

  static async create(
    memfd: Memfd,
    { mapper = 'RamBlocks', ...options }: RegionManagerOptions & { readonly mapper?: MapperName } = {},
  ): Promise<BenchMachine> {
    const memory = mapper === 'RamBlocks' ? new RamBlocks() : new AddressSpace({ size: BenchMachine.#SPACE });
    const manager = new RegionManager({ vaMapper: memory, ...options });
    const range = MemoryRange.of(BenchMachine.#START, BenchMachine.#SPACE);
    const region = await manager.addRegion({ name: 'ram', range, type: 'ram' });
    await region.map({ writable: true });
    // A part of the memory stays mapped, as in a virtual machine that runs: RamBlocks keeps the file mapped for it.
    await region.addMapping({
      rangeInRegion: MemoryRange.ofLength(BenchMachine.#KEPT, 4096),
      backing: { mappable: memfd, fileOffset: 0n },
      writable: true,
    });
    return new BenchMachine(memfd, memory, manager, region);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.manager.close();
    this.#memory.close();
  }
}
