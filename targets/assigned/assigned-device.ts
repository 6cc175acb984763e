import type { IovaRange, VfioDevice } from '../../binding/index.js';
import type { Attachment, AttachOptions, DmaTarget, TargetBranch } from '../../streams/index.js';
import type { IommufdTargetOptions } from '../iommufd-target.js';

/** The kernel interface for an assigned device: `'type1'` is its group in a VFIO container, `'iommufd'` its device file with an iommufd. */
export type AssignmentInterface = 'type1' | 'iommufd';

/** Options of `AssignedDevices.add`. */
export interface AssignOptions extends AttachOptions {
  /** The kernel interface to use. */
  readonly through: AssignmentInterface;
}

/** Options of `AssignedDevices`. */
export interface AssignedDevicesOptions {
  /** How iommufd targets map memory: see `IommufdTargetOptions.by`. Default: `'auto'`. */
  readonly by?: NonNullable<IommufdTargetOptions['by']>;
  /**
   * Name of the first target, in errors, outcomes and `Attachment.target`. Targets of further domains are named `NAME-2`, `NAME-3`, and so
   * on. Give different names to several objects at one manager. Default: `'vfio'` for type1, `'iommufd'` for iommufd.
   */
  readonly name?: string;
  /**
   * Makes what is attached to the manager from the target of a domain: a wrapper around it (`forwardTarget`), or a branch with operators
   * before it, such as `(target) => (changes$) => changes$.pipe(onlyType('ram'), ensureMapped(space), toTarget(target))`. It is called once
   * for each domain. An error that it throws rejects `add`. Default: the target itself is attached.
   */
  readonly attachAs?: (target: DmaTarget) => DmaTarget | TargetBranch;
}

/** A device that is assigned to the guest. Its DMA can access the active memory of the manager, and no other memory. */
export interface AssignedDevice extends AsyncDisposable {
  /** `'0000:00:04.0'` */
  readonly address: string;
  /** The kernel interface through which it is assigned. */
  readonly through: AssignmentInterface;
  /** The open device, for access to registers, to map BARs, and to reset it. `remove()` closes it. */
  readonly device: VfioDevice;
  /** The attachment at the manager, common to devices that share mappings. Do not detach it: the last `remove()` does. */
  readonly attachment: Attachment;
  /**
   * The I/O virtual addresses that the device can access once they are mapped, ascending; common to devices that share mappings. The list
   * is read from the kernel at each access: a further device can make it smaller.
   *
   * @throws DmaError `ERR_CLOSED` after the last `remove()`
   */
  readonly iovaRanges: readonly IovaRange[];
  /**
   * Removes the device from the guest and closes it. If it is the last device that shares the mappings, they are unmapped first.
   *
   * The device is closed even on failure. While the manager maps a BAR of the device, the kernel keeps the device and its group open:
   * remove that region first. Calling it again returns the same promise.
   *
   * @throws DmaUnmapError if a mapping cannot be unmapped and the device is still open elsewhere. The unmap is retried by the next `add`,
   * `remove` or `close`
   */
  remove(): Promise<void>;
}
