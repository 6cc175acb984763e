import { checkPass, PASS } from '../constructor-pass.js';
import { ERRNO, madeBy, printable } from '../../streams/internal.js';
import type { Mappable } from '../../streams/index.js';
import { checkBytes, checkInteger, toByteCount, toBytes } from '../checks.js';
import { closedError, systemError } from '../errors.js';
import { Ioas, Iommufd } from './iommufd.js';
import { native } from '../native.js';
import type { DeviceHandle } from '../native.js';
import { findPciDevice } from './pci.js';
import type { PciDevice } from './pci.js';
import { accessHint, attachHint, bindHint, deviceFileHint, notBoundHint, resetHint } from './open-hints.js';

// From <linux/vfio.h>: regions of a PCI device, and flags of a region.
const CONFIG_REGION = 7;
const BARS = 6;
const VFIO_REGION_INFO_FLAG_MMAP = 4;

const { ENOENT, EINVAL } = ERRNO;

/** A region of a PCI device: 0 to 5 are the BARs, 6 is the expansion ROM, 7 the configuration space. */
export interface VfioRegion {
  /** In bytes; 0 if the device does not have the region. */
  readonly size: bigint;
  /** Offset of the region in the device file, in bytes: the `fileOffset` to map its first byte. */
  readonly offset: bigint;
  /** Whether the region, or a part of it, can be mapped. */
  readonly mappable: boolean;
}

/**
 * A PCI device that vfio-pci assigns to this process, opened through its group (`VfioGroup.openDevice`), or through its own file with an
 * iommufd (`VfioDevice.openCdev`). It is a `Mappable`: a BAR is mapped with type `device`, at the `offset` of its region.
 *
 * @example
 * ```ts
 * import { Iommufd, VfioDevice } from 'dma-streams/binding';
 *
 * using iommufd = Iommufd.open();
 * using device = VfioDevice.openCdev('0000:00:04.0', iommufd);
 * console.log(device.readConfig(0, 2).readUInt16LE()); // the vendor ID
 * ```
 */
export class VfioDevice implements Mappable, Disposable {
  /** `'0000:00:04.0'` */
  readonly label: string;
  readonly #pci: PciDevice;
  /** The device can be attached to IOASes of this iommufd. `undefined` if it was opened through its group. */
  readonly #iommufd: Iommufd | undefined;
  #device: DeviceHandle | undefined;

  private constructor(pass: symbol, device: DeviceHandle, pci: PciDevice, iommufd: Iommufd | undefined) {
    checkPass(pass, VfioDevice);
    this.#device = device;
    this.#pci = pci;
    this.#iommufd = iommufd;
    this.label = pci.address;
  }

  /**
   * Opens a device through its own file and binds it to an iommufd. Its DMA is blocked until it is attached to an IOAS.
   *
   * On failure: nothing stays open.
   *
   * @param pciAddress `'0000:00:04.0'`, or `'00:04.0'`
   * @throws DmaError `ENODEV` if there is no such device; `ENOENT` if it is not bound to vfio-pci, or the kernel has no device files (it
   * needs Linux 6.6 with CONFIG_VFIO_DEVICE_CDEV); `EACCES`; `EBUSY` if the device or its group is open. The hint has the commands
   * that fix it
   */
  static openCdev(pciAddress: string, iommufd: Iommufd): VfioDevice {
    const iommufdHandle = Iommufd.handleOf(iommufd);
    const pci = findPciDevice(pciAddress);
    const what = `cannot open ${pci.address}`;
    const path = `/dev/vfio/devices/vfio${pci.vfioNumber ?? 'N'}`;
    const device = pci.vfioNumber === undefined ? ENOENT : native().vfioDeviceOpen(pci.vfioNumber);
    if (typeof device === 'number') {
      const hint =
        device === ENOENT
          ? (notBoundHint(pci) ?? `${path} is missing: it takes Linux 6.6 or later with CONFIG_VFIO_DEVICE_CDEV.`)
          : deviceFileHint(device, path, pci);
      throw systemError(device, { what, syscall: 'open', hint });
    }
    const bound = native().vfioDeviceBindIommufd(device, iommufdHandle);
    if (bound < 0) {
      native().vfioDeviceClose(device);
      const hint = bindHint(bound, path, pci);
      throw systemError(bound, { what, syscall: 'ioctl', request: 'VFIO_DEVICE_BIND_IOMMUFD', hint });
    }
    return new VfioDevice(PASS, device, pci, iommufd);
  }

