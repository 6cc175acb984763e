import type { VfioDevice } from '../binding/index.js';
import { DmaError, type Attachment, type AttachOptions, type DmaTarget, type RegionManager } from '../streams/index.js';
import { checkCallback, checkObject, checkOptions, printable, show } from '../streams/internal.js';
import type {
  AssignedDevice,
  AssignedDevicesOptions,
  AssignmentInterface,
  AssignOptions,
} from './assigned/assigned-device.js';
import { deviceAccessOf, type DeviceAccess, type Domain } from './assigned/domain.js';
import { IommufdDomain } from './assigned/iommufd-domain.js';
import { Type1Domain } from './assigned/type1-domain.js';

/**
 * The devices that are assigned to a guest, and their IOMMU domains (VFIO containers, IOASes of iommufd).
 *
 * A device is added to an existing domain if the kernel allows it to share the mappings; this needs no maps and pins no pages. Otherwise it
 * gets a new domain. Each domain has a target, `VfioType1Target` or `IommufdTarget`. It is attached to the manager when its first device is
 * added, which replays all active mappings. When the last device is removed, everything is unmapped and the target is detached.
 *
 * Order: `add`, `remove` and `close` take effect one at a time, in call order. A device is added to its domain before memory is mapped
 * there, because the kernel then knows which addresses the device can access.
 *
 * @example
 * ```ts
 * import { RegionManager } from 'dma-streams';
 * import { RamBlocks } from 'dma-streams/binding';
 * import { AssignedDevices } from 'dma-streams/targets';
 *
 * using memory = new RamBlocks();
 * await using manager = new RegionManager({ vaMapper: memory });
 * await using devices = new AssignedDevices(manager);
 * const { device } = await devices.add('0000:00:04.0', { through: 'iommufd' });
 * ```
 */
export class AssignedDevices implements AsyncDisposable {
  readonly #manager: Pick<RegionManager, 'attach' | 'attachments'>;
  readonly #options: AssignedDevicesOptions;
  readonly #access: DeviceAccess;
  readonly #devices = new Map<string, AssignedDevice>();
  readonly #domains: Record<AssignmentInterface, Domain[]> = { type1: [], iommufd: [] };
  /** Domains without devices of this object whose mappings still exist, because another user keeps a device open. */
  #lingering: Domain[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /**
   * @param manager the devices can access its active memory. The caller keeps ownership. Close it after this object; if it is closed
   * before, that unmaps everything, `add` rejects, and `close` closes the devices
   * @throws TypeError if `name` is not a string, or `attachAs` is not a function
   */
  constructor(manager: Pick<RegionManager, 'attach' | 'attachments'>, options: AssignedDevicesOptions = {}) {
    checkObject(manager, 'the manager of AssignedDevices');
    this.#manager = manager;
    const { name, attachAs } = checkOptions(options, { by: true, name: true, attachAs: true }, 'AssignedDevices');
    if (name !== undefined && typeof name !== 'string') {
      throw new TypeError(`name must be a string, not ${show(name)}`);
    }
    checkCallback(attachAs, 'attachAs');
    this.#options = { ...options };
    this.#access = deviceAccessOf(options);
  }

