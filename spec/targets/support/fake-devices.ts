import type {
  DmaBatch,
  Ioas,
  Iommufd,
  PciDevice,
  VfioContainer,
  VfioDevice,
  VfioGroup,
} from '../../../binding/index.js';
import { DmaError } from '../../../streams/index.js';
import type { DeviceAccess } from '../../../targets/assigned/domain.js';
import { FaultPlan } from '../../streams/support/faults.js';

const ROW_NAMES = ['unmap', 'map', 'map', 'unmap all'];

/**
 * A machine whose kernel gives devices away, as `AssignedDevices` sees it. Every step can be made to fail. Like the kernel it takes all
 * mappings of a container or an IOAS away with the last device; and a device is closed only when nobody has it open any more.
 */
export class FakeDevices implements DeviceAccess {
  readonly plan = new FaultPlan();
  /** What was asked for, in order. */
  readonly steps: string[] = [];
  readonly opened = new Set<string>();
  readonly domains: FakeDomain[] = [];
  /** Whether a container or an IOAS takes a second group. */
  shares = true;
  /** Calls on another thread come back when this has resolved. */
  gate: Promise<void> = Promise.resolve();
  /** Calls that have been put on another thread. */
  later = 0;
  /** What somebody else has open, by address. */
  readonly elsewhere = new Set<string>();
  readonly #closedButOpen = new Map<string, () => void>();
  readonly #groups = new Map([
    ['0000:00:04.0', 4],
    ['0000:00:05.0', 5],
    ['0000:00:05.1', 5],
    ['0000:00:06.0', 6],
  ]);

  /** What is open, by name, sorted. */
  get open(): readonly string[] {
    return [...this.opened].sort();
  }

  /** What is mapped in each container or IOAS that has devices. */
  get mapped(): readonly (readonly string[])[] {
    return this.domains.filter(({ users }) => users.size > 0).map(({ maps }) => [...maps].sort());
  }

  takeSteps(): string[] {
    return this.steps.splice(0);
  }

  step(name: string): void {
    this.steps.push(name);
    if (this.plan.strikes()) {
      throw new DmaError(`${name} was made to fail`, { code: 'EIO' });
    }
  }

  /** The other one who has the device open closes it. */
  letGo(address: string): void {
    this.elsewhere.delete(address);
    this.#closedButOpen.get(address)?.();
  }

  findDevice(address: string): PciDevice {
    this.step('find');
    const iommuGroup = this.#groups.get(address);
    if (iommuGroup === undefined) {
      throw new DmaError(`there is no PCI device ${address}`, { code: 'ENODEV' });
    }
    return { address, id: '1234:11e8', driver: 'vfio-pci', iommuGroup, vfioNumber: 0 };
  }

  openContainer(): VfioContainer {
    this.step('open container');
    return new FakeContainer(this) as unknown as VfioContainer;
  }

  openGroup(address: string): VfioGroup {
    this.step('open group');
    const name = `group ${String(this.#groups.get(address))}`;
    if (this.opened.has(name)) {
      throw new DmaError(`${name} is open already`, { code: 'EBUSY' });
    }
    return new FakeGroup(this, name) as unknown as VfioGroup;
  }

  openIommufd(): Iommufd {
    this.step('open iommufd');
    return new FakeIommufd(this) as unknown as Iommufd;
  }

  openCdev(address: string): VfioDevice {
    this.step('open device');
    return new FakeDevice(this, address) as unknown as VfioDevice;
  }

  /** Calls back now, or when nobody has the device open any more. */
  whenClosed(address: string, then: () => void): void {
    if (this.elsewhere.has(address)) {
      this.#closedButOpen.set(address, then);
    } else {
      then();
    }
  }
}

/** The mappings of a container or an IOAS, and who keeps them. */
class FakeDomain {
  readonly maps = new Set<string>();
  readonly users = new Set<object>();
  readonly #machine: FakeDevices;

  constructor(machine: FakeDevices) {
    this.#machine = machine;
    machine.domains.push(this);
  }

  join(user: object): void {
    if (this.users.size > 0 && !this.#machine.shares) {
      throw new DmaError('it cannot share', { code: 'EINVAL' });
    }
    this.users.add(user);
    this.joins += 1;
  }

  leave(user: object): void {
    this.users.delete(user);
    if (this.users.size === 0) {
      this.maps.clear();
    }
  }

  /** Devices that have joined: what can be mapped may be less after each. */
  joins = 0;

