import {
  findPciDevice,
  Iommufd,
  VfioContainer,
  VfioDevice,
  VfioGroup,
  type Ioas,
  type PciDevice,
} from '../../binding/index.js';
import { BY_FILE_RATIOS, BY_VA_RATIOS, type WayRatios } from '../support/limits.js';
import { IommufdTarget, VfioType1Target } from '../../targets/index.js';

/** The two devices of the guest, in separate IOMMU groups. */
export const FIRST = '0000:00:04.0';
export const SECOND = '0000:00:05.0';

export const WAYS = ['type1', 'iommufd by va', 'iommufd by file'] as const;
export type WayName = (typeof WAYS)[number];

/** The memory slots of a VM, which need no device. */
export const SLOTS = 'kvm';
/** What the C++ loop can do. */
export type LoopName = WayName | typeof SLOTS;

/** A target with a device, so that the kernel pins the mapped memory. */
export interface Way {
  readonly target: VfioType1Target | IommufdTarget;
  close(): void;
}

export function byFile(way: LoopName): boolean {
  return way === 'iommufd by file';
}

/** The limits for maps and unmaps, as multiples of the C++ loop. */
export function ratiosOf(way: WayName): WayRatios {
  return byFile(way) ? BY_FILE_RATIOS : BY_VA_RATIOS;
}

/** Whether this kernel supports it: mapping by file requires Linux 6.14. */
export function has(way: WayName): boolean {
  if (!byFile(way)) {
    return true;
  }
  using iommufd = Iommufd.open();
  return iommufd.supportsMapFile;
}

export function open(way: WayName, address: string): Way {
  if (way === 'type1') {
    return openType1(address);
  }
  const iommufd = Iommufd.open();
  const opened = openIoas(way, address, iommufd);
  return {
    target: opened.target,
    close() {
      opened.close();
      iommufd.close();
    },
  };
}

function openType1(address: string): Way {
  const container = VfioContainer.open();
  const group = VfioGroup.forDevice(address);
  container.addGroup(group);
  const device = group.openDevice(address);
  return {
    target: new VfioType1Target(container, { name: address }),
    close() {
      device.close();
      group.close();
      container.close();
    },
  };
}

/** A target with a separate IOAS of an iommufd that may be shared. */
export function openIoas(way: WayName, address: string, iommufd: Iommufd): Way & { readonly ioas: Ioas } {
  const ioas = iommufd.allocIoas();
  const device = VfioDevice.openCdev(address, iommufd);
  device.attach(ioas);
  return {
    target: new IommufdTarget(ioas, { name: address, by: byFile(way) ? 'file' : 'va' }),
    ioas,
    close() {
      device.close();
      ioas.destroy();
    },
  };
}

/** The arguments of the C++ loop for the same work at other devices. */
export function loopArguments(way: LoopName, ...addresses: readonly string[]): string[] {
  if (way === SLOTS) {
    return [SLOTS];
  }
  const devices = addresses.map((address): PciDevice => findPciDevice(address));
  return way === 'type1'
    ? ['type1', ...devices.flatMap(({ iommuGroup }, index) => [String(iommuGroup), addresses[index] ?? ''])]
    : ['iommufd', ...devices.map(({ vfioNumber }) => String(vfioNumber))];
}
