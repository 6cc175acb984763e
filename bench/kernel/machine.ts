import { AddressSpace, type Memfd } from '../../binding/index.js';
import { MemoryRange, RegionManager, type MappingParams, type Region } from '../../streams/index.js';

/** A manager with one visible region at 4 GiB. Its mappings are of one memfd; each is followed by a gap of the same size. */
export class BenchMachine implements AsyncDisposable {
  static readonly #START = 1n << 32n;
  static readonly #SPACE = 1n << 38n;
  readonly manager: RegionManager;
  readonly region: Region;
  readonly #space: AddressSpace;
  readonly #memfd: Memfd;

  private constructor(memfd: Memfd, space: AddressSpace, manager: RegionManager, region: Region) {
    this.#memfd = memfd;
    this.#space = space;
    this.manager = manager;
    this.region = region;
  }

  static async create(memfd: Memfd): Promise<BenchMachine> {
    const space = new AddressSpace({ size: BenchMachine.#SPACE });
    const manager = new RegionManager({ vaMapper: space });
    const range = MemoryRange.of(BenchMachine.#START, BenchMachine.#SPACE);
    const region = await manager.addRegion({ name: 'ram', range, type: 'ram' });
    await region.map({ writable: true });
    return new BenchMachine(memfd, space, manager, region);
  }

  /** Mapping number `index`, modulo the number of mappings of this size in the memory. */
  mapping(index: number, size: number): MappingParams {
    const place = index % Math.floor(Number(this.#memfd.size) / size);
    return {
      rangeInRegion: MemoryRange.ofLength(2 * place * size, size),
      backing: { mappable: this.#memfd, fileOffset: BigInt(place * size) },
      writable: true,
    };
  }

  /** Adds `count` mappings from number `first` on, as one change set. */
  add(first: number, count: number, size: number): Promise<unknown> {
    return this.manager.transaction((edit) => {
      for (let index = first; index < first + count; index++) {
        edit.addMapping(this.region, this.mapping(index, size));
      }
    });
  }

  /** Removes what `add` added. */
  remove(first: number, count: number, size: number): Promise<unknown> {
    return this.manager.transaction((edit) => {
      for (let index = first; index < first + count; index++) {
        edit.removeMappings(this.region, this.mapping(index, size).rangeInRegion);
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.manager.close();
    this.#space.close();
  }
}
