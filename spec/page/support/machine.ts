import { MemoryRange, RegionManager, type Region, type RegionManagerOptions } from '../../../streams/index.js';
import { addRam, FakeMappable, RecordingTarget } from '../../../testing/index.js';

/** A manager with the memory of a small PC: five regions, of which one is in part covered by a hole. */
export async function smallPc(options: RegionManagerOptions = {}): Promise<RegionManager> {
  const manager = new RegionManager({ ...options, overlap: 'any' });
  await addRam(manager, '0x0-0xc0000000', { region: 'low memory' });
  await addRam(manager, '0x100000000-0x140000000', { region: 'high memory' });
  await addRam(manager, '0xe0000-0x100000', { region: 'bios', writable: false, priority: 1 });
  await addRam(manager, '0xfd000000-0xfe000000', { region: 'vram', type: 'device' });
  await addHole(manager, 'vga', '0xa0000-0xc0000');
  return manager;
}

async function addHole(manager: RegionManager, name: string, range: string): Promise<Region> {
  return manager.transaction((edit) => {
    const region = edit.addRegion({ name, range: MemoryRange.parse(range), type: 'device', priority: 2 });
    edit.map(region, { writable: true });
    return region;
  });
}

/** A manager with a region that has so many mappings of one page, every second page. */
export async function manyMappings(count: number): Promise<RegionManager> {
  const manager = new RegionManager();
  const mappable = new FakeMappable('ram');
  const page = (number: number): MemoryRange => MemoryRange.ofLength(number * 0x1000, 0x1000);
  await manager.transaction((edit) => {
    const range = MemoryRange.ofLength(0, 2 * count * 0x1000);
    const region = edit.addRegion({ name: 'many', range, type: 'ram' });
    for (let number = 0; number < count; number++) {
      const rangeInRegion = page(2 * number);
      edit.addMapping(region, {
        rangeInRegion,
        backing: { mappable, fileOffset: rangeInRegion.start },
        writable: number % 3 > 0,
      });
    }
    edit.map(region, { writable: true });
  });
  return manager;
}

/** A target whose next calls are answered when it is told to. */
export class SlowTarget extends RecordingTarget implements Disposable {
  #answer: (() => void) | undefined;

  constructor(name: string) {
    let isSlow = false;
    let waiting = Promise.resolve();
    super({ name, reply: () => (isSlow ? waiting : undefined) });
    this.hold = () => {
      isSlow = true;
      waiting = new Promise((resolve) => {
        this.#answer = resolve;
      });
    };
    this.answer = () => {
      isSlow = false;
      this.#answer?.();
    };
  }

  /** From now on it does not answer. */
  readonly hold: () => void;
  /** It answers what it was asked, and what comes. */
  readonly answer: () => void;

  [Symbol.dispose](): void {
    this.answer();
  }
}