  /** The file descriptor, owned by this object: do not close it. @throws DmaError `ERR_CLOSED` */
  get fd(): number {
    return native().vfioDeviceFd(this.#open());
  }

  /**
   * Attaches the device to an IOAS, so that its DMA can access the mapped memory. iommufd pins and checks existing maps at this point. If
   * the device is attached to another IOAS, it is switched without a gap.
   *
   * On failure: nothing changes.
   *
   * @throws DmaError `EINVAL` if the device was opened through its group, or the IOAS is of another iommufd; `EFAULT` if mapped memory is
   * not backed; `EADDRINUSE` if addresses are mapped that the device cannot access; `ENOMEM` above the limit of locked memory; `ERR_CLOSED`
   */
  attach(ioas: Ioas): void {
    const device = this.#open();
    const what = `cannot attach ${this.label}`;
    if (!(ioas instanceof Ioas)) {
      throw new TypeError('ioas is not an Ioas');
    }
    if (this.#iommufd !== ioas.iommufd) {
      throw systemError(EINVAL, {
        what,
        because: this.#iommufd === undefined ? 'it was opened through its group' : 'the IOAS is of another iommufd',
        hint: 'Open it with VfioDevice.openCdev, with the iommufd that the IOAS is of.',
      });
    }
    const result = native().vfioDeviceAttach(device, ioas.id);
    if (result < 0) {
      const hint = attachHint(result, this.#pci.iommuGroup);
      throw systemError(result, { what, syscall: 'ioctl', request: 'VFIO_DEVICE_ATTACH_IOMMUFD_PT', hint });
    }
    Ioas.noteJoin(ioas);
  }

  /**
   * Detaches the device from its IOAS: its DMA is blocked. If it is not attached, the call has no effect.
   *
   * @throws DmaError `EINVAL` if the device was opened through its group; `ERR_CLOSED`
   */
  detach(): void {
    const device = this.#open();
    const what = `cannot detach ${this.label}`;
    if (this.#iommufd === undefined) {
      const because = 'it was opened through its group';
      throw systemError(EINVAL, { what, because, hint: 'It leaves its container when device and group are closed.' });
    }
    const result = native().vfioDeviceDetach(device);
    if (result < 0) {
      throw systemError(result, { what, syscall: 'ioctl', request: 'VFIO_DEVICE_DETACH_IOMMUFD_PT' });
    }
  }

  /**
   * Size and place of a region of the device.
   *
   * @param index 0 to 5 for the BARs, 6 for the expansion ROM, 7 for the configuration space
   * @throws RangeError if there is no such region; DmaError `ERR_CLOSED`
   */
  region(index: number): VfioRegion {
    const device = this.#open();
    checkInteger(index, 'index', 0, Number.MAX_SAFE_INTEGER);
    const region = native().vfioDeviceRegion(device, index);
    if (region === EINVAL) {
      throw new RangeError(`${this.label} has no region ${index}`);
    }
    if (typeof region === 'number') {
      const what = `cannot ask ${this.label} about region ${index}`;
      throw systemError(region, { what, syscall: 'ioctl', request: 'VFIO_DEVICE_GET_REGION_INFO' });
    }
    const mappable = region.size > 0n && (region.flags & VFIO_REGION_INFO_FLAG_MMAP) !== 0;
    return { size: region.size, offset: region.offset, mappable };
  }

  /**
   * Reads the PCI configuration space, as vfio-pci presents it. `offset` and `length` are in bytes.
   *
   * @throws RangeError beyond its end (256 or 4096 bytes); DmaError `EIO`, `ERR_CLOSED`
   */
  readConfig(offset: bigint | number, length: bigint | number): Buffer {
    return this.#read(CONFIG_REGION, offset, length);
  }

  /** Writes the PCI configuration space. @throws as {@link VfioDevice.readConfig} */
  writeConfig(offset: bigint | number, data: Uint8Array): void {
    this.#write(CONFIG_REGION, offset, data);
  }

  /**
   * Reads registers or memory of a BAR. An aligned read of 1, 2 or 4 bytes is one access to the device; a longer read is several.
   *
   * @param index 0 to 5
   * @throws RangeError beyond its end; DmaError `EIO` if the device does not respond, `ERR_CLOSED`
   */
  readBar(index: number, offset: bigint | number, length: bigint | number): Buffer {
    checkBar(index);
    return this.#read(index, offset, length);
  }

  /** Writes registers or memory of a BAR. @throws as {@link VfioDevice.readBar} */
  writeBar(index: number, offset: bigint | number, data: Uint8Array): void {
    checkBar(index);
    this.#write(index, offset, data);
  }

  /**
   * Resets the device: its DMA stops, and its registers have their power-on values.
   *
   * @throws DmaError `EINVAL` or `ENOTTY` if the device has no reset that affects only itself; `ERR_CLOSED`
   */
  reset(): void {
    const result = native().vfioDeviceReset(this.#open());
    if (result < 0) {
      const hint = resetHint(result);
      throw systemError(result, {
        what: `cannot reset ${this.label}`,
        syscall: 'ioctl',
        request: 'VFIO_DEVICE_RESET',
        hint,
      });
    }
  }

  /** Closes the descriptor: the kernel detaches the device and stops its DMA. Mappings of BARs stay. Calling it again has no effect. */
  close(): void {
    const device = this.#device;
    this.#device = undefined;
    if (device !== undefined) {
      native().vfioDeviceClose(device);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal */
  static fromGroup(device: DeviceHandle, pci: PciDevice): VfioDevice {
    return new VfioDevice(PASS, device, pci, undefined);
  }

  #open(): DeviceHandle {
    if (this.#device === undefined) {
      throw closedError(`device ${this.label}`);
    }
    return this.#device;
  }

  #read(index: number, offset: bigint | number, length: bigint | number): Buffer {
    const start = toBytes(offset, 'offset');
    const count = toByteCount(length, 'length');
    const at = this.#checkInside(index, start, count);
    const buffer = Buffer.alloc(count);
    const result = native().vfioDeviceRead(this.#open(), at, buffer);
    if (result < 0) {
      throw this.#accessError(result, 'read', index, start, count);
    }
    return buffer;
  }

  #write(index: number, offset: bigint | number, data: Uint8Array): void {
    const start = toBytes(offset, 'offset');
    checkBytes(data, 'data');
    const at = this.#checkInside(index, start, data.byteLength);
    const result = native().vfioDeviceWrite(this.#open(), at, data);
    if (result < 0) {
      throw this.#accessError(result, 'write', index, start, data.byteLength);
    }
  }

  /** The offset of the bytes in the device file. */
  #checkInside(index: number, offset: bigint, length: number): bigint {
    const region = this.region(index);
    if (offset + BigInt(length) > region.size) {
      const end = `0x${region.size.toString(16)}`;
      throw new RangeError(
        `offset 0x${offset.toString(16)} and length ${length} reach beyond ${regionName(index)}, which is ${end} bytes long`,
      );
    }
    return region.offset + offset;
  }

  #accessError(errno: number, access: 'read' | 'write', index: number, offset: bigint, length: number): Error {
    return systemError(errno, {
      what: `cannot ${access} ${length} bytes at 0x${offset.toString(16)} of ${regionName(index)} of ${this.label}`,
      syscall: access === 'read' ? 'pread' : 'pwrite',
      hint: accessHint(errno),
    });
  }

  static {
    madeBy(this, 'VfioDevice.openCdev or vfioGroup.openDevice');
    printable(this, (device) => ({ label: device.label, closed: device.#device === undefined }));
  }
}

function checkBar(index: number): void {
  checkInteger(index, 'index', 0, Number.MAX_SAFE_INTEGER);
  if (index >= BARS) {
    throw new RangeError(`index ${index} is not of a BAR: they are 0 to ${BARS - 1}`);
  }
}

function regionName(index: number): string {
  return index === CONFIG_REGION ? 'the configuration space' : `BAR ${index}`;
}
