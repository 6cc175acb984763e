import { findPciDevice, Iommufd, VfioContainer, VfioDevice, VfioGroup } from '../../binding/index.js';
import { IommufdTarget, VfioType1Target } from '../../targets/index.js';
import type { CreatedTarget } from './created-target.js';
import { EduDevice, isEdu } from './edu-device.js';

/**
 * Opens a device through its group, and makes a target that programs the IOMMU in front of it.
 *
 * On failure: nothing stays open.
 *
 * @throws DmaError with the commands that cure it
 */
export function openType1Target(address: string, name: string): CreatedTarget {
  return opening((opened) => {
    // Asked first: that there is no such device says more than that there is no VFIO.
    findPciDevice(address);
    const container = opened.add(VfioContainer.open());
    const group = opened.add(VfioGroup.forDevice(address));
    container.addGroup(group);
    const device = opened.add(group.openDevice(address));
    const target = new VfioType1Target(container, { name });
    return { target, ...doingDma(device, name, target, () => container.info.iovaRanges) };
  });
}

/** As {@link openType1Target}, with an iommufd and an IOAS of its own. */
export function openIommufdTarget(address: string, name: string): CreatedTarget {
  return opening((opened) => {
    findPciDevice(address);
    const iommufd = opened.add(Iommufd.open());
    const ioas = iommufd.allocIoas();
    opened.add({
      close: () => {
        ioas.destroy();
      },
    });
    const device = opened.add(VfioDevice.openCdev(address, iommufd));
    device.attach(ioas);
    const target = new IommufdTarget(ioas, { name });
    return { target, ...doingDma(device, name, target, () => ioas.iovaRanges) };
  });
}

function doingDma(
  device: VfioDevice,
  name: string,
  target: VfioType1Target | IommufdTarget,
  iovaRanges: () => VfioContainer['info']['iovaRanges'],
): Pick<CreatedTarget, 'device'> {
  return isEdu(findPciDevice(device.label)) ? { device: new EduDevice(device, { name, target, iovaRanges }) } : {};
}

interface Closable {
  close(): void;
}

/** Closes what was opened, the last first: at the end, or when the rest fails. */
class Opened implements Closable {
  readonly #all: Closable[] = [];

  add<T extends Closable>(one: T): T {
    this.#all.push(one);
    return one;
  }

  /** All of them, also when one fails. @throws what the first of those threw */
  close(): void {
    const failures: unknown[] = [];
    for (let one = this.#all.pop(); one !== undefined; one = this.#all.pop()) {
      try {
        one.close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) {
      throw failures[0];
    }
  }
}

function opening(open: (opened: Opened) => CreatedTarget): CreatedTarget {
  const opened = new Opened();
  try {
    const created = open(opened);
    return {
      ...created,
      close: () => {
        opened.close();
      },
    };
  } catch (error) {
    opened.close();
    throw error;
  }
}
