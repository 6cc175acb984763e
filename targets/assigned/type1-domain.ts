import type { IovaRange, PciDevice, VfioContainer, VfioDevice, VfioGroup } from '../../binding/index.js';
import { DmaError, type Attachment } from '../../streams/index.js';
import { VfioType1Target } from '../vfio-type1-target.js';
import { canJoin, type DeviceAccess, type Domain } from './domain.js';
import { DomainTarget } from './domain-target.js';

interface OpenGroup {
  readonly group: VfioGroup;
  readonly devices: Set<VfioDevice>;
}

/** A VFIO container and its groups. A group is opened once, for all of its devices. */
export class Type1Domain implements Domain {
  readonly target: DomainTarget;
  attachment: Attachment | undefined;
  readonly #access: DeviceAccess;
  readonly #container: VfioContainer;
  readonly #groups = new Map<number | undefined, OpenGroup>();

  /** @throws DmaError as `VfioContainer.open` */
  constructor(access: DeviceAccess, name: string) {
    this.#access = access;
    this.#container = access.openContainer();
    this.target = new DomainTarget(new VfioType1Target(this.#container, { name }));
  }

  get size(): number {
    return [...this.#groups.values()].reduce((sum, { devices }) => sum + devices.size, 0);
  }

  get iovaRanges(): readonly IovaRange[] {
    return this.#container.info.iovaRanges;
  }

  addDevice({ address, iommuGroup }: PciDevice): VfioDevice | undefined {
    const open = this.#groups.get(iommuGroup);
    if (open !== undefined) {
      const device = open.group.openDevice(address);
      open.devices.add(device);
      return device;
    }
    const group = this.#access.openGroup(address);
    try {
      if (canJoin(this, () => this.#container.addGroup(group))) {
        const device = group.openDevice(address);
        this.#groups.set(iommuGroup, { group, devices: new Set([device]) });
        return device;
      }
    } catch (error) {
      group.close();
      throw error;
    }
    group.close();
    return undefined;
  }

  removeDevice(device: VfioDevice): void {
    device.close();
    for (const [number, { group, devices }] of this.#groups) {
      if (devices.delete(device) && devices.size === 0) {
        this.#groups.delete(number);
        group.close();
      }
    }
  }

  /** A container without groups has no IOMMU, and therefore no mappings. */
  tryDestroy(): boolean {
    try {
      return this.#container.info.iovaRanges.length === 0;
    } catch (error) {
      return error instanceof DmaError && error.code === 'EINVAL';
    }
  }

  close(): void {
    this.#container.close();
  }
}
