import type { VfioDevice } from '../binding/index.js';
import { DmaError, type Attachment, type AttachOptions, type RegionManager } from '../streams/index.js';
import { deviceAccessOf, type DeviceAccess, type Domain } from './assigned/domain.js';
import { IommufdDomain } from './assigned/iommufd-domain.js';
import { Type1Domain } from './assigned/type1-domain.js';
import type { IommufdTargetOptions } from './iommufd-target.js';

/** The interface of the kernel that a device is given to the process by: its group in a VFIO container, or its own file with an iommufd. */
export type AssignmentInterface = 'type1' | 'iommufd';

export interface AssignOptions extends AttachOptions {
  readonly through: AssignmentInterface;
}

export interface AssignedDevicesOptions {
  /** How iommufd maps: see `IommufdTargetOptions`. Default `'auto'`. */
  readonly by?: NonNullable<IommufdTargetOptions['by']>;
}

/** A device that is given to the guest. Its DMA reaches the memory that the manager's view has, and nothing else. */
export interface AssignedDevice extends AsyncDisposable {
  /** `'0000:00:04.0'` */
  readonly address: string;
  readonly through: AssignmentInterface;
  /** To read and write its registers, map its BARs, reset it. `remove()` closes it. */
  readonly device: VfioDevice;
  /** At the manager; one for all devices that share their mappings. It goes with the last of them: leave `detach()` to `remove()`. */
  readonly attachment: Attachment;
  /**
   * Takes the device away from the guest and closes it. The last one of those that share mappings has them unmapped first.
   *
   * Whatever happens, the device is closed. A BAR of it that the manager still maps keeps the device open for the kernel, and with it its
   * group: remove that region first. Again: the same promise.
   *
   * @throws DmaUnmapError when something cannot be unmapped, and the device is still open elsewhere; what that keeps alive is tried again with
   * the next `add`, `remove` or `close`
   */
  remove(): Promise<void>;
}

/**
 * The devices that are assigned to a guest, and the IOMMU domains (VFIO containers, IOASes of iommufd) behind which they are.
 *
 * A device goes into the domain that the others are in, where the kernel lets them share: then its coming costs no mapping and pins no page.
 * Else it gets one of its own. Each domain has a target, `VfioType1Target` or `IommufdTarget`, that is attached to the manager when its first
 * device is in, and all that is active is replayed; when the last device leaves, everything is unmapped and the target is detached.
 *
 * Order: `add`, `remove` and `close` take effect one at a time, in call order. A device is in its domain before memory is mapped there: only
 * then does the kernel know what the device can reach.
 */
export class AssignedDevices implements AsyncDisposable {
  readonly #manager: Pick<RegionManager, 'attach' | 'attachments'>;
  readonly #by: IommufdTargetOptions['by'];
  readonly #access: DeviceAccess;
  readonly #devices = new Map<string, AssignedDevice>();
  readonly #domains: Record<AssignmentInterface, Domain[]> = { type1: [], iommufd: [] };
  /** Without a device of ours, but with mappings that somebody else keeps alive. */
  #lingering: Domain[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /**
   * @param manager whose view the devices get. It stays the caller's: close it after this
   */
  constructor(manager: Pick<RegionManager, 'attach' | 'attachments'>, options: AssignedDevicesOptions = {}) {
    this.#manager = manager;
    this.#by = options.by;
    this.#access = deviceAccessOf(options);
  }

  /** In the order in which they were added. */
  get devices(): readonly AssignedDevice[] {
    return [...this.#devices.values()];
  }

  /**
   * Gives a device to the guest: opens it, puts it into a domain, and has everything that is active mapped there, unless that is so already.
   *
   * On failure: nothing of it stays open, mapped or pinned; the devices that were there go on.
   *
   * @param pciAddress `'0000:00:04.0'`, or `'00:04.0'`
   * @param options `signal` and `onProgress` are of the replay, where there is one
   * @throws DmaError `ERR_ALREADY_ASSIGNED`; `ERR_CLOSED`; as `VfioGroup.forDevice`, `VfioContainer.addGroup` and `VfioGroup.openDevice`, or
   * `VfioDevice.openCdev` and `VfioDevice.attach`, with the commands that cure it; as `RegionManager.attach`
   */
  add(pciAddress: string, options: AssignOptions): Promise<AssignedDevice> {
    return this.#closing === undefined
      ? this.#inTurn(() => this.#add(pciAddress, options))
      : Promise.reject(closedError());
  }

  /**
   * Removes all devices, the last one first. Later calls of `add` reject with `ERR_CLOSED`. Again: the same promise.
   *
   * @throws DmaUnmapError as `AssignedDevice.remove`, when all are closed
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
    const assigned = { address: pci.address, through, device, attachment, remove, [Symbol.asyncDispose]: remove };
    this.#devices.set(pci.address, assigned);
    return assigned;
  }

  /** Into the first domain that lets it in, or one of its own. */
  #admit(through: AssignmentInterface, pci: ReturnType<DeviceAccess['findDevice']>): Admitted {
    const domains = this.#domains[through];
    for (const domain of domains) {
      const device = domain.addDevice(pci);
      if (device !== undefined) {
        return { domain, device };
      }
    }
    const name = unusedName(through === 'type1' ? 'vfio' : 'iommufd', domains);
    const domain =
      through === 'type1' ? new Type1Domain(this.#access, name) : new IommufdDomain(this.#access, name, this.#by);
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

  /** Attaches the domain's target, unless it is attached: somebody may have detached it. */
  async #attach(domain: Domain, options: AttachOptions): Promise<Attachment> {
    const { attachment } = domain;
    if (attachment !== undefined && this.#manager.attachments.includes(attachment)) {
      return attachment;
    }
    domain.attachment = undefined;
    domain.attachment = await this.#manager.attach(domain.target.forManager, options);
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
      // What the kernel could not unmap goes with the device; whether it has is asked below.
    }
    // An attach that was aborted leaves its last call behind: closing the device waits for that one on this thread.
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

  /** Those that nobody keeps alive any more: then what their manager believes to be mapped can be unmapped. */
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
    // Those whose add is under way are there when their turn has come.
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

/** `'vfio'`, then `'vfio-2'`: also while a higher number is in use. */
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
