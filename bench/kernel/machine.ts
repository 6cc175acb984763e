import { AddressSpace, type Memfd } from '../../binding/index.js';
import { MemoryRange, RegionManager, type Region, type RegionManagerOptions } from '../../streams/index.js';
import { Caller } from './caller.js';

/** A manager with one visible region at 4 GiB, and the caller that changes it. */
export class BenchMachine extends Caller<Region, RegionManager> implements AsyncDisposable {
  static readonly #START = 1n << 32n;
  static readonly #SPACE = 1n << 38n;
  readonly #space: AddressSpace;

  private constructor(memfd: Memfd, space: AddressSpace, manager: RegionManager, region: Region) {
    super(memfd, manager, region);
    this.#space = space;
  }

  static async create(memfd: Memfd, options: RegionManagerOptions = {}): Promise<BenchMachine> {
    const space = new AddressSpace({ size: BenchMachine.#SPACE });
    const manager = new RegionManager({ vaMapper: space, ...options });
    const range = MemoryRange.of(BenchMachine.#START, BenchMachine.#SPACE);
    const region = await manager.addRegion({ name: 'ram', range, type: 'ram' });
    await region.map({ writable: true });
    return new BenchMachine(memfd, space, manager, region);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.manager.close();
    this.#space.close();
  }
}
