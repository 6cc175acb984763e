import { checkPass, PASS } from '../constructor-pass.js';
import { ERRNO } from '../../streams/internal.js';
import type { Mappable } from '../../streams/index.js';
import { checkAddress, checkBytes, checkLength } from '../checks.js';
import { closedError, systemError } from '../errors.js';
import { Ioas, Iommufd } from './iommufd.js';
import { native } from '../native.js';
import type { DeviceHandle } from '../native.js';
import { findPciDevice } from './pci.js';
import type { PciDevice } from './pci.js';
import { accessHint, attachHint, bindHint, deviceFileHint, notBoundHint, resetHint } from './open-hints.js';

// Of <linux/vfio.h>: regions of a PCI device, and flags of one.
const CONFIG_REGION = 7;
const BARS = 6;
const VFIO_REGION_INFO_FLAG_MMAP = 4;

const { ENOENT, EINVAL } = ERRNO;

/** A part of a device: BARs are regions 0 to 5, the expansion ROM is 6, the configuration space 7. */
export interface VfioRegion {
  /** In bytes; 0 when the device does not have it. */
  readonly size: bigint;
  /** Where in the device's file it starts: the `fileOffset` of a mapping of its first byte. */
  readonly offset: bigint;
  /** Whether it, or a part of it, can be mapped. */
  readonly mappable: boolean;
}

/**
 * A PCI device given to this process by vfio-pci: opened through its group (`VfioGroup.openDevice`), or through its own file
 * with an iommufd (`VfioDevice.openCdev`).
 *
 * It is a mappable: a BAR is memory of type `device`, at the `offset` of its region.
 */
export class VfioDevice implements Mappable, Disposable {
  /** `'0000:00:04.0'` */
  readonly label: string;
  readonly #pci: PciDevice;
  /** Whose IOASes it can be attached to; none when it was opened through its group. */
  readonly #iommufd: Iommufd | undefined;
  #device: DeviceHandle | undefined;

  private constructor(pass: symbol, device: DeviceHandle, pci: PciDevice, iommufd: Iommufd | undefined) {
    checkPass(pass, 'a VfioDevice is made by VfioDevice.openCdev or by a VfioGroup');
    this.#device = device;
    this.#pci = pci;
    this.#iommufd = iommufd;
    this.label = pci.address;
  }

  /**
   * Opens a device through its own file and binds it to an iommufd. It can do no DMA before it is attached to an IOAS.
   *
   * On failure: nothing stays open.
   *
   * @param pciAddress `'0000:00:04.0'`, or `'00:04.0'`
   * @throws DmaError `ENODEV` when there is no such device; `ENOENT` when it is not bound to vfio-pci, or the kernel has no
   * such files (it needs Linux 6.6 with CONFIG_VFIO_DEVICE_CDEV); `EACCES`; `EBUSY` when it, or its group, is open. Each with
   * the commands that cure it
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

  /** @throws DmaError `ERR_CLOSED` */
  get fd(): number {
    return native().vfioDeviceFd(this.#open());
  }

  /**
   * Lets the device reach what an IOAS maps. This is when iommufd pins what is mapped already, and checks it. Attached to
   * another IOAS, it changes over without a gap.
   *
   * On failure: as before.
   *
   * @throws DmaError `EINVAL` when the device was opened through its group, or the IOAS is of another iommufd; `EFAULT` when
   * something mapped is not backed; `EADDRINUSE` when something is mapped where the device cannot reach; `ENOMEM` over the
   * limit of locked memory; `ERR_CLOSED`
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
   * Ends it: the device can do no DMA any more. Not attached: nothing.
   *
   * @throws DmaError `EINVAL` when the device was opened through its group; `ERR_CLOSED`
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
   * @param index 0 to 5 for the BARs, 6 for the expansion ROM, 7 for the configuration space
   * @throws RangeError when `index` is not of a region; DmaError `ERR_CLOSED`
   */
  region(index: number): VfioRegion {
    const device = this.#open();
    checkLength(index, 'index');
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
   * Reads the PCI configuration space, as vfio-pci shows it.
   *
   * @throws RangeError beyond its end (256 or 4096 bytes); DmaError `EIO`, `ERR_CLOSED`
   */
  readConfig(offset: number, length: number): Buffer {
    checkLength(offset, 'offset');
    return this.#read(CONFIG_REGION, BigInt(offset), length);
  }

  /** Writes it. @throws as {@link VfioDevice.readConfig} */
  writeConfig(offset: number, data: Uint8Array): void {
    checkLength(offset, 'offset');
    this.#write(CONFIG_REGION, BigInt(offset), data);
  }

  /**
   * Reads registers or memory of a BAR. 1, 2 or 4 bytes, aligned, are one access of the device; what is longer, several.
   *
   * @param index 0 to 5
   * @throws RangeError beyond its end; DmaError `EIO` when the device does not answer, `ERR_CLOSED`
   */
  readBar(index: number, offset: bigint, length: number): Buffer {
    checkBar(index);
    return this.#read(index, offset, length);
  }

  /** Writes them. @throws as {@link VfioDevice.readBar} */
  writeBar(index: number, offset: bigint, data: Uint8Array): void {
    checkBar(index);
    this.#write(index, offset, data);
  }

  /**
   * Resets the device: its DMA stops, its registers are as after power-on.
   *
   * @throws DmaError `EINVAL` or `ENOTTY` when it has no reset of its own; `ERR_CLOSED`
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

  /** Closes the descriptor: the kernel detaches the device and stops its DMA. What is mapped of it stays. Again: nothing. */
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

  #read(index: number, offset: bigint, length: number): Buffer {
    checkLength(length, 'length');
    const at = this.#checkInside(index, offset, length);
    const buffer = Buffer.alloc(length);
    const result = native().vfioDeviceRead(this.#open(), at, buffer);
    if (result < 0) {
      throw this.#accessError(result, 'read', index, offset, length);
    }
    return buffer;
  }

  #write(index: number, offset: bigint, data: Uint8Array): void {
    checkBytes(data, 'data');
    const at = this.#checkInside(index, offset, data.byteLength);
    const result = native().vfioDeviceWrite(this.#open(), at, data);
    if (result < 0) {
      throw this.#accessError(result, 'write', index, offset, data.byteLength);
    }
  }

  /** Where in the device's file the bytes are. */
  #checkInside(index: number, offset: bigint, length: number): bigint {
    checkAddress(offset, 'offset');
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
}

function checkBar(index: number): void {
  checkLength(index, 'index');
  if (index >= BARS) {
    throw new RangeError(`index ${index} is not of a BAR: they are 0 to ${BARS - 1}`);
  }
}

function regionName(index: number): string {
  return index === CONFIG_REGION ? 'the configuration space' : `BAR ${index}`;
}