  run(batch: DmaBatch, options?: Stop): number {
    return batch.runNow((rows, results, count) => this.#answer(rows, results, count, options));
  }

  runAsync(batch: DmaBatch, options?: Stop): Promise<number> {
    return batch.runLater(async (rows, results, count) => {
      this.#machine.later += 1;
      await this.#machine.gate;
      return this.#answer(rows, results, count, options);
    });
  }

  #answer(rows: Float64Array, results: Int32Array, count: number, options: Stop = {}): number {
    for (let row = 0; row < count; row++) {
      const name = ROW_NAMES[(rows[row * 4] ?? 0) & 7] ?? '';
      const first = rows[row * 4 + 1] ?? 0;
      const start = `0x${first.toString(16)}`;
      try {
        this.#machine.step(`${name} ${start}`);
        results[row] = 0;
        if (name === 'map') {
          results[row] = this.maps.has(start) ? -17 : 0; // EEXIST
          this.maps.add(start);
        } else {
          // Specs map pages that lie far apart, and unmap them one by one or all together.
          const end = first + (rows[row * 4 + 2] ?? 0);
          [...this.maps]
            .filter((one) => Number(one) >= first && Number(one) < end)
            .forEach((one) => this.maps.delete(one));
        }
      } catch {
        results[row] = -5;
        if (options.stopAtFailure === true) {
          return row + 1;
        }
      }
    }
    return count;
  }
}

interface Stop {
  readonly stopAtFailure?: boolean;
}

/** Something that is open until it is closed. */
class FakeFile {
  readonly machine: FakeDevices;
  readonly name: string;

  constructor(machine: FakeDevices, name: string) {
    this.machine = machine;
    this.name = name;
    machine.opened.add(name);
  }

  close(): void {
    this.machine.opened.delete(this.name);
  }
}

class FakeContainer extends FakeFile {
  readonly domain: FakeDomain;

  constructor(machine: FakeDevices) {
    super(machine, `container ${machine.domains.length}`);
    this.domain = new FakeDomain(machine);
  }

  get info(): VfioContainer['info'] {
    if (this.domain.users.size === 0) {
      throw new DmaError('it has no group', { code: 'EINVAL' });
    }
    return {
      iovaRanges: [{ start: 0n, last: (1n << 39n) - 1n }],
      pageSizes: 4096n,
      dmaEntriesAvailable: 65_535 - this.domain.maps.size,
    };
  }

  addGroup(group: FakeGroup): void {
    this.machine.step('add group');
    this.domain.join(group);
    group.domain = this.domain;
  }

  run(batch: DmaBatch, options?: Stop): number {
    return this.domain.run(batch, options);
  }

  runAsync(batch: DmaBatch, options?: Stop): Promise<number> {
    return this.domain.runAsync(batch, options);
  }
}

/** Its devices keep it open. */
class FakeGroup extends FakeFile {
  domain: FakeDomain | undefined;
  readonly #holders = new Set<object>([this]);

  openDevice(address: string): FakeDevice {
    this.machine.step('open device');
    const device = new FakeDevice(this.machine, address, () => {
      this.#release(device);
    });
    this.#holders.add(device);
    return device;
  }

  override close(): void {
    this.#release(this);
  }

  #release(holder: object): void {
    this.#holders.delete(holder);
    if (this.#holders.size === 0) {
      this.domain?.leave(this);
      super.close();
    }
  }
}

class FakeDevice extends FakeFile {
  readonly #released: () => void;
  #ioas: FakeDomain | undefined;

  constructor(machine: FakeDevices, address: string, released: () => void = () => undefined) {
    super(machine, `device ${address}`);
    this.#released = released;
  }

  attach(ioas: FakeIoas): void {
    this.machine.step('attach device');
    ioas.domain.join(this);
    this.#ioas = ioas.domain;
  }

  override close(): void {
    this.machine.whenClosed(this.name.slice('device '.length), () => {
      super.close();
      this.#ioas?.leave(this);
      this.#released();
    });
  }
}

class FakeIommufd extends FakeFile {
  readonly supportsMapFile = false;

  constructor(machine: FakeDevices) {
    super(machine, `iommufd ${machine.domains.length}`);
  }

  allocIoas(): Ioas {
    this.machine.step('allocate IOAS');
    return new FakeIoas(this) as unknown as Ioas;
  }
}

class FakeIoas {
  readonly domain: FakeDomain;
  readonly iommufd: FakeIommufd;
  readonly iovaRanges = [{ start: 0n, last: (1n << 39n) - 1n }];

  constructor(iommufd: FakeIommufd) {
    this.iommufd = iommufd;
    this.domain = new FakeDomain(iommufd.machine);
  }

  run(batch: DmaBatch, options?: Stop): number {
    return this.domain.run(batch, options);
  }

  runAsync(batch: DmaBatch, options?: Stop): Promise<number> {
    return this.domain.runAsync(batch, options);
  }

  destroy(): void {
    if (this.domain.users.size > 0) {
      throw new DmaError('devices are attached', { code: 'EBUSY' });
    }
  }
}
