import { checkPass, PASS } from '../constructor-pass.js';
import { ERRNO, madeBy, printable } from '../../streams/internal.js';
import { closedError, systemError } from '../errors.js';
import { native } from '../native.js';
import type { ContainerHandle, GroupHandle } from '../native.js';
import { findPciDevice } from './pci.js';
import { VfioDevice } from './vfio-device.js';
import { deviceFileHint, noIommuHint, notBoundHint, viabilityHint } from './open-hints.js';

/** From <linux/vfio.h>. */
const VFIO_GROUP_FLAGS_VIABLE = 1;

const { ENODEV, EINVAL } = ERRNO;

/**
 * An IOMMU group: devices that the IOMMU cannot isolate from each other, and that can therefore only be assigned together. Made by
 * `forDevice`.
 *
 * A group can be open only once in the whole system, and not while one of its devices is open through its own file.
 *
 * @example
 * ```ts
 * import { VfioGroup } from 'dma-streams/binding';
 *
 * using group = VfioGroup.forDevice('0000:00:04.0');
 * console.log(group.number, group.viable);
 * ```
 */
export class VfioGroup implements Disposable {
  /** N in `/dev/vfio/N`. It can change at each boot. */
  readonly number: number;
  #group: GroupHandle | undefined;
  #container: ContainerHandle | undefined;

  private constructor(pass: symbol, group: GroupHandle, number: number) {
    checkPass(pass, VfioGroup);
    this.#group = group;
    this.number = number;
  }

  /**
   * Opens the group of a PCI device.
   *
   * @param pciAddress `'0000:00:04.0'`, or `'00:04.0'`
   * @throws TypeError or RangeError if `pciAddress` is not a PCI address
   * @throws DmaError `ENODEV` if there is no such device, or no IOMMU translates its DMA; `ENOENT` if it is not bound to vfio-pci;
   * `EACCES`; `EBUSY` if the group is already open. The hint has the commands that fix it
   */
  static forDevice(pciAddress: string): VfioGroup {
    const device = findPciDevice(pciAddress);
    const what = `cannot open the IOMMU group of ${device.address}`;
    const { iommuGroup } = device;
    if (iommuGroup === undefined) {
      throw systemError(ENODEV, { what, because: 'it has none', hint: noIommuHint(device) });
    }
    const group = native().vfioGroupOpen(iommuGroup);
    if (typeof group === 'number') {
      const hint = deviceFileHint(group, `/dev/vfio/${iommuGroup}`, device);
      throw systemError(group, { what, syscall: 'open', hint });
    }
    return new VfioGroup(PASS, group, iommuGroup);
  }

  /**
   * Whether all devices of the group can be assigned: each is bound to a VFIO driver, or to no driver.
   *
   * @throws DmaError `ERR_CLOSED`
   */
  get viable(): boolean {
    const status = native().vfioGroupStatus(this.#open());
    if (status < 0) {
      const what = `cannot ask IOMMU group ${this.number} for its status`;
      throw systemError(status, { what, syscall: 'ioctl', request: 'VFIO_GROUP_GET_STATUS' });
    }
    return (status & VFIO_GROUP_FLAGS_VIABLE) !== 0;
  }

  /**
   * Opens a device of this group. The group must be in a container.
   *
   * @throws TypeError or RangeError if `pciAddress` is not a PCI address
   * @throws DmaError `EINVAL` if the group is in no container; `ENODEV` if the device is not in this group, or not bound to vfio-pci;
   * `ERR_CLOSED`
   */
  openDevice(pciAddress: string): VfioDevice {
    const group = this.#open();
    const device = findPciDevice(pciAddress);
    const opened = native().vfioGroupOpenDevice(group, device.address);
    if (typeof opened !== 'number') {
      return VfioDevice.fromGroup(opened, device);
    }
    const elsewhere = device.iommuGroup !== this.number;
    throw systemError(opened, {
      what: `cannot open ${device.address} through IOMMU group ${this.number}`,
      syscall: 'ioctl',
      request: 'VFIO_GROUP_GET_DEVICE_FD',
      because: elsewhere ? `it is in group ${device.iommuGroup ?? 'none'}` : undefined,
      hint: elsewhere
        ? `Open it through VfioGroup.forDevice('${device.address}').`
        : (notBoundHint(device) ??
          viabilityHint(this.number) ??
          (opened === EINVAL ? 'Add the group to a container first: container.addGroup(group).' : undefined)),
    });
  }

  /** Closes the descriptor. The group can be opened again after its devices are closed too. Calling it again has no effect. */
  close(): void {
    const group = this.#group;
    this.#group = undefined;
    this.#container = undefined;
    if (group !== undefined) {
      native().vfioGroupClose(group);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal */
  static handleOf(group: VfioGroup): GroupHandle {
    return group.#open();
  }

  /** @internal */
  static containerOf(group: VfioGroup): ContainerHandle | undefined {
    return group.#container;
  }

  /** @internal */
  static setContainer(group: VfioGroup, container: ContainerHandle): void {
    group.#container = container;
  }

  #open(): GroupHandle {
    if (this.#group === undefined) {
      throw closedError(`IOMMU group ${this.number}`);
    }
    return this.#group;
  }

  static {
    madeBy(this, 'VfioGroup.forDevice');
    printable(this, (group) => ({ number: group.number, closed: group.#group === undefined }));
  }
}