  /** The assigned devices, in the order of `add`. */
  get devices(): readonly AssignedDevice[] {
    return [...this.#devices.values()];
  }

  /**
   * Assigns a device to the guest: opens it, adds it to a domain, and maps all active memory there, unless it is already mapped.
   *
   * On failure: the device is closed, and nothing stays mapped or pinned for it. Other devices are not affected.
   *
   * @param pciAddress `'0000:00:04.0'`, or `'00:04.0'`
   * @param options `signal` and `onProgress` apply to the replay, if there is one
   * @throws DmaError `ERR_ALREADY_ASSIGNED`; `ERR_CLOSED`; as `VfioGroup.forDevice`, `VfioContainer.addGroup` and `VfioGroup.openDevice`,
   * or `VfioDevice.openCdev` and `VfioDevice.attach`, with the commands that fix it; as `RegionManager.attach`
   */
  add(pciAddress: string, options: AssignOptions): Promise<AssignedDevice> {
    return this.#closing === undefined
      ? this.#inTurn(() => this.#add(pciAddress, options))
      : Promise.reject(closedError());
  }

  /**
   * Removes all devices, in reverse order of `add`. Later calls of `add` reject with `ERR_CLOSED`. Calling it again returns the same
   * promise.
   *
   * @throws DmaUnmapError as `AssignedDevice.remove`, after all devices are closed
   */
  close(): Promise<void> {
    this.#closing ??= this.#removeAll();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #add(address: string, { through, ...options }: AssignOptions): Promise<AssignedDevice> {
    if ((through as unknown) !== 'type1' && (through as unknown) !== 'iommufd') {
      throw new RangeError(`through ${JSON.stringify(through)} is neither 'type1' nor 'iommufd'`);
    }
    await this.#endLingering();
    const pci = this.#access.findDevice(address);
    if (this.#devices.has(pci.address)) {
      throw new DmaError(`${pci.address} is assigned already`, {
        code: 'ERR_ALREADY_ASSIGNED',
        hint: 'use the AssignedDevice that there is, or remove() it first',
      });
    }
    const { domain, device } = this.#admit(through, pci);
    let attachment: Attachment;
    try {
      attachment = await this.#attach(domain, options);
    } catch (error) {
      await this.#dismiss(domain, device);
      throw error;
    }
    let removing: Promise<void> | undefined;
    const remove = (): Promise<void> => {
      removing ??= this.#inTurn(async () => {
        await this.#endLingering();
        this.#devices.delete(pci.address);
        await this.#dismiss(domain, device);
      });
      return removing;
    };
    const assigned = {
      address: pci.address,
      through,
      device,
      attachment,
      get iovaRanges() {
        return domain.iovaRanges;
      },
      remove,
      [Symbol.asyncDispose]: remove,
    };
    this.#devices.set(pci.address, assigned);
    return assigned;
  }

  /** Adds the device to the first domain that accepts it, or to a new domain. */
  #admit(through: AssignmentInterface, pci: ReturnType<DeviceAccess['findDevice']>): Admitted {
    const domains = this.#domains[through];
    for (const domain of domains) {
      const device = domain.addDevice(pci);
      if (device !== undefined) {
        return { domain, device };
      }
    }
    const { by, name: base = through === 'type1' ? 'vfio' : 'iommufd' } = this.#options;
    const name = unusedName(base, [...this.#domains.type1, ...this.#domains.iommufd]);
    const domain =
      through === 'type1' ? new Type1Domain(this.#access, name) : new IommufdDomain(this.#access, name, by);
    try {
      const device = domain.addDevice(pci);
      if (device === undefined) {
        throw new Error('a device is alone in its domain, and is said not to share it');
      }
      domains.push(domain);
      return { domain, device };
    } catch (error) {
      domain.close();
      throw error;
    }
  }

  /** Attaches the target of the domain, unless it is attached. The caller may have detached it. */
  async #attach(domain: Domain, options: AttachOptions): Promise<Attachment> {
    const { attachment } = domain;
    if (attachment !== undefined && this.#manager.attachments.includes(attachment)) {
      return attachment;
    }
    domain.attachment = undefined;
    const { attachAs = (target: DmaTarget): DmaTarget => target } = this.#options;
    domain.attachment = await this.#manager.attach(domain.target.attachable(attachAs), options);
    return domain.attachment;
  }

  async #dismiss(domain: Domain, device: VfioDevice): Promise<void> {
    if (domain.size > 1) {
      domain.removeDevice(device);
      return;
    }
    let isDetached = false;
    try {
      await domain.attachment?.detach();
      isDetached = domain.attachment !== undefined;
    } catch {
      // The kernel removes remaining mappings with the last device. Whether it has done so is checked below.
    }
    // The last call of an aborted attach may still run. Without this, closing the device would block this thread until that call ends.
    await domain.target.idle();
    domain.removeDevice(device);
    forget(this.#domains, domain);
    if (isDetached || domain.tryDestroy()) {
      end(domain);
    } else {
      this.#lingering.push(domain);
    }
    if (!isDetached) {
      await domain.attachment?.retryStuck();
    }
  }

  /** Ends the lingering domains whose mappings no longer exist. Then the manager can unmap what it still records as mapped. */
  async #endLingering(): Promise<void> {
    const gone = this.#lingering.filter((domain) => domain.tryDestroy());
    this.#lingering = this.#lingering.filter((domain) => !gone.includes(domain));
    for (const domain of gone) {
      end(domain);
      await domain.attachment?.retryStuck();
    }
  }

  async #removeAll(): Promise<void> {
    const failures: unknown[] = [];
    // Waits for pending calls of `add`, so that their devices are in the list.
    await this.#inTurn(() => Promise.resolve());
    for (const device of this.devices.toReversed()) {
      await device.remove().catch((error: unknown) => failures.push(error));
    }
    await this.#endLingering();
    if (failures.length > 0) {
      throw failures[0];
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

printable(AssignedDevices, ({ devices }) => ({
  devices: devices.map(({ address, through }) => ({ address, through })),
}));

interface Admitted {
  readonly domain: Domain;
  readonly device: VfioDevice;
}

function forget(domains: Record<AssignmentInterface, Domain[]>, domain: Domain): void {
  domains.type1 = domains.type1.filter((other) => other !== domain);
  domains.iommufd = domains.iommufd.filter((other) => other !== domain);
}

function end(domain: Domain): void {
  domain.target.end();
  domain.close();
}

/** The first unused name: `'vfio'`, then `'vfio-2'` and so on. */
function unusedName(base: string, domains: readonly Domain[]): string {
  let name = base;
  for (let count = 2; domains.some(({ target }) => target.name === name); count++) {
    name = `${base}-${count}`;
  }
  return name;
}

function closedError(): DmaError {
  return new DmaError('these assigned devices are closed', {
    code: 'ERR_CLOSED',
    hint: 'make a new AssignedDevices for the manager',
  });
}
