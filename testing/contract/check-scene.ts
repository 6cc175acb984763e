import {
  type MemoryRange,
  RegionManager,
  type Attachment,
  type DmaTarget,
  type MapChange,
  type Region,
  type RegionEdit,
  type TargetBranch,
} from '../../streams/index.js';
import { CHECK_PAGES, type CheckBench } from './check-bench.js';
import { thrownText } from './contract-error.js';
import type { TestedTarget } from './tested-target.js';

/** The pages of the region of type `device`; those before it are RAM. */
export const FIRST_DEVICE_PAGE = 48;

/** A manager with a region of RAM and one of device memory, both mapped and empty. */
export class CheckScene {
  readonly manager: RegionManager;
  readonly ram: Region;
  readonly device: Region;
  readonly #bench: CheckBench;

  private constructor(bench: CheckBench, manager: RegionManager, ram: Region, device: Region) {
    this.#bench = bench;
    this.manager = manager;
    this.ram = ram;
    this.device = device;
  }

  /** Makes a manager with its regions. It is closed with the bench. */
  static async create(bench: CheckBench): Promise<CheckScene> {
    const manager = new RegionManager({ vaMapper: bench.makeVaMapper() });
    bench.closeLater(manager);
    return await manager.transaction((edit) => {
      const ram = edit.addRegion({ name: 'ram', range: bench.at(0, FIRST_DEVICE_PAGE), type: 'ram' });
      const range = bench.at(FIRST_DEVICE_PAGE, CHECK_PAGES - FIRST_DEVICE_PAGE);
      const device = edit.addRegion({ name: 'device', range, type: 'device' });
      edit.map(ram, { writable: true });
      edit.map(device, { writable: true });
      return new CheckScene(bench, manager, ram, device);
    });
  }

  /** The active mappings: what a target must hold that has refused none of them. */
  get active(): readonly MemoryRange[] {
    return this.manager.snapshot().mappings.map(({ range }) => range);
  }

  /** Attaches a target, or a branch with it, which must succeed. */
  attach(tested: TestedTarget, branch: DmaTarget | TargetBranch = tested.target): Promise<Attachment> {
    return this.run('attach the target', () => this.manager.attach(branch));
  }

  /** Runs a command that must succeed. */
  command(text: string, work: (edit: RegionEdit) => void): Promise<void> {
    return this.run(text, () => this.manager.transaction(work));
  }

  /** Adds a mapping to the region that its page is in. */
  add(edit: RegionEdit, { range, writable, backing }: MapChange): void {
    const region = this.ram.range.contains(range) ? this.ram : this.device;
    edit.addMapping(region, { rangeInRegion: range.shift(-region.range.start), writable, backing });
  }

  remove(edit: RegionEdit, range: MemoryRange): void {
    const region = this.ram.range.contains(range) ? this.ram : this.device;
    edit.removeMappings(region, range.shift(-region.range.start));
  }

  /** Runs a command that must succeed. */
  async run<T>(text: string, command: () => Promise<T>): Promise<T> {
    const { steps } = this.#bench;
    steps.begin(text);
    try {
      return await command();
    } catch (error) {
      throw steps.breach(`the command "${text}" must succeed, but failed: ${thrownText(error)}`, error);
    }
  }

  /** Runs a command that may fail. Returns the error. */
  async attempt(text: string, work: (edit: RegionEdit) => void): Promise<unknown> {
    this.#bench.steps.begin(text);
    return await this.manager.transaction(work).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  }
}
