import { findPciDevice } from '../../binding/index.js';
import type { Attachment, DmaTarget, RegionManager } from '../../streams/index.js';
import { AssignedDevices, type AssignmentInterface } from '../../targets/index.js';
import type { DmaDevice } from './dma-device.js';
import { EduDevice, isEdu } from './edu-device.js';

/** A target that is attached to the manager of a replay. */
export interface AttachedTarget {
  readonly attachment: Attachment;
  /** Performs DMA behind the target, for the check at the end. */
  readonly device?: DmaDevice;
  /** Closes what was opened for the target. Called after the manager was closed. @throws DmaUnmapError */
  readonly close?: () => Promise<void>;
}

/**
 * Makes a target and attaches it to the manager. What is attached is what `wrap` returns for the target.
 *
 * On failure: nothing stays open.
 *
 * @throws DmaError with the commands that fix it
 */
export type AttachTarget = (manager: RegionManager, wrap: (target: DmaTarget) => DmaTarget) => Promise<AttachedTarget>;

/** For a software target, and the device behind it if there is one. */
export function attachSoftware(make: () => { readonly target: DmaTarget; readonly device?: DmaDevice }): AttachTarget {
  return async (manager, wrap) => {
    const { target, ...device } = make();
    return { attachment: await manager.attach(wrap(target)), ...device };
  };
}

/** Assigns a device, in an IOMMU domain of its own. QEMU's edu device can perform DMA for the check. */
export function attachDevice(address: string, through: AssignmentInterface, name: string): AttachTarget {
  return async (manager, wrap) => {
    const made: { target?: DmaTarget } = {};
    const devices = new AssignedDevices(manager, {
      name,
      attachAs: (target) => {
        made.target = target;
        return wrap(target);
      },
    });
    const assigned = await devices.add(address, { through });
    const { attachment } = assigned;
    const close = (): Promise<void> => devices.close();
    return made.target !== undefined && isEdu(findPciDevice(address))
      ? { attachment, device: new EduDevice(assigned, name, made.target), close }
      : { attachment, close };
  };
}
