import { findPciDevice } from '../../binding/index.js';
import type { Attachment, DmaTarget, RegionManager } from '../../streams/index.js';
import {
  AssignedDevices,
  VhostUserConnection,
  VhostUserTarget,
  type AssignmentInterface,
} from '../../targets/index.js';
import { ConnectedBackEnd, type BackEnd } from './back-end.js';
import type { BackEndOptions } from './back-end-options.js';
import type { DmaDevice } from './dma-device.js';
import { EduDevice, isEdu } from './edu-device.js';

/** A target that is attached to the manager of a replay. */
export interface AttachedTarget {
  readonly attachment: Attachment;
  /** Performs DMA behind the target, for the check at the end. */
  readonly device?: DmaDevice;
  /** Another process that shares the memory. */
  readonly backEnd?: BackEnd;
  /** Closes what was opened for the target. Called after the manager was closed. @throws DmaUnmapError */
  readonly close?: () => Promise<void>;
}

/**
 * Makes a target and attaches it to the manager. What is attached is what `wrap` returns for the target. `signal` aborts what may take long.
 *
 * On failure: nothing stays open.
 *
 * @throws DmaError with the commands that fix it
 */
export type AttachTarget = (
  manager: RegionManager,
  wrap: (target: DmaTarget) => DmaTarget,
  signal?: AbortSignal,
) => Promise<AttachedTarget>;

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

/** Connects to a back end, and shares the guest's memory with it. */
export function attachBackEnd(
  { path, connection: settings, target: options }: BackEndOptions,
  name: string,
): AttachTarget {
  return async (manager, wrap, signal) => {
    const connection = await VhostUserConnection.connect(path, {
      ...settings,
      ...(signal === undefined ? {} : { signal }),
    });
    try {
      const target = new VhostUserTarget(connection, { ...options, name });
      const backEnd = new ConnectedBackEnd(connection, target);
      const attachment = await manager.attach(wrap(target));
      return {
        attachment,
        backEnd,
        close: () => {
          connection.close();
          return Promise.resolve();
        },
      };
    } catch (error) {
      connection.close();
      throw error;
    }
  };
}
