import type { Ioas, Iommufd, IovaRange, PciDevice, VfioDevice } from '../../binding/index.js';
import type { Attachment } from '../../streams/index.js';
import { IommufdTarget, type IommufdTargetOptions } from '../iommufd-target.js';
import { canJoin, type DeviceAccess, type Domain } from './domain.js';
import { DomainTarget } from './domain-target.js';

/** An iommufd with one IOAS, and the devices that are attached to it. */
export class IommufdDomain implements Domain {
  readonly target: DomainTarget;
  attachment: Attachment | undefined;
  readonly #access: DeviceAccess;
  readonly #iommufd: Iommufd;
  readonly #ioas: Ioas;
  readonly #devices = new Set<VfioDevice>();

  /**
   * On failure: nothing stays open.
   *
   * @throws DmaError as `Iommufd.open`, `Iommufd.allocIoas` and the constructor of `IommufdTarget`
   */
  constructor(access: DeviceAccess, name: string, by: IommufdTargetOptions['by']) {
    this.#access = access;
    this.#iommufd = access.openIommufd();
    try {
      this.#ioas = this.#iommufd.allocIoas();
      this.target = new DomainTarget(new IommufdTarget(this.#ioas, { name, ...(by === undefined ? {} : { by }) }));
    } catch (error) {
      this.#iommufd.close();
      throw error;
    }
  }

  get size(): number {
    return this.#devices.size;
  }

  get iovaRanges(): readonly IovaRange[] {
    return this.#ioas.iovaRanges;
  }

  addDevice({ address }: PciDevice): VfioDevice | undefined {
    const device = this.#access.openCdev(address, this.#iommufd);
    try {
      if (canJoin(this, () => device.attach(this.#ioas))) {
        this.#devices.add(device);
        return device;
      }
    } catch (error) {
      device.close();
      throw error;
    }
    device.close();
    return undefined;
  }

  removeDevice(device: VfioDevice): void {
    device.close();
    this.#devices.delete(device);
  }

  /** An IOAS can be destroyed if no device is attached. This removes its mappings. */
  tryDestroy(): boolean {
    try {
      this.#ioas.destroy();
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    this.#iommufd.close();
  }
}
